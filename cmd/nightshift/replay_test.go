package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
	"nightshift.dev/nightshift/orchestrator/record"
	"nightshift.dev/nightshift/orchestrator/state"
)

const recordedDocuments = `apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: m}
spec: {scorer: {command: [withheld]}, batchRows: 10, profile: {load: 10s, batches: [{rows: 10, rowsPerSecond: 10}]}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: own}
spec: {price: {amount: "3.60", currency: EUR}, startTime: 60s, scaleDownDelay: 30s, replicas: {max: 1}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: q}
spec: {model: m, pools: [own], input: {roots: [withheld]}, output: {root: withheld}, objective: {finishWithin: 1h}}
`

// recorded is a file of a job that took a quarter of an hour, until an hour before nowhere.
func recorded(t *testing.T) (path string, batch []byte) {
	t.Helper()
	begin := nowhere.Add(-75 * time.Minute).UTC()
	var lines [][]byte
	for minute := range 16 {
		at := begin.Add(time.Duration(minute) * time.Minute)
		d := record.Decision{At: at, Decisions: 6}
		replicas := min(minute, 1)
		d.Observation.Pools = []orchestrator.PoolView{{Name: "own", Replicas: replicas, Reading: orchestrator.Reading{At: at}}}
		d.Pools = []orchestrator.PoolPlan{{Name: "own", From: replicas, Replicas: 1}}
		d.Changes = 1 - replicas
		if minute < 15 {
			d.Observation.Jobs = []orchestrator.JobView{{
				JobKey: orchestrator.JobKey{Tenant: "default", Queue: "q", ID: "q-1"}, State: orchestrator.JobRunning, Model: orchestrator.ModelRef{Name: "m"},
				Submitted: begin, Deadline: begin.Add(time.Hour), RowsTotal: 8000, RowsLeft: int64(8000 - 500*minute), RowsUncut: int64(8000 - 500*minute), BatchRows: 10,
			}}
		}
		line, err := record.Line(d)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	batch, err := record.Pack(recordedDocuments, lines)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "night.records")
	if err := os.WriteFile(path, batch, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, batch
}

func TestReplayOfAFile(t *testing.T) {
	t.Parallel()
	path, _ := recorded(t)
	got := run(t.Context(), "", nil, "replay", path, "--what-if", "price.own=2x", "--what-if", "queue/q.objective.finishWithin=10m")
	for _, want := range []string{
		"2026-11-20 01:45:00 to 2026-11-20 02:00:00: 1 job, 16 records that stand for 96 decisions", "cost               0.90 EUR  0.90 EUR", "+100.0 %",
		"late jobs          0         0          -      1", "+1", "Nov 20 02:45:00 -> Nov 20 01:55:00", "Note: no start of a worker of pool own was recorded",
	} {
		if got.code != exitDone || !strings.Contains(got.out, want) {
			t.Errorf("exit code %d, %q is missing in:\n%s%s", got.code, want, got.out, got.errs)
		}
	}
}

// A saved part is what is replayed of it later.
func TestReplaySaves(t *testing.T) {
	t.Parallel()
	path, _ := recorded(t)
	part := filepath.Join(t.TempDir(), "part.records")
	first := run(t.Context(), "", nil, "replay", path, "--from", "01:50", "--to", "01:55", "--save", part)
	again := run(t.Context(), "", nil, "replay", part)
	if first.code != exitDone || first.out != again.out || !strings.Contains(again.out, "6 records") {
		t.Errorf("first:\n%s%s\nagain:\n%s%s", first.out, first.errs, again.out, again.errs)
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(part), ".nightshift-*"))
	if got := run(t.Context(), "", nil, "replay", path, "--since", "5m", "--save", part+"2"); got.code != exitFailed || !strings.Contains(got.errs, "there are no records of that time") || len(left) > 0 {
		t.Errorf("exit code %d, %s, left %q", got.code, got.errs, left)
	}
	if _, err := os.Stat(part + "2"); err == nil {
		t.Error("a file without records is there")
	}
}

// Without a file, the records of the service.
func TestReplayOfTheService(t *testing.T) {
	t.Parallel()
	_, batch := recorded(t)
	server := embeddedtest.Start(t)
	conn := embeddedtest.Connect(t, server)
	if got := run(t.Context(), server.URL(), nil, "replay"); got.code != exitFailed || !strings.Contains(got.errs, "is a nightshift service running on this NATS?") {
		t.Errorf("without a service: exit code %d, %s", got.code, got.errs)
	}
	store, err := state.Create(t.Context(), conn, state.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.PutRecords(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if got := run(t.Context(), server.URL(), nil, "replay", "-o", "json"); got.code != exitDone || !strings.Contains(got.out, `"records": 16,`) {
		t.Errorf("exit code %d, %s%s", got.code, got.out, got.errs)
	}
}

func TestTimesOfReplay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		r        replaying
		from, to string // empty: an error
	}{
		"by default":    {replaying{}, "2026-11-19 15:00", "2026-11-20 03:00"},
		"of a file":     {replaying{file: "f"}, "0001-01-01 00:00", "2026-11-20 03:00"},
		"since":         {replaying{file: "f", since: "2d"}, "2026-11-18 03:00", "2026-11-20 03:00"},
		"last night":    {replaying{from: "22:00", to: "02:00"}, "2026-11-19 22:00", "2026-11-20 02:00"},
		"before the to": {replaying{from: "22:00", to: "2026-11-18 06:00"}, "2026-11-17 22:00", "2026-11-18 06:00"},
		"with a zone":   {replaying{from: "2026-11-20T01:00:00Z"}, "2026-11-20 02:00", "2026-11-20 03:00"},
		"turned round":  {replaying{from: "02:00", to: "2026-11-20 01:00", file: "f"}, "2026-11-19 02:00", "2026-11-20 01:00"},
		"both":          {r: replaying{from: "02:00", since: "1h"}},
		"no time":       {r: replaying{from: "yesterday"}},
		"no to":         {r: replaying{to: "now"}},
		"no duration":   {r: replaying{since: "long"}},
		"end before":    {r: replaying{since: "1h", to: "01:00"}},
	} {
		from, to, err := test.r.span(nowhere)
		if test.from == "" {
			if err == nil {
				t.Errorf("%s: %s to %s, want an error", name, from, to)
			}
			continue
		}
		const layout = "2006-01-02 15:04"
		begins := from.In(zone).Format(layout)
		if from.IsZero() {
			begins = from.Format(layout)
		}
		if err != nil || begins != test.from || to.In(zone).Format(layout) != test.to {
			t.Errorf("%s: %s to %s, %v", name, begins, to, err)
		}
	}
}
