package dispatch

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// shelf is a source that is what a test says; it remembers what it was told.
type shelf struct {
	mu      sync.Mutex
	settled int64
	most    int64 // of what it was ever told
}

const shelfURI = "nats://ROWS"

var shelfSource = orchestrator.Source{NATS: &orchestrator.NATSSource{Stream: "ROWS", Consumer: "scoring", Created: time.Unix(1000, 0).UTC()}}

func (s *shelf) Describe(context.Context, Queue, orchestrator.Backlog) (orchestrator.Source, error) {
	return shelfSource, nil
}

func (s *shelf) Settle(_ context.Context, _ orchestrator.Source, settled []orchestrator.Position) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled = settled[0].Settled
	s.most = max(s.most, s.settled)
	return nil
}

func (s *shelf) told() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settled
}

// depot is an office whose queue drains a shelf.
type depot struct {
	*office
	shelf *shelf
}

func drains(t *testing.T) *depot {
	t.Helper()
	d := &depot{office: open(t, 0), shelf: &shelf{}}
	d.queue.Drains, d.queue.RollEvery, d.queue.RollRows = true, time.Hour, 6
	d.reborn()
	return d
}

// reborn is the service after a restart.
func (d *depot) reborn() {
	config := d.fresh().config
	config.Sources, config.Drained = d.shelf, []orchestrator.QueueName{{Tenant: "default", Queue: "echo"}}
	d.Dispatcher = New(config)
}

// hear reads the shelf: messages up to before end are there.
func (d *depot) hear(end int64, err string) { d.hearOf(shelfSource.Identity(), end, err) }

func (d *depot) hearOf(identity string, end int64, err string) {
	d.Hear([]orchestrator.Backlog{{
		Tenant: "default", Queue: "echo", Reading: orchestrator.Reading{At: time.Now(), Source: "nats ROWS/scoring", Err: err}, Identity: identity,
		Parts: []orchestrator.Part{{URI: shelfURI, Start: 1, Settled: 1, End: end}},
	}})
}

// serve is a plan with a worker for the queue.
func (d *depot) serve() {
	d.Apply(orchestrator.Plan{Queues: []orchestrator.QueuePlan{{Tenant: "default", Queue: "echo", Workers: 1, ShardRows: 2, Ahead: 16}}}, nil)
}

// newest is the queue's newest standing job, once it has so many shards.
func (d *depot) newest(end int64, before string, shards int) orchestrator.Job {
	d.t.Helper()
	var job orchestrator.Job
	d.eventually("the next standing job has its shards", func() bool {
		d.hear(end, "")
		d.serve()
		jobs, _ := d.List("default", func(*orchestrator.Job) bool { return true }, nil, 10)
		if len(jobs) == 0 || jobs[0].ID == before {
			return false
		}
		job = jobs[0]
		return len(d.published(job)) == shards
	})
	return job
}

func TestStandingJobsFollowEachOther(t *testing.T) {
	t.Parallel()
	d := drains(t)
	d.live()
	first := d.newest(5, "", 2) // messages 1 to 4
	d.settle(first, 1)
	d.eventually("the second shard is settled", func() bool { found, _ := d.Find("default", first.ID); return found.Counts.ShardsDone == 1 })
	if told := d.shelf.told(); told > 1 {
		t.Errorf("the source is told that it is settled up to %d, behind a gap", told)
	}
	d.settle(first, 0)
	d.eventually("the source is told", func() bool { return d.shelf.told() == 5 })
	d.eventually("the first job is given what came, 8 in all: more than it may have", func() bool {
		d.hear(9, "")
		d.serve()
		return len(d.published(first)) == 4
	})
	d.settle(first, 2)
	d.settle(first, 3)
	d.eventually("it ends", func() bool { return d.state(first) == orchestrator.JobSucceeded })
	second := d.newest(11, first.ID, 1)
	d.settle(second, 0)
	d.eventually("the source is told", func() bool { return d.shelf.told() == 11 })
}

// G4, G5: the service dies after the last entry of a standing job, and before the next one is made.
func TestStandingJobGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	d := drains(t)
	ctx, die := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = d.Run(ctx) }()
	<-d.Ready()
	first := d.newest(7, "", 3) // messages 1 to 6: all that it may have
	die()
	<-ended
	entry := orchestrator.JournalEntry{ObjectsDone: true}
	var last uint64
	done := false
	d.must(d.store.ReadJournal(t.Context(), first.JobKey, 0, func(sequence uint64, entry orchestrator.JournalEntry) {
		last, done = sequence, done || entry.ObjectsDone
	}))
	if !done { // it died just before
		if _, err := d.store.AppendJournal(t.Context(), first.JobKey, last, entry); err != nil {
			t.Fatal(err)
		}
	}
	d.reborn()
	d.live()
	for number := range 3 {
		d.settle(first, number)
	}
	d.eventually("the first job ends", func() bool { return d.state(first) == orchestrator.JobSucceeded })
	found, err := d.Find("default", first.ID)
	d.must(err)
	if ends := found.Standing.Ends; len(ends) != 1 || ends[0].End != 7 {
		t.Fatalf("it ends at %+v, want 7", ends)
	}
	d.eventually("the source is told", func() bool { return d.shelf.told() == 7 })
	second := d.newest(9, first.ID, 1)
	if from := second.Standing.From; from[0].From != 7 {
		t.Errorf("the next one begins at %+v, want 7", from)
	}
	if err := d.Delete(t.Context(), found); err != nil {
		t.Errorf("delete the one before: %v", err)
	}
}

