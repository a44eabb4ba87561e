package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
	"nightshift.dev/nightshift/orchestrator/service"
	"nightshift.dev/nightshift/orchestrator/state"
)

// installation written down: documents whose scorer is this test program.
func writeDocuments(t *testing.T, scorer string) (folder, file string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder = t.TempDir()
	file = filepath.Join(folder, "docs.yaml")
	text := fmt.Sprintf(`apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: echo}
spec:
  scorer: # this very program
    command: [%q]
    env: {NIGHTSHIFT_TEST_AS_SCORER: %s}
  batchRows: 7
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: local}
spec: {engine: local, capacityType: on-demand, price: {amount: "0.10", currency: EUR}, replicas: {max: 1}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: echo}
spec: {source: jobs, model: echo, pools: [local], input: {roots: [in]}, output: {root: out}}
`, program, scorer)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder, file
}

var measured = regexp.MustCompile(`\d+(\.\d+)?(ms|µs| s| [KMGTP]?i?B| B)\b`)

// findings are the lines of doctor without what differs from machine to machine.
func findings(got outcome, replace ...string) []string {
	text := strings.NewReplacer(replace...).Replace(measured.ReplaceAllString(got.out, "N"))
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return lines
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t)
	conn := embeddedtest.Connect(t, server)
	url := server.URL()
	got := run(t.Context(), url, nil, "doctor")
	want := []string{
		"ok NATS URL answers within N", "ok server version nats-server VERSION", "ok storage the account's file store holds N, without a limit",
		"fail streams missing: NIGHTSHIFT_SHARDS, NIGHTSHIFT_JOURNAL, NIGHTSHIFT_COMMITS, NIGHTSHIFT_ATTEMPTS, NIGHTSHIFT_EVENTS, NIGHTSHIFT_LOGS, NIGHTSHIFT_RECORDS, KV_nightshift_jobs, " +
			"KV_nightshift_models, KV_nightshift_workers, KV_nightshift_assignments, KV_nightshift_plans, KV_nightshift_schedules, KV_nightshift_consumers. A nightshift service makes them when it starts: nightshift dev, or nightshift run",
		"fail service NATS at URL is there, but no nightshift service answers on it. nightshift dev or nightshift run starts one, nightshift doctor looks for the cause",
	}
	if diff := cmp.Diff(want, findings(got, url, "URL", conn.ConnectedServerVersion(), "VERSION")); diff != "" || got.code != exitFailed {
		t.Errorf("nothing there: exit %d (-want +got):\n%s", got.code, diff)
	}
	store, err := state.Create(t.Context(), conn, state.Config{PresenceTTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	(&answers{jobs: someJobs(), metadata: map[string]string{service.EmbeddedServer: conn.ConnectedServerId()}}).serve(t, conn)
	if err := store.PutPresence(t.Context(), orchestrator.Presence{Worker: "local-0", State: orchestrator.WorkerIdle}); err != nil {
		t.Fatal(err)
	}
	folder, file := writeDocuments(t, "echo")
	got = run(t.Context(), url, nil, "doctor", "-f", file)
	want = []string{
		want[0], want[1], want[2], "ok streams all 14 are there", "ok stream limits no stream is near its limit", "ok durability the embedded server syncs every write",
		"ok workers 1 idle", `ok service nightshift PROGRAM answers tenant "default"`, "ok documents 1 model, 1 pool, 1 queue", "ok output queue echo: N free at FOLDER/out/",
		"warn input queue echo: its root FOLDER/in/ is not there. Make the folder, or change the queue's input.roots", "ok scorer model echo is ready after N and holds N",
	}
	if diff := cmp.Diff(want, findings(got, url, "URL", conn.ConnectedServerVersion(), "VERSION", folder, "FOLDER", version, "PROGRAM")); diff != "" || got.code != exitDone {
		t.Errorf("all well: exit %d (-want +got):\n%s", got.code, diff)
	}
}

// TestDoctorFinds: what is wrong with documents, scorers, workers and streams is found.
func TestDoctorFinds(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t)
	conn := embeddedtest.Connect(t, server)
	store, err := state.Create(t.Context(), conn, state.Config{PresenceTTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	failure := &orchestrator.Failure{Code: "load_failed", Message: "load 3 in a row failed"}
	if err := store.PutPresence(t.Context(), orchestrator.Presence{Worker: "local-0", State: orchestrator.WorkerFailed, Failure: failure}); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	logs, err := js.Stream(t.Context(), state.JournalStream)
	if err != nil {
		t.Fatal(err)
	}
	config := logs.CachedInfo().Config
	config.MaxBytes = 1000
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "nightshift.journal.a.b.c", make([]byte, 800)); err != nil {
		t.Fatal(err)
	}
	_, broken := writeDocuments(t, "broken")
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"worker and stream": {nil, []string{
			"fail workers local-0: load 3 in a row failed (load_failed). nightshift doctor -f DOCS starts the scorer here and shows more",
			"warn stream limits stream NIGHTSHIFT_JOURNAL holds", "(8"}},
		"scorer":    {[]string{"-f", broken}, []string{"fail scorer model echo: scorer echo: did not load", "| ImportError: no module named torch"}},
		"documents": {[]string{"-f", "testdata/wrong.yaml"}, []string{"fail documents testdata/wrong.yaml:3: metadata.name:", `there is no Model "ecko"`}},
		"traces": {[]string{"-f", "testdata/interrupted.yaml"}, []string{
			"fail interruptions pool lost: spec.interruptions.trace: read trace testdata/nope.json",
			"ok interruptions pool made: a synthetic trace (seed 3, capacity there for 2h0m0s and gone for 45m0s on average) at 50 times its speed"}},
		"no file": {[]string{"-f", "testdata/nope.yaml"}, []string{"fail documents read documents: testdata/nope.yaml does not exist"}},
	} {
		got := run(t.Context(), server.URL(), map[string]string{"NIGHTSHIFT_REQUEST_TIMEOUT": "10s"}, append([]string{"doctor"}, test.args...)...)
		text := strings.Join(findings(got), "\n")
		for _, want := range test.want {
			if !strings.Contains(text, want) || got.code != exitFailed {
				t.Errorf("%s: %q is not said, exit %d:\n%s", name, want, got.code, got.out)
			}
		}
	}
}

