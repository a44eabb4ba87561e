package worker

import (
	"context"
	"testing"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/state"
)

// A model is loaded once for each switch to it, however many shards there are.
func TestOneLoadPerModelSwitch(t *testing.T) {
	t.Parallel()
	b := prepare(t, nil)
	first := b.job
	model, err := b.store.Model(t.Context(), first.Model.Digest)
	b.must(err)
	second := first
	second.ID, second.Model, second.Output = "other-1", orchestrator.ModelRef{Name: "other", Digest: "d2"}, "file://"+b.dir+"/out/other/"
	model.Name, model.Digest = second.Model.Name, second.Model.Digest
	b.must(b.store.PutModel(t.Context(), model))
	_, err = b.store.CreateJob(t.Context(), second)
	b.must(err)
	b.must(b.store.OpenJob(t.Context(), second.JobKey))

	words := b.words()
	b.startWith(first, second)
	number := 0
	for round, job := range []orchestrator.Job{first, second, first, second} {
		for range 5 {
			shard := b.shard()
			shard.JobKey, shard.Number = job.JobKey, number
			number++
			b.must(b.store.PublishShards(t.Context(), []orchestrator.Shard{shard}))
			b.eventually("the shard is committed", func() bool {
				_, err := b.store.CommitOf(t.Context(), shard)
				return err == nil
			})
		}
		for word := range words { // heartbeats go on
			if word.Loads > round+1 {
				t.Fatalf("%d loads after %d switches", word.Loads, round+1)
			}
			if word.Loads == round+1 {
				break
			}
		}
	}
}

// words are those that workers say of themselves.
func (b *bench) words() <-chan orchestrator.Presence {
	words := make(chan orchestrator.Presence, 1000)
	watching, stop := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- b.store.WatchPresence(watching, func(change state.PresenceChange) {
			if !change.Gone {
				words <- change.Presence
			}
		}, func() {})
	}()
	b.t.Cleanup(func() { stop(); <-ended })
	return words
}

// PK3: a worker that is kept for work that comes loads its model while there is nothing to do, once, and scores it without another load when it comes.
func TestModelIsWarmBeforeItsWork(t *testing.T) {
	t.Parallel()
	b := prepare(t, nil)
	words := b.words()
	config := settings()
	b.startAs(config, orchestrator.Assignment{Worker: config.ID, Epoch: 1, Warm: b.job.Model})
	for word := range words {
		if word.State == orchestrator.WorkerIdle && word.Model == b.job.Model {
			break
		}
	}
	assignment, revision, err := b.store.Assignment(t.Context(), config.ID)
	b.must(err)
	assignment.Epoch, assignment.Jobs = 2, []*orchestrator.Order{{JobKey: b.job.JobKey, Model: b.job.Model}}
	_, err = b.store.PutAssignment(t.Context(), assignment, revision)
	b.must(err)
	b.must(b.store.PublishShards(t.Context(), []orchestrator.Shard{b.shard()}))
	b.eventually("the shard is committed", func() bool {
		_, err := b.store.CommitOf(t.Context(), b.shard())
		return err == nil
	})
	for word := range words {
		if word.Loads > 1 {
			t.Fatalf("%d loads", word.Loads)
		}
		if word.Epoch == 2 && word.State == orchestrator.WorkerIdle {
			return
		}
	}
}
