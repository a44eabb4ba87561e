package main

import (
	"encoding/csv"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
)

// TestTranscripts runs testdata/transcripts: each is a session of command lines against a service with canned answers.
//
//	run [NAME=(VALUE)...]   a command line; answers with standard output, standard error and the exit code
//	requests                what the service was asked since the last time
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("transcripts: %v, %d files", err, len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			server := embeddedtest.Start(t)
			service := &answers{jobs: someJobs(), next: laterJobs(), logs: someLogs()}
			service.serve(t, embeddedtest.Connect(t, server))
			folder, err := filepath.Abs(".")
			if err != nil {
				t.Fatal(err)
			}
			datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
				text := ""
				switch d.Cmd {
				case "run":
					text = runLine(t, server.URL(), d)
				case "requests":
					text = service.asked()
				case "lose":
					service.mu.Lock()
					service.lost++
					service.mu.Unlock()
				default:
					t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
				}
				text = strings.ReplaceAll(strings.ReplaceAll(text, server.URL(), "NATS_URL"), folder, "FOLDER")
				return unstable.ReplaceAllString(text, "$1-NUID")
			})
		})
	}
}

var unstable = regexp.MustCompile(`(submit|trigger)-[A-Za-z0-9]{22}`)

func runLine(t *testing.T, url string, d *datadriven.TestData) string {
	t.Helper()
	words := csv.NewReader(strings.NewReader(d.Input))
	words.Comma = ' '
	args, err := words.Read()
	if err != nil {
		t.Fatalf("%s: %v", d.Pos, err)
	}
	variables := map[string]string{}
	for _, argument := range d.CmdArgs {
		variables[argument.Key] = strings.Join(argument.Vals, ",")
	}
	got := run(t.Context(), url, variables, args...)
	text := got.out
	if got.errs != "" {
		text += "-- standard error --\n" + got.errs
	}
	return text + fmt.Sprintf("exit %d\n", got.code)
}

func someJobs() []api.Job {
	ago := func(d time.Duration) time.Time { return nowhere.Add(-d) }
	at := func(state orchestrator.JobState, submitted, entered time.Time) map[orchestrator.JobState]time.Time {
		return map[orchestrator.JobState]time.Time{orchestrator.JobQueued: submitted, state: entered}
	}
	return []api.Job{
		{
			ID: "fraud-run", Tenant: "default", Queue: "fraud", Name: "nightly", State: orchestrator.JobRunning,
			Times: at(orchestrator.JobRunning, ago(5*time.Minute+10*time.Second), ago(4*time.Minute)), Updated: ago(2 * time.Second),
			Model: orchestrator.ModelRef{Name: "fraud-model", Digest: "d1"}, Input: []string{"s3://lake/day=2026-11-19/"}, Key: "id",
			Labels:   map[string]string{"team": "risk", "env": "prod"},
			Counts:   orchestrator.Counts{RowsTotal: 1_000_000, RowsDone: 250_000, RowsFailed: 3, ShardsTotal: 12, ShardsDone: 3},
			Deadline: nowhere.Add(3 * time.Hour), ExpectedStart: ago(4 * time.Minute), ExpectedFinish: nowhere.Add(12 * time.Minute),
			ExpectedFinishLow: nowhere.Add(11 * time.Minute), ExpectedFinishHigh: nowhere.Add(20 * time.Minute),
			EstimatedCost: &orchestrator.Money{Micros: 1_200_000, Currency: "EUR"}, Output: "s3://scores/fraud-run/", OutputFormat: orchestrator.FormatJSONL,
			Waiting: &orchestrator.Failure{Code: "output_full", Message: "s3://scores/fraud-run/parts/: no space is left"},
		},
		{
			ID: "fraud-wait", Tenant: "default", Queue: "fraud", Name: "\x1b[31mred 夜", State: orchestrator.JobQueued,
			Times: at(orchestrator.JobQueued, ago(time.Hour), ago(time.Hour)), Updated: ago(time.Hour), Position: 2, Input: []string{"file:///data/in.jsonl"},
			Counts: orchestrator.Counts{RowsTotal: 12}, Output: "file:///out/fraud-wait/",
		},
		{
			ID: "embed-done", Tenant: "default", Queue: "embed", State: orchestrator.JobPartiallyFailed, Epoch: 1,
			Times: at(orchestrator.JobPartiallyFailed, ago(50*time.Hour), ago(49*time.Hour)), Updated: ago(49 * time.Hour), Input: []string{"file:///data/in.jsonl"},
			Counts:     orchestrator.Counts{RowsTotal: 10, RowsExact: true, RowsDone: 8, RowsFailed: 2, ShardsTotal: 1, ShardsDone: 1, CutAll: true},
			ActualCost: &orchestrator.Money{Micros: 125, Currency: "EUR"}, Output: "file:///out/embed-done/", OutputFormat: orchestrator.FormatJSONL,
			Manifest: "file:///out/embed-done/manifest.json", Results: "file:///out/embed-done/parts/", Errors: "file:///out/embed-done/errors.jsonl",
		},
		{ID: "other", Tenant: "other", Queue: "fraud", State: orchestrator.JobQueued, Times: at(orchestrator.JobQueued, nowhere, nowhere), Updated: nowhere},
	}
}

// laterJobs is how the running job and a new one go on with each question.
func laterJobs() map[string][]api.Job {
	running := someJobs()[0]
	running.Waiting = nil
	half, done := running, running
	half.Counts.RowsDone, half.Counts.ShardsDone = 500_000, 6
	half.State = orchestrator.JobFinalizing
	enter(&done, orchestrator.JobSucceeded, nowhere)
	done.EstimatedFinish = nowhere.Add(-30 * time.Second)
	done.Counts = orchestrator.Counts{RowsTotal: 999_999, RowsExact: true, RowsDone: 999_999, ShardsTotal: 12, ShardsDone: 12, CutAll: true}
	done.ActualCost = &orchestrator.Money{Micros: 1_250_000, Currency: "EUR"}
	done.Results, done.Manifest = done.Output+"parts/", done.Output+"manifest.json"
	failed := api.Job{ID: "fraud-new", Tenant: "default", Queue: "fraud", State: orchestrator.JobFailed, Updated: nowhere.Add(time.Minute),
		Times:   map[orchestrator.JobState]time.Time{orchestrator.JobQueued: nowhere, orchestrator.JobFailed: nowhere.Add(time.Minute)},
		Failure: &orchestrator.Failure{Code: "load_failed", Message: "ImportError: no module named torch"}, Output: "file:///out/new/"}
	return map[string][]api.Job{"fraud-run": {someJobs()[0], running, half, done}, "fraud-new": {failed}}
}

func someLogs() []api.LogEntry {
	return []api.LogEntry{
		{Worker: "local-0", At: nowhere.Add(-time.Minute), Lines: []string{"loading", "ready"}},
		{Worker: "local-1", At: nowhere, Lines: []string{"row 7 is odd"}, Dropped: 12},
	}
}
