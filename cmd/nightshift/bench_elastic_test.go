package main

import (
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator/simulate"
)

// capacityFile is a synthetic probe of two zones: one always full, one that comes and goes.
func capacityFile(t *testing.T, rounds int) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("scheduled_at,zone,instances_created,instances_requested\n")
	begin := time.Date(2025, 10, 1, 0, 0, 0, 0, time.UTC)
	for round := range rounds {
		at := begin.Add(time.Duration(round) * 10 * time.Minute).Format(time.RFC3339)
		fmt.Fprintf(&text, "%s,full,4,4\n", at)
		if round != 3 { // a round is missing
			fmt.Fprintf(&text, "%s,moody,%d,4\n", at, round/7%3)
		}
	}
	path := filepath.Join(t.TempDir(), "capacity.csv.gz")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	packed := gzip.NewWriter(file)
	if _, err := packed.Write([]byte(text.String())); err != nil {
		t.Fatal(err)
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadCapacity(t *testing.T) {
	t.Parallel()
	zones, err := readCapacity(capacityFile(t, 10))
	if err != nil {
		t.Fatal(err)
	}
	want := []zoneCapacity{
		{"full", 10 * time.Minute, []int{4, 4, 4, 4, 4, 4, 4, 4, 4, 4}}, {"moody", 10 * time.Minute, []int{0, 0, 0, 0, 0, 0, 0, 1, 1, 1}},
	}
	if diff := cmp.Diff(want, zones, cmp.AllowUnexported(zoneCapacity{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := len(zones[0].windows(4, 3)); got != 3 {
		t.Errorf("%d windows of 4 rounds every 3 in 10, want 3", got)
	}
	for text, want := range map[string]string{
		"":                                      "the header",
		"zone,instances_created\n":              "column scheduled_at is missing; there are zone, instances_created",
		"scheduled_at,zone,instances_created\n": "there are no rows",
		"scheduled_at,zone,instances_created\nnoon,a,1\n":                                                                                               `line 2: scheduled_at: "noon"`,
		"scheduled_at,zone,instances_created\n2025-10-01T00:00:00Z,a,-1\n":                                                                              `line 2: instances_created: "-1"`,
		"scheduled_at,zone,instances_created\n2025-10-01T00:00:00Z,a,1\n":                                                                               "zone a has one round only",
		"scheduled_at,zone,instances_created\n2025-10-01T00:00:00Z,a,1\n2025-10-01T00:00:00Z,a,1\n":                                                     "several rounds at one time",
		"scheduled_at,zone,instances_created\n2025-10-01T00:00:00Z,a,1,2\n":                                                                             "wrong number of fields",
		"scheduled_at,zone,instances_created\n0001-01-01T00:00:00Z,a,1\n2025-10-01T00:00:00Z,a,1\n2025-10-01T00:00:01Z,a,1\n2025-10-01T00:00:02Z,a,1\n": "spans more than",
	} {
		if _, err := capacityOf(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := readCapacity(filepath.Join(t.TempDir(), "missing.csv")); err == nil {
		t.Error("a missing file is read")
	}
}

func TestBenchElasticWidth(t *testing.T) {
	t.Parallel()
	report := benchReported[elasticReport](t, "elastic-width", "--capacity", capacityFile(t, 60), "--work", "12", "--width", "4", "--deadline", "5", "--price-ratio", "5,2",
		"--every", "10", "--group", "part=moody")
	cells := map[string]int{}
	for _, row := range report.Rows {
		if row.Late > 0 || row.Ratio < .9 {
			t.Errorf("%+v", row)
		}
		if row.Policy == ours {
			cells[row.Cell] = row.Cases
		}
	}
	want := map[string]int{}
	for _, ratio := range []string{"5/", "2/"} {
		want[ratio+"full"], want[ratio+"moody"], want[ratio+"all"], want[ratio+"part"] = 4, 4, 8, 4
	}
	if diff := cmp.Diff(want, cells); diff != "" {
		t.Errorf("cases by cell (-want +got):\n%s", diff)
	}
	if policies := 2 + len(simulate.PeersOfMany()); len(report.Rows) != 8*policies || len(report.Documents) != 2 {
		t.Errorf("%d rows, %d documents", len(report.Rows), len(report.Documents))
	}
}

func TestBenchElasticFlags(t *testing.T) {
	t.Parallel()
	benchRefuses(t, []string{"elastic-width", "--capacity", capacityFile(t, 30), "--work", "12", "--width", "4", "--deadline", "5"}, []refusal{
		{"--width", "0", "--width: 0; allowed: 1 to 1000", 2},
		{"--work", "0", "--work: 0; allowed: hours above 0", 2},
		{"--restart", "-1", "--restart: -1; allowed: hours from 0 to 100", 2},
		{"--deadline", "3", "--deadline: 3; allowed: hours, at least --work on --width workers and a start (3.1)", 2},
		{"--every", "0", "--every: 0; allowed: 1 or more", 2},
		{"--price-ratio", "0", "--price-ratio: 0; allowed: above 0", 2},
		{"--group", "six", `--group: "six"; allowed: NAME=ZONE,ZONE`, 2},
		{"--restart", "0.5", "--restart: 0.5; allowed: at most a round of", 1},
		{"--deadline", "100", "--deadline: 100; allowed: less than", 1},
	})
}
