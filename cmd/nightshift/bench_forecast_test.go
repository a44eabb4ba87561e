package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nightshift.dev/nightshift/orchestrator/forecast"
)

// seriesFile is a synthetic load of some weeks in steps of three hours, with a gap and an empty value.
func seriesFile(t *testing.T) string {
	t.Helper()
	text := "timestamp,value\n"
	begin := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for i := range 8 * 35 {
		value := fmt.Sprintf("%.2f", 100+80*math.Sin(float64(i%8)/8*2*math.Pi)+float64(i*i%17))
		if i == 20 {
			value = ""
		}
		if i != 30 {
			text += begin.Add(time.Duration(i)*3*time.Hour).Format("2006-01-02 15:04:05") + "," + value + "\n"
		}
	}
	return csvFile(t, "load.csv", text)
}

func csvFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadSeries(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	for text, want := range map[string]forecast.History{
		"timestamp,value\n2026-03-02 00:00:00,1\n2026-03-02 00:30:00,\n2026-03-02 02:00:00,0.5\n2026-03-02 02:30:00,2\n": {Start: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), Step: 30 * time.Minute, Values: []float64{1, nan, nan, nan, .5, 2}},
		"start,rate\n0,1\n600,2\n1200,3\n": {Start: time.Unix(0, 0).UTC(), Step: 10 * time.Minute, Values: []float64{1, 2, 3}},
		"t,v\n2026-03-02T00:00:00Z,1\n2026-03-02T00:05:10Z,2\n2026-03-02T00:10:00Z,3\n2026-03-02T00:14:50Z,4\n": {Start: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), Step: 290 * time.Second, Values: []float64{1, 2, 3, 4}},
		"t,v\n2026-03-02,1\n2026-03-03,2\n": {Start: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), Step: 24 * time.Hour, Values: []float64{1, 2}},
	} {
		history, err := seriesOfFile("load.csv", strings.NewReader(text))
		if diff := cmp.Diff(want, history, cmpopts.EquateNaNs()); diff != "" || err != nil {
			t.Errorf("%q: %v (-want +got):\n%s", text, err, diff)
		}
	}
}

// Everything that is wrong with a file is said at once, with line and column.
func TestReadSeriesProblems(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                  {"load.csv:1:1: the file is empty"},
		"timestamp,value\n": {"load.csv:1:1: it has 0 rows; allowed: a header and two rows or more"},
		"t,v\n0,1\n600,-2\n1200,NaN\nnoon,many\n1800,1,1\n600,3\n": {
			`load.csv:3:5: value: "-2"; allowed: a number from 0; where it is unknown, nothing`,
			`load.csv:4:6: value: "NaN"`,
			`load.csv:5:1: timestamp: "noon"; allowed: 2006-01-02T15:04:05Z`,
			`load.csv:5:6: value: "many"`,
			"load.csv:6:1: 3 fields; allowed: two, timestamp and value",
		},
		"t,v\n0,1\n600,2\n600,3\n":             {`load.csv:4:1: timestamp: "600"; allowed: later than the one before, 1970-01-01T00:10:00Z`},
		"t,v\n0,1\n600,2\n1200,3\n1500,4\n":    {"load.csv:5:1: timestamp: 1970-01-01T00:25:00Z lies between two steps of 10m0s"},
		"t,v\n0,1\n1,2\n2,3\n3000000,4\n":      {"load.csv:2:1: 3000001 steps of 1s from the first to the last row; allowed: 1000000"},
		"t,v\n0,1\n600,\"2\n":                  {"load.csv:3:8: extraneous or missing \" in quoted-field"},
		"t,v\n" + strings.Repeat("0,-1\n", 25): {`load.csv:21:3: value: "-1"`, "load.csv: and 5 more"},
	} {
		_, err := seriesOfFile("load.csv", strings.NewReader(text))
		for _, one := range want {
			if err == nil || !strings.Contains(err.Error(), one) {
				t.Errorf("%q: %v, want %s", text, err, one)
			}
		}
	}
}

