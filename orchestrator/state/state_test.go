package state

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
)

func open(t *testing.T, config Config) *Store {
	t.Helper()
	nc := embeddedtest.Connect(t, embeddedtest.Start(t))
	store, err := Create(t.Context(), nc, config)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

var nightly = orchestrator.JobKey{Tenant: "default", Queue: "fraud", ID: "fraud-1"}

func shardOf(number int) orchestrator.Shard {
	return orchestrator.Shard{JobKey: nightly, Number: number, Kind: orchestrator.ShardScore, Range: orchestrator.Range{Start: int64(number), End: int64(number + 1)}}
}

func TestJobRecordIsGuardedByItsRevision(t *testing.T) {
	t.Parallel()
	store := open(t, Config{})
	job := orchestrator.Job{JobKey: nightly, State: orchestrator.JobQueued}
	revision, err := store.CreateJob(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.CreateJob(t.Context(), job); !errors.Is(err, ErrConflict) {
		t.Errorf("second create: %v, want ErrConflict", err)
	}
	job.State = orchestrator.JobRunning
	if _, err := store.UpdateJob(t.Context(), job, revision); err != nil {
		t.Fatal(err)
	}
	if _, err := store.UpdateJob(t.Context(), job, revision); !errors.Is(err, ErrConflict) {
		t.Errorf("update over a stale revision: %v, want ErrConflict", err)
	}
	got, _, err := store.Job(t.Context(), nightly)
	if err != nil || got.State != orchestrator.JobRunning {
		t.Errorf("job = %v, %v", got.State, err)
	}
	if _, _, err := store.Job(t.Context(), orchestrator.JobKey{Tenant: "a", Queue: "b", ID: "c"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown job: %v, want ErrNotFound", err)
	}
}

func TestJournalRefusesTheSecondWriter(t *testing.T) {
	t.Parallel()
	store := open(t, Config{})
	entry := func(number int) orchestrator.JournalEntry {
		return orchestrator.JournalEntry{Cuts: []orchestrator.Cut{{Number: number}}}
	}
	first, err := store.AppendJournal(t.Context(), nightly, 0, entry(0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.AppendJournal(t.Context(), nightly, 0, entry(9)); !errors.Is(err, ErrConflict) {
		t.Errorf("append with a stale guard: %v, want ErrConflict", err)
	}
	if _, err := store.AppendJournal(t.Context(), nightly, first, entry(1)); err != nil {
		t.Fatal(err)
	}
	var numbers []int
	read := func(_ uint64, entry orchestrator.JournalEntry) { numbers = append(numbers, entry.Cuts[0].Number) }
	if err := store.ReadJournal(t.Context(), nightly, 0, read); err != nil {
		t.Fatal(err)
	}
	if err := store.ReadJournal(t.Context(), nightly, first, read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{0, 1, 1}, numbers); diff != "" {
		t.Errorf("journal (-want +got)\n%s", diff)
	}
}

func TestOneCommitDecidesAShard(t *testing.T) {
	t.Parallel()
	store := open(t, Config{})
	shard := shardOf(3)
	if _, err := store.CommitOf(t.Context(), shard); !errors.Is(err, ErrNotFound) {
		t.Errorf("commit before any: %v, want ErrNotFound", err)
	}
	if err := store.Commit(t.Context(), shard, orchestrator.Commit{Number: 3, Attempt: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := store.Commit(t.Context(), shard, orchestrator.Commit{Number: 3, Attempt: "b"}); !errors.Is(err, ErrConflict) {
		t.Errorf("second commit: %v, want ErrConflict", err)
	}
	commit, err := store.CommitOf(t.Context(), shard)
	if err != nil || commit.Attempt != "a" {
		t.Errorf("commit = %+v, %v", commit, err)
	}
}

func TestWatchCommitsCatchesUpOnceThenFollows(t *testing.T) {
	t.Parallel()
	store := open(t, Config{})
	for number := range 3 {
		if err := store.Commit(t.Context(), shardOf(number), orchestrator.Commit{Number: number}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var seen []string
	err := store.WatchCommits(ctx, nightly, func(event CommitEvent) {
		if event.CaughtUp {
			seen = append(seen, "caught up")
			if err := store.Commit(ctx, shardOf(7), orchestrator.Commit{Number: 7}); err != nil {
				t.Error(err)
			}
			return
		}
		seen = append(seen, fmt.Sprint(event.Commit.Number))
		if event.Commit.Number == 7 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("watch ended with %v", err)
	}
	if diff := cmp.Diff([]string{"0", "1", "2", "caught up", "7"}, seen); diff != "" {
		t.Errorf("events (-want +got)\n%s", diff)
	}
}

// Who reads commits and is killed is soon forgotten: a stream may have a thousand consumers, and each start reads those of every job that has not ended.
func TestReadersOfCommitsAreSoonForgotten(t *testing.T) {
	t.Parallel()
	store := open(t, Config{})
	if err := store.Commit(t.Context(), shardOf(0), orchestrator.Commit{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	kept := time.Duration(0)
	err := store.WatchCommits(ctx, nightly, func(CommitEvent) {
		for one := range store.commits.ListConsumers(ctx).Info() {
			kept = max(kept, one.Config.InactiveThreshold)
		}
		cancel()
	})
	if !errors.Is(err, context.Canceled) || kept == 0 || kept > 30*time.Second {
		t.Errorf("kept for %s without a word, want half a minute at most (%v)", kept, err)
	}
}

func TestShardIsDeliveredAgainUntilAcknowledged(t *testing.T) {
	t.Parallel()
	store := open(t, Config{AckWait: 300 * time.Millisecond})
	if err := store.OpenJob(t.Context(), nightly); err != nil {
		t.Fatal(err)
	}
	if err := store.PublishShards(t.Context(), []orchestrator.Shard{shardOf(0), shardOf(1), shardOf(0)}); err != nil {
		t.Fatal(err)
	}
	if numbers, err := store.PublishedShards(t.Context(), nightly, 0); err != nil || !cmp.Equal(numbers, []int{0, 1}) {
		t.Errorf("published = %v, %v: a repetition within the duplicate window must be stored once", numbers, err)
	}
	first, err := store.Pull(t.Context(), nightly, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	second, err := store.Pull(t.Context(), nightly, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Pull(t.Context(), nightly, 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("pull while all are held: %v, want ErrNotFound", err)
	}
	again, err := store.Pull(t.Context(), nightly, 5*time.Second)
	if err != nil || again.Shard.Number != first.Shard.Number || again.Deliveries != 2 {
		t.Fatalf("redelivery = %+v, %v", again, err)
	}
	if err := again.HandBack(0); err != nil {
		t.Fatal(err)
	}
	if third, err := store.Pull(t.Context(), nightly, 5*time.Second); err != nil || third.Deliveries != 3 {
		t.Errorf("after a hand-back: %+v, %v", third, err)
	}
}

// W12: a shard that arrives at a worker that was just told to end is in its hands, and must not be lost for the ack wait.
func TestPullGivesWhatItGotAfterItsContextEnded(t *testing.T) {
	t.Parallel()
	store := open(t, Config{AckWait: time.Hour})
	if err := store.OpenJob(t.Context(), nightly); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Pull(t.Context(), nightly, 0); !errors.Is(err, ErrNotFound) {
		t.Fatalf("pull from an empty job: %v, want ErrNotFound", err)
	}
	if err := store.PublishShards(t.Context(), []orchestrator.Shard{shardOf(0)}); err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	got, err := store.Pull(ended, nightly, time.Second)
	if err != nil {
		t.Fatalf("pull: %v, want the shard", err)
	}
	if err := got.HandBack(0); err != nil {
		t.Fatal(err)
	}
	if again, err := store.Pull(t.Context(), nightly, 5*time.Second); err != nil || again.Deliveries != 2 {
		t.Errorf("after the hand-back: %+v, %v", again, err)
	}
}

func TestClosedJobGivesNoShards(t *testing.T) {
	t.Parallel()
	store := open(t, Config{})
	if err := store.OpenJob(t.Context(), nightly); err != nil {
		t.Fatal(err)
	}
	if err := store.PublishShards(t.Context(), []orchestrator.Shard{shardOf(0)}); err != nil {
		t.Fatal(err)
	}
	held, err := store.Pull(t.Context(), nightly, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // twice is harmless
		if err := store.CloseJob(t.Context(), nightly); err != nil {
			t.Fatal(err)
		}
	}
	for _, wait := range []time.Duration{0, 300 * time.Millisecond} {
		began := time.Now()
		if _, err := store.Pull(t.Context(), nightly, wait); !errors.Is(err, ErrNotFound) {
			t.Errorf("pull from a closed job, wait %s: %v after %s, want ErrNotFound", wait, err, time.Since(began))
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := held.Ack(ctx); err != nil {
		t.Errorf("acknowledging a shard of a closed job: %v", err)
	}
}

func TestFullStoreRefusesAndDropsNothing(t *testing.T) {
	t.Parallel()
	store := open(t, Config{MaxBytes: 64 << 10})
	stored := 0
	var refused error
	for i := range 2000 {
		key := nightly
		key.ID = fmt.Sprintf("fraud-%d", i)
		if _, err := store.CreateJob(t.Context(), orchestrator.Job{JobKey: key}); err != nil {
			refused = err
			break
		}
		stored++
	}
	if !errors.Is(refused, ErrFull) {
		t.Fatalf("after %d jobs: %v, want ErrFull", stored, refused)
	}
	for i := range stored {
		key := nightly
		key.ID = fmt.Sprintf("fraud-%d", i)
		if _, _, err := store.Job(t.Context(), key); err != nil {
			t.Errorf("job %d of %d was dropped: %v", i, stored, err)
		}
	}
}

func TestAttemptsAreGuarded(t *testing.T) {
	t.Parallel()
	store := open(t, Config{})
	shard := shardOf(1)
	last, err := store.RecordAttempt(t.Context(), shard, 0, orchestrator.AttemptEvent{Attempt: "a", Kind: orchestrator.AttemptStarted})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.RecordAttempt(t.Context(), shard, 0, orchestrator.AttemptEvent{Attempt: "b"}); !errors.Is(err, ErrConflict) {
		t.Errorf("record with a stale guard: %v, want ErrConflict", err)
	}
	if _, err := store.RecordAttempt(t.Context(), shard, last, orchestrator.AttemptEvent{Attempt: "a", Kind: orchestrator.AttemptFailed}); err != nil {
		t.Fatal(err)
	}
	events, guard, err := store.Attempts(t.Context(), shard)
	if err != nil || len(events) != 2 || guard <= last {
		t.Errorf("attempts = %+v, guard %d, %v", events, guard, err)
	}
	if err := store.ForgetWork(t.Context(), nightly); err != nil {
		t.Fatal(err)
	}
	if events, guard, err := store.Attempts(t.Context(), shard); err != nil || len(events) != 0 || guard != 0 {
		t.Errorf("after forgetting: %v, %d, %v", events, guard, err)
	}
}

func TestAssignmentsAreAnnounced(t *testing.T) {
	t.Parallel()
	store := open(t, Config{})
	announced := make(chan struct{}, 1)
	stop, err := store.OnAssignment("w-0", func() { announced <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if err := store.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	revision, err := store.PutAssignment(t.Context(), orchestrator.Assignment{Worker: "w-0", Epoch: 1}, 0)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-announced:
	case <-time.After(10 * time.Second):
		t.Fatal("no announcement")
	}
	if _, err := store.PutAssignment(t.Context(), orchestrator.Assignment{Worker: "w-0", Epoch: 2}, 0); !errors.Is(err, ErrConflict) {
		t.Errorf("stale assignment: %v, want ErrConflict", err)
	}
	got, at, err := store.Assignment(t.Context(), "w-0")
	if err != nil || got.Epoch != 1 || at != revision {
		t.Errorf("assignment = %+v at %d, %v", got, at, err)
	}
	odd := orchestrator.Assignment{Worker: "w-1", Jobs: []*orchestrator.Order{nil, {JobEpoch: 7}}}
	if _, err := store.PutAssignment(t.Context(), odd, 0); err != nil {
		t.Fatal(err)
	}
	if got, _, err := store.Assignment(t.Context(), "w-1"); err != nil || len(got.Jobs) != 1 || got.Jobs[0].JobEpoch != 7 {
		t.Errorf("assignment = %+v, %v; want the order that is one", got, err)
	}
}

// N4: servers that do not answer are told apart from records that are not there.
func TestAbsentServersAreAway(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t)
	store, err := Create(t.Context(), embeddedtest.Connect(t, server), Config{})
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, commit := store.CommitOf(ctx, shardOf(1))
	_, attempt := store.RecordAttempt(ctx, shardOf(1), 0, orchestrator.AttemptEvent{})
	_, job := store.CreateJob(ctx, orchestrator.Job{JobKey: nightly})
	for what, err := range map[string]error{"a commit": commit, "an attempt": attempt, "a job": job} {
		if !errors.Is(err, ErrAway) {
			t.Errorf("%s: %v, want ErrAway", what, err)
		}
	}
}

// C4, R5, W6: servers of a cluster refuse a guarded write with another code while one on the same subject is on its way. That one may be stored.
func TestConflictsOfAClusterAreConflicts(t *testing.T) {
	t.Parallel()
	for code, want := range map[jetstream.ErrorCode]error{10071: ErrConflict, 10164: ErrConflict, 10077: ErrFull, 10008: ErrAway} {
		if err := classify(&jetstream.APIError{ErrorCode: code}); !errors.Is(err, want) {
			t.Errorf("%d: %v, want %v", code, err, want)
		}
	}
}
