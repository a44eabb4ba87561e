package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator/simulate"
)

// writeTraces writes files below a new folder.
func writeTraces(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// twoSeries is one day of two zones, synthetic: one has spot capacity but for two hours, the other every second hour.
func twoSeries() map[string]string {
	files := map[string]string{"README.md": "no trace"}
	for i := range 5 {
		steady, moody := make([]int, 144), make([]int, 144)
		for tick := range 144 {
			if tick >= 12*i && tick < 12*i+12 {
				steady[tick] = 1
			}
			moody[tick] = (tick/6 + i) % 2
		}
		for zone, data := range map[string][]int{"steady": steady, "moody": moody} {
			text, _ := json.Marshal(data) // integers always have a form
			files[fmt.Sprintf("2022/%s_v100/traces/%d.json", zone, i)] = fmt.Sprintf(`{"metadata":{"gap_seconds":600},"data":%s}`, text)
		}
	}
	return files
}

func TestTracesOfAFolderAndOfAnArchive(t *testing.T) {
	t.Parallel()
	dir := writeTraces(t, twoSeries())
	var packed bytes.Buffer
	plain := gzip.NewWriter(&packed)
	archive := tar.NewWriter(plain)
	if err := archive.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := plain.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "traces.tar.gz")
	if err := os.WriteFile(name, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{dir, name} {
		all, err := readTraces(from)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != 2 || all[0].name != "moody_v100" || all[1].name != "steady_v100" || len(all[0].windows) != 5 {
			t.Fatalf("series of %s: %+v", from, all)
		}
		if diff := cmp.Diff([]int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, all[1].windows[0].available[:13]); diff != "" {
			t.Errorf("available (-want +got):\n%s", diff)
		}
	}
	all, err := readTraces(dir)
	if one := matching(all, regexp.MustCompile("moody")); err != nil || len(one) != 1 || one[0].name != "moody_v100" {
		t.Errorf("one of the series: %+v, %v", one, err)
	}
}

func TestWindowsAreSpreadEvenly(t *testing.T) {
	t.Parallel()
	var all traceSeries
	for i := range 300 {
		all.windows = append(all.windows, window{name: fmt.Sprint(i)})
	}
	names := func(count int) (list []string) {
		for _, one := range all.spread(count) {
			list = append(list, one.name)
		}
		return list
	}
	if got := names(30); got[0] != "0" || got[1] != "10" || got[2] != "21" || got[29] != "299" || len(got) != 30 {
		t.Errorf("30 of 300: %v", got)
	}
	if got := names(1); !slices.Equal(got, []string{"0"}) {
		t.Errorf("one of 300: %v", got)
	}
	if got := names(0); len(got) != 300 {
		t.Errorf("all of 300: %d", len(got))
	}
}

// What windows tell of their series, each before its own beginning: nothing else may be known when a job begins.
func TestWholeSeries(t *testing.T) {
	t.Parallel()
	all, err := readTraces(writeTraces(t, map[string]string{
		"s/0.json": `{"metadata":{"gap_seconds":600,"start_time":1},"data":[0,1,0]}`,
		"s/1.json": `{"metadata":{"gap_seconds":600,"start_time":6},"data":[0]}`,
		"s/2.json": `{"metadata":{"gap_seconds":600},"data":[0,0]}`,
	}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{unseen, 1, 0, 1, unseen, unseen}, all[0].whole()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := all[0].windows[2].past(all[0].whole()); got != nil {
		t.Errorf("the past of a window that does not say when it begins: %v", got)
	}
	if got := all[0].windows[0].past(all[0].whole()); !slices.Equal(got, []int{unseen}) {
		t.Errorf("the past of the first window: %v", got)
	}
}

func TestTracesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`{"metadata":{"gap_seconds":600},"data":[0,2]}`: "s/0.json: data[1]: 2; allowed: 0 (spot capacity is there) or 1 (it is not)",
		`{"data":[0]}`: "s/0.json: metadata.gap_seconds: 0; allowed: seconds above 0",
		`[]`:           "s/0.json: json: cannot unmarshal array",
	} {
		_, err := readTraces(writeTraces(t, map[string]string{"s/0.json": content}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", content, err, want)
		}
	}
	if _, err := readTraces(t.TempDir()); err == nil || !strings.Contains(err.Error(), "there is no *.json") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := readTraces(filepath.Join(t.TempDir(), "missing.tar.gz")); err == nil {
		t.Error("a missing archive is read")
	}
}

// benchReported runs a benchmark and reads what it prints for programs.
func benchReported[R any](t *testing.T, arguments ...string) (report R) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := execute(t.Context(), append(append([]string{"bench"}, arguments...), "-o", "json"), strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	return report
}

// refusal is what a benchmark says of a value of a flag.
type refusal struct {
	flag, value, want string
	code              int
}

// benchRefuses runs a benchmark with each value, after arguments that are right.
func benchRefuses(t *testing.T, arguments []string, refusals []refusal) {
	t.Helper()
	for _, one := range refusals {
		var out, errs bytes.Buffer
		code := execute(t.Context(), slices.Concat([]string{"bench"}, arguments, []string{one.flag, one.value}), strings.NewReader(""), &out, &errs)
		if code != one.code || !strings.Contains(errs.String(), one.want) {
			t.Errorf("%s %s: exit code %d, %s", one.flag, one.value, code, errs.String())
		}
	}
}

func TestBenchDeadlineSpot(t *testing.T) {
	t.Parallel()
	report := benchReported[deadlineReport](t, "deadline-spot", "--traces", writeTraces(t, twoSeries()), "--task", "8", "--deadline", "10,14", "--restart", "0.1", "--windows", "3")
	cells := map[string]int{}
	for _, row := range report.Rows {
		cells[row.Cell] += row.Cases
		if row.Late > 0 || row.Ratio < 1 || row.Low > row.Ratio || row.High < row.Ratio || row.Worst < row.P95 {
			t.Errorf("%+v", row)
		}
	}
	policies := 2 + len(simulate.Peers())
	if diff := cmp.Diff(map[string]int{"10/0.1": 6 * policies, "14/0.1": 6 * policies, "all": 12 * policies}, cells); diff != "" {
		t.Errorf("cases by cell (-want +got):\n%s", diff)
	}
	if want := 12 * (8.0*6 + 1) / 6 * 3.06 / 12; len(report.Rows) > 2 && report.Rows[2].Policy != "on-demand" || fmt.Sprintf("%.4f", report.Rows[2].Cost) != fmt.Sprintf("%.4f", want) {
		t.Errorf("%+v, want a cost of %.4f: 48 ticks of work and one for the start", report.Rows[2], want)
	}
}

func TestBenchDeadlineFlags(t *testing.T) {
	t.Parallel()
	benchRefuses(t, []string{"deadline-spot", "--traces", "x", "--task", "8", "--deadline", "10", "--restart", "0.1"}, []refusal{
		{"--deadline", "4", "--deadline: 4; allowed: hours, at least --task and a start (8.1)", 2},
		{"--prices", "3", "--prices: [3]; allowed: two prices above 0, on demand and spot, as in 3.06,0.9731", 2},
		{"--series", "(", "--series: error parsing regexp", 2},
		{"--task", "0", "--task: 0; allowed: hours above 0, at most 10000", 2},
		{"--restart", "-1", "--restart: -1; allowed: hours from 0 to --task", 2},
		{"--windows", "-1", "--windows: -1; allowed: 0 or more", 2},
	})
}
