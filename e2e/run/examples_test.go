package run

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const fewRows = 5_000

// The fraud example scores the same transactions to the same results, whatever format they come in.
func TestFraudFromEveryFormat(t *testing.T) {
	x := newTree(t)
	const bad = 6
	for _, format := range []string{"jsonl", "csv", "parquet"} {
		x.example("fraud", "generate.py", "--rows", fmt.Sprint(fewRows), "--bad-rows", fmt.Sprint(bad), "--out", "data", "--format", format)
	}
	service := x.dev("fraud")
	defer service.stop()
	var wantResults []byte
	var wantErrors string
	for _, format := range []string{"jsonl", "csv", "parquet"} {
		job := x.score(service, "fraud", fmt.Sprintf("data/transactions-%d.%s", fewRows, format), "--row-key", "transaction_id")
		if job.State != "partially_failed" || job.Counts.RowsDone != fewRows-bad || job.Counts.RowsFailed != bad {
			t.Fatalf("%s: %+v, want %d rows done and %d failed", format, job, fewRows-bad, bad)
		}
		results, errors := x.results(service, job), x.errors(service, job)
		if wantResults == nil {
			wantResults, wantErrors = results, errors
		}
		if lines := bytes.Count(results, []byte("\n")); lines != fewRows-bad || !bytes.Equal(results, wantResults) {
			t.Errorf("%s: %d results, beginning with %.300s, want those of jsonl, beginning with %.300s", format, lines, results, wantResults)
		}
		if strings.Count(errors, "\n") != bad || errors != wantErrors {
			t.Errorf("%s: errors\n%s\nwant those of jsonl\n%s", format, errors, wantErrors)
		}
	}
}

// An input without rows is a job that succeeds, with no results.
func TestInputWithoutRows(t *testing.T) {
	x := newTree(t)
	folder := filepath.Join(x.dir, "examples", "fraud", "data")
	x.must(os.MkdirAll(folder, 0o750))
	const header = "transaction_id,ts,amount,mcc,country,card_present,hour,gap_s,km,ratio\n"
	contents := map[string]string{"empty.jsonl": "", "empty.csv": "", "header.csv": header, "header-without-end.csv": strings.TrimSuffix(header, "\n")}
	service := x.dev("fraud")
	defer service.stop()
	for name, content := range contents {
		x.must(os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
		job := x.score(service, "fraud", "data/"+name)
		if job.State != "succeeded" || job.Counts.RowsTotal != 0 || job.Counts.RowsDone != 0 || job.Counts.RowsFailed != 0 {
			t.Errorf("%s: %+v, want a success with 0 rows", name, job)
			continue
		}
		if results := x.results(service, job); len(results) > 0 {
			t.Errorf("%s: results %q", name, results)
		}
	}
}

// The forest example scores meter readings with the small forest, by its own documents.
func TestForest(t *testing.T) {
	x := newTree(t)
	x.addExample("forest")
	x.example("forest", "make_model.py", "--small", "--jobs", "1")
	x.example("forest", "readings.py", "--rows", fmt.Sprint(fewRows), "--out", "data")
	service := x.dev("forest")
	defer service.stop()
	job := x.score(service, "forest", fmt.Sprintf("data/readings-%d.jsonl", fewRows), "--row-key", "meter_id")
	if job.State != "succeeded" || job.Counts.RowsDone != fewRows {
		t.Fatalf("%+v, want a success with %d rows", job, fewRows)
	}
	lines := bytes.Split(bytes.TrimSpace(x.results(service, job)), []byte("\n"))
	if len(lines) != fewRows {
		t.Fatalf("%d results, want %d", len(lines), fewRows)
	}
	for i, line := range lines {
		var row struct {
			Key string   `json:"meter_id"`
			KWh *float64 `json:"kwh"`
		}
		if err := json.Unmarshal(line, &row); err != nil || row.Key != fmt.Sprintf("m%07d", i) || row.KWh == nil || *row.KWh <= 0 {
			t.Fatalf("result %d: %s", i, line)
		}
	}
}

// example runs a program of an example in its folder.
func (x *tree) example(example, program string, arguments ...string) {
	x.Helper()
	command := exec.CommandContext(x.Context(), ".venv/bin/python", append([]string{program}, arguments...)...)
	command.Dir = filepath.Join(x.dir, "examples", example)
	if said, err := command.CombinedOutput(); err != nil {
		x.Fatalf("%s: %v\n%s", program, err, said)
	}
}

// scored is what the tests look at of a job that has ended.
type scored struct {
	ID, State string
	Counts    struct{ RowsTotal, RowsDone, RowsFailed int }
	Failure   any
}

// score submits a file of an example and waits until the job has ended.
func (x *tree) score(service *dev, example, input string, flags ...string) (job scored) {
	x.Helper()
	said := strings.TrimSpace(x.nightshift(service, append([]string{"submit", "-q", example, filepath.Join("examples", example, input), "-o", "name"}, flags...)...))
	id := said[strings.LastIndexByte(said, '\n')+1:]
	x.eventually("job "+id+" has ended", func() bool {
		job = scored{}
		x.must(json.Unmarshal([]byte(x.nightshift(service, "get", id, "-o", "json")), &job))
		return job.State == "succeeded" || job.State == "partially_failed" || job.State == "failed"
	})
	return job
}

func (x *tree) results(service *dev, job scored) []byte {
	x.Helper()
	file := filepath.Join(x.dir, job.ID+".results")
	x.nightshift(service, "results", job.ID, "-o", file)
	data, err := os.ReadFile(file)
	x.must(err)
	return data
}

// errors are the keys and codes of the rows that failed. The rest of a line tells of its place and its value as the format has it.
func (x *tree) errors(service *dev, job scored) string {
	x.Helper()
	file := filepath.Join(x.dir, job.ID+".errors")
	x.nightshift(service, "errors", job.ID, "-o", file)
	data, err := os.ReadFile(file)
	x.must(err)
	text := ""
	for line := range bytes.Lines(data) {
		var row struct{ Key, Code string }
		x.must(json.Unmarshal(line, &row))
		text += row.Key + " " + row.Code + "\n"
	}
	return text
}