// TestDoctorForPrograms: the checks as data, with the last words of a scorer that did not load.
func TestDoctorForPrograms(t *testing.T) {
	t.Parallel()
	_, broken := writeDocuments(t, "broken")
	got := run(t.Context(), "nats://127.0.0.1:1", nil, "doctor", "-o", "json", "-f", broken)
	var report doctorReport
	if err := json.Unmarshal([]byte(got.out), &report); err != nil || got.code != exitFailed || report.Healthy || got.errs != "" {
		t.Fatalf("%v, got %+v", err, got)
	}
	want := checkReport{Check: "scorer", Verdict: checkFail, Stderr: []string{"ImportError: no module named torch"}}
	if diff := cmp.Diff(want, report.Checks[len(report.Checks)-1], cmpopts.IgnoreFields(checkReport{}, "Found")); diff != "" {
		t.Errorf("the last check (-want +got):\n%s", diff)
	}
}

// TestDoctorLooksAtStreams: of what is wrong with streams the worst is said, and nothing is taken for durable without a proof.
func TestDoctorLooksAtStreams(t *testing.T) {
	t.Parallel()
	const lazy = "warn durability all streams without a second replica, and how often the server syncs cannot be seen from here"
	for name, test := range map[string]struct {
		metadata map[string]string
		change   func(t *testing.T, js jetstream.JetStream)
		want     string
		code     int
	}{
		"a server called nightshift that syncs now and then": {want: lazy},
		"the service has another server in its process":      {metadata: map[string]string{service.EmbeddedServer: "NANOTHER"}, want: lazy},
		"a stream that fails before one that only warns": {change: func(t *testing.T, js jetstream.JetStream) {
			fill(t, js, state.JournalStream, "nightshift.journal.a.b.c", 97)
			fill(t, js, state.CommitStream, "nightshift.commits.a.b.c.0.0", 83)
		}, want: "fail stream limits stream NIGHTSHIFT_JOURNAL holds N of N (97 %)", code: exitFailed},
		"a stream that warns before one that fails": {change: func(t *testing.T, js jetstream.JetStream) {
			fill(t, js, state.JournalStream, "nightshift.journal.a.b.c", 83)
			fill(t, js, state.CommitStream, "nightshift.commits.a.b.c.0.0", 97)
		}, want: "fail stream limits stream NIGHTSHIFT_COMMITS holds N of N (97 %)", code: exitFailed},
		"acknowledged before it is written": {change: func(t *testing.T, js jetstream.JetStream) {
			replace(t, js, jetstream.StreamConfig{Name: state.AttemptStream, Subjects: []string{"nightshift.attempts.>"}, PersistMode: jetstream.AsyncPersistMode})
		}, want: "fail persistence stream NIGHTSHIFT_ATTEMPTS acknowledges before it has written (persist_mode async). Set persist_mode to default", code: exitFailed},
		"in memory": {change: func(t *testing.T, js jetstream.JetStream) {
			replace(t, js, jetstream.StreamConfig{Name: state.LogStream, Subjects: []string{"nightshift.logs.>"}, Storage: jetstream.MemoryStorage})
		}, want: "fail persistence stream NIGHTSHIFT_LOGS is kept in memory. Make it anew with file storage", code: exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := embeddedtest.Start(t)
			conn := embeddedtest.Connect(t, server)
			if _, err := state.Create(t.Context(), conn, state.Config{}); err != nil {
				t.Fatal(err)
			}
			js, err := jetstream.New(conn)
			if err != nil {
				t.Fatal(err)
			}
			if test.change != nil {
				test.change(t, js)
			}
			(&answers{jobs: someJobs(), metadata: test.metadata}).serve(t, conn)
			got := run(t.Context(), server.URL(), nil, "doctor")
			if text := strings.Join(findings(got), "\n"); !strings.Contains(text, test.want) || got.code != test.code {
				t.Errorf("exit %d, want %d and %q:\n%s", got.code, test.code, test.want, got.out)
			}
		})
	}
}

