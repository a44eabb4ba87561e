package dispatch

import (
	gocmp "cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// Whatever is put and removed, lists and counts are those of a look at every job.
func TestBookIsInOrder(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		b, model := newBook(), map[orchestrator.JobKey]orchestrator.Job{}
		for revision := range rapid.IntRange(1, 40).Draw(t, "changes") {
			queue := rapid.SampledFrom([]string{"fraud", "embed"}).Draw(t, "queue")
			key := orchestrator.JobKey{
				Tenant: rapid.SampledFrom([]string{"acme", "zeta"}).Draw(t, "tenant"), Queue: queue, ID: fmt.Sprintf("%s-%d", queue, rapid.IntRange(0, 7).Draw(t, "id")),
			}
			if rapid.IntRange(0, 5).Draw(t, "remove") == 0 {
				b.remove(key)
				delete(model, key)
				continue
			}
			job := orchestrator.Job{
				JobKey: key, State: rapid.SampledFrom([]orchestrator.JobState{orchestrator.JobQueued, orchestrator.JobRunning}).Draw(t, "state"),
				Deleted: rapid.Bool().Draw(t, "deleted"),
				Times:   map[orchestrator.JobState]time.Time{orchestrator.JobQueued: begin.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "queued")) * time.Second)},
			}
			b.put(key, job, uint64(revision))
			model[key] = job
		}
		for _, tenant := range []string{"acme", "zeta"} {
			compareLists(t, &b, model, tenant)
		}
	})
}

func compareLists(t *rapid.T, b *book, model map[orchestrator.JobKey]orchestrator.Job, tenant string) {
	var want []Place
	waiting := map[queueName]int{}
	for key, job := range model {
		if key.Tenant == tenant && !job.Deleted {
			want = append(want, PlaceOf(&job))
		}
		if !job.Deleted && job.State == orchestrator.JobQueued {
			waiting[queueName{key.Tenant, key.Queue}]++
		}
	}
	slices.SortFunc(want, func(a, b Place) int { return gocmp.Or(b.Queued.Compare(a.Queued), gocmp.Compare(a.ID, b.ID)) })
	for _, queue := range []string{"fraud", "embed"} {
		if name := (queueName{tenant, queue}); b.waiting[name] != waiting[name] {
			t.Fatalf("queue %v: %d wait, want %d", name, b.waiting[name], waiting[name])
		}
	}
	places := func(after *Place) (found []Place) {
		for known := range b.listed(tenant, after) {
			found = append(found, PlaceOf(&known.job))
		}
		return found
	}
	if diff := cmp.Diff(want, places(nil)); diff != "" {
		t.Fatalf("list of %s (-want +got):\n%s", tenant, diff)
	}
	for i := range want {
		if diff := cmp.Diff(want[i+1:], places(&want[i]), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("list of %s behind %v (-want +got):\n%s", tenant, want[i], diff)
		}
	}
}