func FuzzSeries(f *testing.F) {
	f.Add("timestamp,value\n2026-03-02 00:00:00,1\n2026-03-02 00:30:00,\n")
	f.Add("t,v\n0,1\n600,2\n1e10,3\n")
	f.Fuzz(func(t *testing.T, text string) {
		history, err := seriesOfFile("load.csv", strings.NewReader(text))
		if err != nil {
			return
		}
		if history.Step <= 0 || len(history.Values) < 2 || len(history.Values) > mostSeriesSteps {
			t.Errorf("step %s, %d values", history.Step, len(history.Values))
		}
		for _, value := range history.Values {
			if value < 0 || math.IsInf(value, 0) {
				t.Errorf("value %g", value)
			}
		}
	})
}

func TestBenchForecast(t *testing.T) {
	t.Parallel()
	series := seriesFile(t)
	report := benchReported[forecastReport](t, "forecast", "--series", series, "--series", series, "--period", "8", "--horizon", "16", "--train", "0.6")
	models := []string{"nightshift", "daily naive", "weekly naive", "mean of four weeks", "four weeks, half level", "holt-winters", "theta"}
	var seen []string
	for _, row := range report.Rows {
		seen = append(seen, row.Model)
		if row.Series != "load" || row.Origins != 13 || row.Steps != 13*16 || row.WAPE == nil || row.MASE == nil || row.Underprovision == nil || *row.Pinball95 > *row.Pinball50 || len(row.ByHorizon) != 4 || row.ByHorizon[3].To != 16 {
			t.Errorf("%+v", row)
		}
		if ours := report.Rows[0]; strings.HasSuffix(row.Model, "naive") && *ours.WAPE > *row.WAPE {
			t.Errorf("ours errs %g, %s %g", *ours.WAPE, row.Model, *row.WAPE)
		}
	}
	if diff := cmp.Diff(slices.Concat(models, models), seen); diff != "" {
		t.Errorf("models (-want +got):\n%s", diff)
	}
}

// Holidays change the numbers of all, and a table is printed where no program reads.
func TestBenchForecastCalendar(t *testing.T) {
	t.Parallel()
	series, calendar := seriesFile(t), csvFile(t, "holidays.csv", "date,name\n2026-03-25,a day off\n")
	var tables []string
	for _, arguments := range [][]string{nil, {"--calendar", calendar}} {
		var out, errs bytes.Buffer
		if code := execute(t.Context(), append([]string{"bench", "forecast", "--series", series, "--period", "8", "--horizon", "8"}, arguments...), strings.NewReader(""), &out, &errs); code != 0 {
			t.Fatalf("exit code %d: %s", code, errs.String())
		}
		tables = append(tables, out.String())
	}
	if !strings.Contains(tables[0], "LACKING AT PEAKS") || !strings.Contains(tables[0], "0 of 17") || tables[0] == tables[1] {
		t.Errorf("without a calendar:\n%s\nwith one:\n%s", tables[0], tables[1])
	}
}

func TestBenchForecastFlags(t *testing.T) {
	t.Parallel()
	short := csvFile(t, "short.csv", "t,v\n0,1\n600,2\n")
	benchRefuses(t, []string{"forecast", "--series", short}, []refusal{
		{"--period", "1", "--period: 1; allowed: 2 to 20000", 2},
		{"--horizon", "400", "--horizon: 400; allowed: 1 to 336, 7 periods", 2},
		{"--train", "1", "--train: 1; allowed: above 0, below 1", 2},
		{"--calendar", "/nowhere.csv", "--calendar: ", 1},
		{"--calendar", csvFile(t, "days.csv", "date\nChristmas\n2026-13-01\n"), `days.csv:3:1: date: "2026-13-01"; allowed: 2006-01-02`, 1},
		{"--series", "/nowhere.csv", "2 steps, of which 1 are before the first origin; allowed: a period (48) or more before it", 1},
	})
	benchRefuses(t, []string{"forecast"}, []refusal{{"--series", "/nowhere.csv", "read a series", 1}})
}