// fill makes a stream hold a share of what it may hold.
func fill(t *testing.T, js jetstream.JetStream, name, subject string, percent int64) {
	t.Helper()
	if _, err := js.Publish(t.Context(), subject, make([]byte, 10_000)); err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.MaxBytes = int64(stream.CachedInfo().State.Bytes) * 100 / percent
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
}

// replace makes a stream anew.
func replace(t *testing.T, js jetstream.JetStream, config jetstream.StreamConfig) {
	t.Helper()
	if err := js.DeleteStream(t.Context(), config.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
}

// TestReplicasOfAllStreams: one stream with replicas makes no other durable.
func TestReplicasOfAllStreams(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		replicas []int
		cluster  string
		want     string
	}{
		{[]int{3, 3}, "", "ok durability streams have replicas"},
		{[]int{3, 1}, "", "warn durability S1 without a second replica"},
		{[]int{1, 3}, "", "warn durability S0 without a second replica"},
		{[]int{1, 1}, "", "warn durability all streams without a second replica"},
		{[]int{3, 3}, "three", "ok durability streams have replicas"},
		{[]int{3, 1}, "three", "fail durability S1 with one replica on cluster three: jobs wait while its server is away, and are lost with its disk. Start the service with nightshift run --replicas 3"},
	} {
		var streams []*jetstream.StreamInfo
		for i, replicas := range test.replicas {
			streams = append(streams, &jetstream.StreamInfo{Config: jetstream.StreamConfig{Name: fmt.Sprintf("S%d", i), Replicas: replicas}, Cluster: &jetstream.ClusterInfo{Name: test.cluster}})
		}
		var text strings.Builder
		examineStreams(&examination{out: screen{&text, false}}, streams, false)
		if got := strings.Join(strings.Fields(text.String()), " "); !strings.Contains(got, test.want) {
			t.Errorf("replicas %v: got %q, want %q", test.replicas, got, test.want)
		}
	}
}

func TestExamineServer(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"2.12.2": "warn", "2.12.3": "ok", "2.12.3-RC.1": "ok", "2.13.0": "ok", "3.0.0": "ok", "2.9.25": "warn", "1.4.1": "warn", "dev": "warn",
	} {
		var text strings.Builder
		examineServer(&examination{out: screen{&text, false}}, version)
		if !strings.HasPrefix(text.String(), want+" ") {
			t.Errorf("%s: got %q, want %s", version, text.String(), want)
		}
	}
}

