package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator/simulate"
)

// ratesFile is a synthetic record of a day of waves with an outage.
func ratesFile(t *testing.T) string { return ratesFileOf(t, 1) }

// ratesFileOf has so many such days.
func ratesFileOf(t *testing.T, days int) string {
	t.Helper()
	text := "window_start_s,requests_per_s\n"
	for i := range 144 * days {
		rate := 100 + 50*math.Sin(float64(i)/9)
		if i%144 >= 100 && i%144 < 110 {
			rate = 0
		}
		text += fmt.Sprintf("%d,%.3f\n", 600*i, rate)
	}
	path := filepath.Join(t.TempDir(), "rates.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadRates(t *testing.T) {
	t.Parallel()
	rates, err := ratesOf(strings.NewReader("start,rate\n0,1\n600,0\n1200,5\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(arrivalRates{10 * time.Minute, []float64{1, 0, 5}}, rates, cmp.AllowUnexported(arrivalRates{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float64{1, 1, 5}, rates.filled().rates); diff != "" || rates.rates[1] != 0 {
		t.Errorf("without the outage (-want +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		"":                          "the header",
		"a,b\n":                     "there is no work",
		"a,b\n0,0\n600,0\n":         "there is no work",
		"a,b\n0,1\n600,-1\n":        `line 3: rate: "-1"`,
		"a,b\n0,1\nnoon,1\n":        `line 3: start of the window: "noon"`,
		"a,b\n0,1\n600,1\n1300,1\n": "line 4: starts at 1300",
		"a,b\n0,1\n600,1,1\n":       "wrong number of fields",
	} {
		if _, err := ratesOf(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := readRates(filepath.Join(t.TempDir(), "missing.csv")); err == nil {
		t.Error("a missing file is read")
	}
}

func TestBenchBacklog(t *testing.T) {
	t.Parallel()
	report := benchReported[replayReport](t, "backlog-replay", "--arrivals", ratesFile(t), "--mean-workers", "4", "--objective", "15m,30m")
	peers := len(simulate.FlowPeers())
	if want := 4 * (2 + 2*peers); len(report.Rows) != want || len(report.Documents) != 2 || len(report.Curves) != 2*(1+peers)*len(curveLimits) {
		t.Errorf("%d rows (want %d), %d documents, %d points of curves", len(report.Rows), want, len(report.Documents), len(report.Curves))
	}
	var seen []string
	for _, row := range report.Rows {
		if row.Policy == ours {
			seen = append(seen, row.Cell)
			if !row.OnTime {
				t.Errorf("%+v", row)
			}
		}
		if math.Abs(100*(row.Ratio-1)-row.Waste) > 1e-9 || row.Cost <= 0 || row.Optimum <= 0 {
			t.Errorf("%+v", row)
		}
	}
	if diff := cmp.Diff([]string{"unif/15m", "unif/30m", "burst/15m", "burst/30m"}, seen); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
	if len(report.Grid) != 4*len(simulate.FlowLags)*9 {
		t.Errorf("%d rows of the grid", len(report.Grid))
	}
	few := benchReported[replayReport](t, "backlog-replay", "--arrivals", ratesFile(t), "--bursts=false", "--no-curves", "--fill-outages", "--slower", "2", "--seed", "7", "--objective", "30m")
	if len(few.Rows) != 2+2*peers || len(few.Curves) != 0 {
		t.Errorf("%d rows, %d points of curves", len(few.Rows), len(few.Curves))
	}
	for _, row := range few.Rows {
		if other := report.Rows[2+2*peers]; row.Policy == ours && (row.Starts == other.Starts || row.Cost == other.Cost) {
			t.Errorf("other flags, the same outcome: %+v", row)
		}
	}
}

// By the clock: cells of nights, whose price decides what is paid, and a bound that no policy on time is far below.
func TestBenchBacklogByTheClock(t *testing.T) {
	t.Parallel()
	ratios := map[string]float64{}
	for _, price := range []string{"0.5", "0.8"} {
		report := benchReported[replayReport](t, "backlog-replay", "--arrivals", ratesFileOf(t, 4), "--objective", "06:00", "--bursts=false", "--night-price", price)
		if len(report.Rows) != 2+2*len(simulate.FlowPeers()) || len(report.Curves) != 0 || !strings.Contains(report.Documents[0], `finishBy: "06:00", arrivedBy: "22:00"`) {
			t.Errorf("%d rows, %d points of curves, documents:\n%s", len(report.Rows), len(report.Curves), report.Documents[0])
		}
		for _, row := range report.Rows {
			if row.Cell != "unif/06:00" {
				t.Errorf("cell %s", row.Cell)
			}
			if row.Policy == "optimum" {
				ratios[price] = row.Ratio
			}
		}
	}
	if ratios["0.5"] < .5056 || ratios["0.5"] > .5058 || ratios["0.8"] < .809 || ratios["0.8"] > .8095 {
		t.Errorf("bounds: %v", ratios)
	}
}

func TestBenchBacklogFlags(t *testing.T) {
	t.Parallel()
	benchRefuses(t, []string{"backlog-replay", "--objective", "06:00"}, []refusal{{"--arrivals", ratesFile(t), "they last 24h0m0s; allowed with an --objective by the clock: four days", 1}})
	benchRefuses(t, []string{"backlog-replay", "--arrivals", "/nowhere"}, []refusal{
		{"--mean-workers", "0", "--mean-workers: 0; allowed: above 0", 2},
		{"--slower", "0.05", "--slower: 0.05; allowed: 0.1 to 100", 2},
		{"--start", "480..120", `--start: "480..120"; allowed: LEAST..MOST`, 2},
		{"--load", "5", `--load: "5"; allowed: MEDIAN,P95`, 2},
		{"--night-price", "0", "--night-price: 0; allowed: above 0, at most 1", 2},
		{"--objective", "22:00", `--objective: "22:00"; allowed: from 1m to 168h in steps of 10s, or a time before 22:00`, 2},
		{"--objective", "15", `--objective: "15"; allowed: from 1m to 168h`, 2},
		{"--objective", "61s", `--objective: "61s"; allowed: from 1m to 168h in steps of 10s`, 2},
		{"--arrivals", "/nowhere.csv", "read arrivals", 1},
	})
}
