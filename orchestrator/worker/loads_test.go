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

	loads := make(chan int, 1000)
	watching, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- b.store.WatchPresence(watching, func(change state.PresenceChange) {
			if !change.Gone {
				loads <- change.Presence.Loads
			}
		}, func() {})
	}()
	defer func() { stop(); <-ended }()
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
		for seen := range loads { // heartbeats go on
			if seen > round+1 {
				t.Fatalf("%d loads after %d switches", seen, round+1)
			}
			if seen == round+1 {
				break
			}
		}
	}
}