// TestExamineInterpreter: a program that is no Python 3.11 is found.
func TestExamineInterpreter(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, answer := range map[string]string{"old": "3.9.2", "new": "3.11.7", "odd": "ruby"} {
		script := "#!/bin/sh\necho " + answer + "\n"
		if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o700); err != nil { // a program
			t.Fatal(err)
		}
	}
	for name, want := range map[string]verdict{"old": checkFail, "new": checkOK, "odd": checkFail, "none": checkFail} {
		if got := examineInterpreter(t.Context(), "m", filepath.Join(folder, name)); got.verdict != want || (want == checkFail) != (got.next != "") {
			t.Errorf("%s: got %+v, want %s", name, got, want)
		}
	}
}

// TestProfile measures this program as a scorer and writes the profile into the document, comments kept.
func TestProfile(t *testing.T) {
	t.Parallel()
	folder, file := writeDocuments(t, "echo")
	before := string(readFile(t, file))
	if err := os.WriteFile(filepath.Join(folder, "in.jsonl"), []byte(strings.Repeat("{\"id\":1}\n", 50)+"broken\n{\"id\":2}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(t.Context(), "", nil, "profile", "echo", filepath.Join(folder, "in.jsonl"), "-f", file, "--write=false", "--rows", "1"); got.code != exitDone {
		t.Fatalf("got %+v", got)
	}
	if diff := cmp.Diff(before, string(readFile(t, file))); diff != "" {
		t.Errorf("written without being asked (-want +got):\n%s", diff)
	}
	got := run(t.Context(), "", nil, "profile", "echo", filepath.Join(folder, "in.jsonl"), "-f", file)
	if got.code != exitDone || !strings.Contains(got.out, "51 rows of file://") || !strings.Contains(got.out, "profile of model echo written to") {
		t.Fatalf("got %+v", got)
	}
	after := string(readFile(t, file))
	set, err := document.Decode(document.File{Name: file, Data: []byte(after)})
	if err != nil {
		t.Fatal(err)
	}
	profile := set.Models[0].Spec.Profile
	if profile == nil || profile.Load <= 0 || len(profile.Batches) != 2 || profile.Batches[1].Rows != 8 || profile.Batches[1].RowsPerSecond <= 0 ||
		!profile.Measured.Equal(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("profile %+v", profile)
	}
	if !strings.Contains(after, "# this very program") || strings.Replace(after, after[strings.Index(after, "  profile:"):strings.Index(after, "---")], "", 1) != before {
		t.Errorf("the document lost something:\n%s", after)
	}
	for _, test := range []struct{ args, want string }{
		{"profile nope in.jsonl", `there is no model "nope"; there are: echo`},
		{"profile echo nope.jsonl", "no such object"},
		{"profile echo in.jsonl --rows 0", "--rows: 0"},
		{"profile echo", "is missing"},
	} {
		args := append(strings.Fields(test.args), "-f", file)
		if len(args) > 4 {
			args[2] = filepath.Join(folder, args[2])
		}
		if got := run(t.Context(), "", nil, args...); got.code == exitDone || !strings.Contains(got.errs, test.want) {
			t.Errorf("%s: got %+v, want %q", test.args, got, test.want)
		}
	}
}

func TestBusyNote(t *testing.T) {
	t.Parallel()
	for load, want := range map[string]string{
		"":                           "",
		"0.90 0.50 0.40 1/200 12345": "",
		"3.25 0.50 0.40 1/200 12345": "note: other programs are busy (load 3.2 on 2 processors): measure again when they are not",
	} {
		if got := busyNote([]byte(load), 2); got != want {
			t.Errorf("%q: got %q, want %q", load, got, want)
		}
	}
}

func TestBestBatch(t *testing.T) {
	t.Parallel()
	batches := []document.BatchSpeed{{Rows: 1, RowsPerSecond: 10}, {Rows: 8, RowsPerSecond: 96.9}, {Rows: 64, RowsPerSecond: 97}, {Rows: 512, RowsPerSecond: 100}}
	if got := bestBatch(batches); got.Rows != 64 {
		t.Errorf("got %+v, want 64 rows", got)
	}
}