// G6: two jobs are under way when the service dies; what the later one has settled lies behind a gap, also while the records of the earlier one are read.
func TestSourceIsNotSettledBehindAGapAfterARestart(t *testing.T) {
	t.Parallel()
	d := drains(t)
	ctx, die := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = d.Run(ctx) }()
	<-d.Ready()
	first := d.newest(7, "", 3)
	d.eventually("the first is given no more", func() bool { found, _ := d.Find("default", first.ID); return found.Standing.Ends != nil })
	second := d.newest(9, first.ID, 1)
	d.settle(second, 0)
	d.eventually("the second is settled", func() bool { found, _ := d.Find("default", second.ID); return found.Counts.ShardsDone == 1 })
	die()
	<-ended
	for range 10 {
		d.reborn()
		ctx, die := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = d.Run(ctx) }()
		<-d.Ready()
		d.hear(9, "")
		d.eventually("the source is told", func() bool { return d.shelf.told() > 0 })
		die()
		<-ended
		if d.shelf.most > 1 {
			t.Fatalf("the source is told that it is settled up to %d, and nothing of the first job is", d.shelf.most)
		}
	}
	d.reborn()
	d.live()
	for number := range 3 {
		d.settle(first, number)
	}
	d.eventually("both are settled", func() bool { return d.shelf.told() == 9 })
}

// G7: a source that cannot be read.
func TestUnknownBacklogGivesNothing(t *testing.T) {
	t.Parallel()
	d := drains(t)
	d.live()
	first := d.newest(3, "", 1)
	d.hear(5, "")
	d.hear(5, "no answer within 10s")
	d.serve()
	d.settle(first, 0)
	d.eventually("what was recorded is settled", func() bool { return d.shelf.told() == 3 })
	if got := len(d.published(first)); got > 1 {
		t.Errorf("%d shards of what nobody has read", got)
	}
	second := d.newest(5, "", 1)
	if second.ID != first.ID {
		t.Errorf("job %s goes on as %s", first.ID, second.ID)
	}
}

// G8: what was last known to be in a source that is made again is recorded, so that it is reported as unread; then the job is given no more.
func TestSourceThatIsMadeAgainEndsItsStandingJob(t *testing.T) {
	t.Parallel()
	d := drains(t)
	d.live()
	first := d.newest(3, "", 1)
	d.Apply(orchestrator.Plan{}, nil) // nobody serves the queue
	d.hear(5, "")
	d.hear(5, "the stream is gone")
	d.hearOf("another", 9, "")
	d.eventually("what was known is recorded", func() bool {
		d.serve()
		return len(d.published(first)) == 2
	})
	d.settle(first, 0)
	d.settle(first, 1)
	d.eventually("the job ends", func() bool { return d.state(first) == orchestrator.JobSucceeded })
	found, err := d.Find("default", first.ID)
	d.must(err)
	if ends := found.Standing.Ends; ends[0].End != 5 {
		t.Errorf("it ends at %+v, want 5", ends)
	}
}

func TestStandingJobIsNotForUsersToEnd(t *testing.T) {
	t.Parallel()
	d := drains(t)
	d.live()
	job := d.newest(3, "", 1)
	if _, err := d.Cancel(t.Context(), job); err == nil || !strings.Contains(err.Error(), "drains queue echo") {
		t.Errorf("cancel: %v", err)
	}
	if _, _, err := d.Submit(t.Context(), d.submission("k")); err == nil || !strings.Contains(err.Error(), "drains a source") {
		t.Errorf("submit: %v", err)
	}
	job.State = orchestrator.JobSucceeded // as it will be
	if err := d.Delete(t.Context(), job); err == nil || !strings.Contains(err.Error(), "says where the next one begins") {
		t.Errorf("delete: %v", err)
	}
}

// Where results go is written with the standing job, and in its manifest. What is given to a job before the last one had arrived when the next one began.
func TestStandingJobSaysWhereItsResultsGo(t *testing.T) {
	t.Parallel()
	d := drains(t)
	d.queue.Results = orchestrator.ResultsTo{Subject: "scored.rows"}
	d.live()
	first := d.newest(7, "", 3)
	d.eventually("the first is given no more", func() bool { found, _ := d.Find("default", first.ID); return found.Standing.Ends != nil })
	second := d.newest(9, first.ID, 1)
	view := d.Standing()[0]
	if len(view.Open) != 2 || !view.Arrived[0].Equal(second.Standing.Began) || !view.Arrived[1].IsZero() {
		t.Errorf("%d jobs, arrived by %v; want the first by %s", len(view.Open), view.Arrived, second.Standing.Began)
	}
	for number := range 3 {
		d.settleWith(first, number, func(commit *orchestrator.Commit) { commit.Result = nil })
	}
	d.eventually("it ends", func() bool { return d.state(first) == orchestrator.JobSucceeded })
	found, err := d.Find("default", first.ID)
	d.must(err)
	data, err := os.ReadFile(strings.TrimPrefix(found.Manifest, "file://"))
	d.must(err)
	var manifest Manifest
	d.must(json.Unmarshal(data, &manifest))
	if manifest.Published != d.queue.Results || found.Standing.Results != d.queue.Results {
		t.Errorf("published to %+v, the manifest says %+v", found.Standing.Results, manifest.Published)
	}
}
