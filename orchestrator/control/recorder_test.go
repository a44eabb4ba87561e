package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/record"
	"nightshift.dev/nightshift/orchestrator/state"
)

// shelf keeps batches, or refuses them.
type shelf struct {
	batches [][]byte
	refuse  atomic.Bool
	hold    chan struct{} // nil: nothing holds it up
}

func (s *shelf) PutRecords(ctx context.Context, batch []byte) error {
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if s.refuse.Load() {
		return errors.New("full")
	}
	s.batches = append(s.batches, batch)
	return nil
}

func (s *shelf) decisions(t *testing.T) (list []record.Decision) {
	t.Helper()
	if err := record.Read(bytes.NewReader(bytes.Join(s.batches, nil)), func(_ string, one record.Decision) error {
		list = append(list, one)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// recording is a recorder that runs in a bubble of time until end.
func recording(s *shelf) (r *recorder, end func()) {
	r = newRecorder(s, "documents", slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.run(ctx) }()
	return r, func() { cancel(); <-done }
}

// offer offers a decision on a pool and a job with so many rows left.
func offer(r *recorder, replicas, wanted int, rowsLeft int64) {
	job := waiting("fraud-1")
	job.RowsLeft = rowsLeft
	r.offer(orchestrator.Observation{
		Jobs: []orchestrator.JobView{job}, Pools: []orchestrator.PoolView{{Name: "cheap", Replicas: replicas}}, Tables: []*orchestrator.Table{{}},
	}, nil, orchestrator.Plan{At: time.Now(), Pools: []orchestrator.PoolPlan{{Name: "cheap", From: replicas, Replicas: wanted}}})
}

// K3: progress alone is written down once a minute, a change within a second, and nothing is left out of the counts.
func TestDecisionsThatSayTheSameAreThinnedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept := &shelf{}
		r, end := recording(kept)
		for second := range 150 { // ten a second
			for range 10 {
				replicas := 1
				if second >= 100 {
					replicas = 2
				}
				offer(r, replicas, replicas+map[bool]int{true: 1}[second == 99], int64(10_000-second))
				time.Sleep(100 * time.Millisecond)
			}
		}
		end()
		var text strings.Builder
		decisions, changes := 0, 0
		for _, one := range kept.decisions(t) {
			fmt.Fprintf(&text, "%.0f ", one.At.Sub(kept.decisions(t)[0].At).Seconds())
			decisions, changes = decisions+one.Decisions, changes+one.Changes
			if one.Observation.Tables != nil {
				t.Error("tables are recorded")
			}
		}
		if got := text.String(); !regexp.MustCompile(`^0 6[0-2] (99|100) 10[0-2] $`).MatchString(got) {
			t.Errorf("recorded at the seconds %s", got)
		}
		if changes < 9 || changes > 10 || decisions < 1000 {
			t.Errorf("%d decisions with %d changes", decisions, changes)
		}
	})
}

// K3: a large record is followed by a longer pause.
func TestLargeRecordsComeMoreRarely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept := &shelf{}
		r, end := recording(kept)
		observation := orchestrator.Observation{}
		for i := range 1000 {
			observation.Workers = append(observation.Workers, orchestrator.WorkerView{ID: strings.Repeat("x", 400), Slot: i})
		}
		for second := range 30 {
			observation.Pools = []orchestrator.PoolView{{Name: "cheap", Replicas: second}}
			r.offer(observation, nil, orchestrator.Plan{At: time.Now()})
			time.Sleep(time.Second)
		}
		end()
		if got := len(kept.decisions(t)); got < 3 || got > 6 {
			t.Errorf("%d records of 600 kB in 30 seconds, want one in some nine seconds", got)
		}
	})
}

// K4: a store that takes its time, or nothing, holds no decision up; what is lost is counted.
func TestNoDecisionWaitsForItsRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept := &shelf{hold: make(chan struct{})}
		r, end := recording(kept)
		began := time.Now()
		for replicas := range 3 {
			offer(r, replicas, replicas, 1)
			time.Sleep(12 * time.Second)
		}
		if took := time.Since(began); took != 36*time.Second {
			t.Errorf("three decisions took %s", took)
		}
		kept.refuse.Store(true)
		close(kept.hold)
		time.Sleep(30 * time.Second)
		kept.refuse.Store(false)
		offer(r, 9, 9, 1)
		end()
		list := kept.decisions(t)
		if len(list) != 1 || list[0].Missed != 2 || list[0].Decisions < 1 {
			t.Errorf("records = %+v", list)
		}
	})
}

// K5: what was decided last is stored at the end, and a batch within ten seconds.
func TestRecordsReachTheStore(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	d.jobs.set(waiting("fraud-1"))
	stop := d.run()
	d.decide(1)
	stop()
	var list []record.Decision
	read := func(from time.Time) int {
		list = nil
		d.must(state.ReadRecords(t.Context(), d.store.Conn(), from, func(batch []byte) error {
			return record.Read(bytes.NewReader(batch), func(documents string, one record.Decision) error {
				if documents != "as they are" {
					t.Errorf("documents = %q", documents)
				}
				list = append(list, one)
				return nil
			})
		}))
		return len(list)
	}
	if read(time.Time{}) == 0 || list[0].Observation.Jobs[0].ID != "fraud-1" || len(list[0].Pools) != 1 {
		t.Errorf("records = %+v", list)
	}
	if got := read(time.Now().Add(time.Hour)); got != 0 {
		t.Errorf("%d records of the future", got)
	}
}

// K6: jobs that are too many to be looked at one by one are put together.
func TestManyJobsAreRecordedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept := &shelf{}
		r, end := recording(kept)
		near := []orchestrator.JobView{waiting("fraud-1")}
		r.offer(orchestrator.Observation{Jobs: make([]orchestrator.JobView, 1000)}, near, orchestrator.Plan{At: time.Now()})
		end()
		if list := kept.decisions(t); len(list) != 1 || len(list[0].Observation.Jobs) != 1 {
			t.Errorf("records = %+v", list)
		}
	})
}

// A batch that does not fit into a message goes in parts.
func TestLargeBatchesAreHalved(t *testing.T) {
	t.Parallel()
	kept := &shelf{}
	r := newRecorder(kept, "documents", slog.New(slog.DiscardHandler))
	for n := range 4 {
		noise := make([]byte, 500<<10)
		for i := range noise { // hardly to be compressed
			noise[i] = 'a' + byte((i*i*31+i*n*17+i>>3)%26)
		}
		line, err := record.Line(record.Decision{Jobs: []orchestrator.JobPlan{{JobKey: orchestrator.JobKey{ID: string(noise)}}}})
		if err != nil {
			t.Fatal(err)
		}
		r.lines = append(r.lines, line)
	}
	r.flush(t.Context())
	if len(kept.decisions(t)) != 4 {
		t.Errorf("%d records in %d batches", len(kept.decisions(t)), len(kept.batches))
	}
	for _, batch := range kept.batches {
		if len(batch) > batchMessage {
			t.Errorf("a batch has %d bytes", len(batch))
		}
	}
}
