package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator/simulate"
)

// streamFile has requests for three models.
func streamFile(t *testing.T) string {
	t.Helper()
	text := "arrival_s,model,exec_s,load_s\n"
	for i := range 60 {
		text += strings.Join([]string{[]string{"0", "20", "40.5"}[i%3], []string{"a", "b/c", "a b"}[i%3], "2", "10"}, ",") + "\n"
	}
	path := filepath.Join(t.TempDir(), "requests.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRequestsOf(t *testing.T) {
	t.Parallel()
	models, requests, err := requestsOf(strings.NewReader("model,exec_s,arrival_s\nb,1.5,2\na,1,1\nb,2,3\n"), 20, 40)
	if err != nil {
		t.Fatal(err)
	}
	want := []simulate.Request{
		{Arrival: time.Second, Model: 1, Work: time.Second}, {Arrival: 2 * time.Second, Work: 1500 * time.Millisecond}, {Arrival: 3 * time.Second, Work: 2 * time.Second},
	}
	if diff := cmp.Diff(want, requests); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if quantiles := simulate.LoadQuantiles(2, 20, 40); models[0].Load != quantiles[0] || models[1].Load != quantiles[1] {
		t.Errorf("loads %v, want quantiles %v", models, quantiles)
	}
	for text, want := range map[string]string{
		"":                                         "the header",
		"model,exec_s\n":                           "column arrival_s is missing; there are model, exec_s",
		"arrival_s,model,exec_s\n":                 "there are no rows",
		"arrival_s,model,exec_s\n-1,a,1\n":         `line 2: arrival_s: "-1"; allowed: seconds`,
		"arrival_s,model,exec_s\n1,a,0\n":          `line 2: exec_s: "0"; allowed: seconds`,
		"arrival_s,model,exec_s\n1,a,NaN\n":        `line 2: exec_s: "NaN"`,
		"arrival_s,model,exec_s,load_s\n1,a,1,x\n": `line 2: load_s: "x"`,
		"arrival_s,model,exec_s\n1,a,1,1\n":        "wrong number of fields",
	} {
		if _, _, err := requestsOf(strings.NewReader(text), 20, 40); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestBenchModelLoad(t *testing.T) {
	t.Parallel()
	report := benchReported[modelLoadReport](t, "model-load", "--requests", streamFile(t), "--deadline", "5m,1h", "--workers", "1,2")
	if report.Requests != 60 || report.Models != 3 || report.Work != 120 || report.LoadMean != 10 || len(report.Documents) != 4 {
		t.Errorf("%d requests of %d models, %g s of execution, loads of %g s, %d documents", report.Requests, report.Models, report.Work, report.LoadMean, len(report.Documents))
	}
	var seen []string
	for _, row := range report.Rows {
		if row.Cost != row.Ratio*report.Work || row.Cost < row.Optimum || row.Optimum != 150 || row.Bound != 1.25 || row.Forced != 0 { // a load of each model at least
			t.Errorf("%+v", row)
		}
		if row.Policy == ours {
			seen = append(seen, row.Cell)
			if row.Late != 0 || row.Cost != 150 {
				t.Errorf("each model once, and nothing late: %+v", row)
			}
		}
	}
	if diff := cmp.Diff([]string{"5m/1", "5m/2", "1h/1", "1h/2"}, seen); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
	if policies := 1 + len(simulate.PeersOfRequests()); len(report.Rows) != 4*policies {
		t.Errorf("%d rows", len(report.Rows))
	}
}

func TestBenchModelLoadElastic(t *testing.T) {
	t.Parallel()
	report := benchReported[modelLoadReport](t, "model-load", "--requests", streamFile(t), "--deadline", "15m,1h", "--elastic")
	for i, row := range report.Rows {
		if want := []string{"elastic/15m", "elastic/1h"}[i/(1+len(simulate.ElasticPeers()))]; row.Cell != want || row.Cost != row.Ratio*report.Work || row.Optimum != 150 || row.Starts == 0 {
			t.Errorf("%+v, want cell %s", row, want)
		}
		if row.Policy == ours && (row.Late != 0 || row.Starts != 1 || row.Cost != 180+150) { // a start, three loads
			t.Errorf("%+v", row)
		}
	}
	if !strings.Contains(report.Documents[0], "startTime: 3m0s, scaleDownDelay: 10s, replicas: {max: 16}") {
		t.Error(report.Documents[0])
	}
}

// Where requests have to be late, the bound is one for every schedule.
func TestBenchModelLoadForced(t *testing.T) {
	t.Parallel()
	report := benchReported[modelLoadReport](t, "model-load", "--requests", streamFile(t), "--deadline", "1m", "--workers", "1")
	for _, row := range report.Rows {
		if row.Forced == 0 || row.Late < row.Forced || row.Optimum != 150 || row.Cost < 150 {
			t.Errorf("%+v", row)
		}
	}
}

func TestBenchModelLoadFlags(t *testing.T) {
	t.Parallel()
	benchRefuses(t, []string{"model-load"}, []refusal{
		{"--load", "1", "--load: 1; allowed: two numbers of seconds", 2},
		{"--load", "5,2", "--load: 5,2; allowed: two numbers of seconds", 2},
		{"--deadline", "1ms", "--deadline: 1ms; allowed: 1s to 8760h", 2},
		{"--workers", "0", "--workers: 0; allowed: 1 to 1000", 2},
		{"--requests", "missing.csv", "--requests: open missing.csv", 1},
	})
}

func TestShortly(t *testing.T) {
	t.Parallel()
	for length, want := range map[time.Duration]string{5 * time.Minute: "5m", time.Hour: "1h", 24 * time.Hour: "24h", 90 * time.Minute: "1h30m", 10 * time.Second: "10s", 70 * time.Second: "1m10s"} {
		if got := shortly(length); got != want {
			t.Errorf("%s: %s, want %s", length, got, want)
		}
	}
}
