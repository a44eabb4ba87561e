package dispatch

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

// hearParts reads a source of several parts, of which nothing is said to be settled.
func (d *depot) hearParts(parts ...orchestrator.Part) {
	parts = slices.Clone(parts) // the dispatcher keeps them
	for i := range parts {
		parts[i].Settled = max(parts[i].Settled, 1)
	}
	d.Hear([]orchestrator.Backlog{{
		Tenant: "default", Queue: "echo", Reading: orchestrator.Reading{At: time.Now(), Source: "nats ROWS/scoring"}, Identity: shelfSource.Identity(), Parts: parts,
	}})
	d.serve()
}

// extent is a recorded object, as [from, end).
type extent struct {
	URI       string
	From, End int64
	Gone      bool
}

// extents are those that a job was given.
func (d *depot) extents(job orchestrator.Job) (list []extent) {
	d.must(d.store.ReadJournal(d.t.Context(), job.JobKey, 0, func(_ uint64, entry orchestrator.JournalEntry) {
		for _, one := range entry.Objects {
			list = append(list, extent{one.URI, one.Start, one.End(), one.Gone})
		}
	}))
	return list
}

// jobs are the queue's, the newest first.
func (d *depot) jobs() []orchestrator.Job {
	jobs, _ := d.List("default", func(*orchestrator.Job) bool { return true }, nil, 10)
	return jobs
}

// given waits until the newest job has been given so many extents.
func (d *depot) given(jobs, count int, parts ...orchestrator.Part) orchestrator.Job {
	d.t.Helper()
	var job orchestrator.Job
	d.eventually("the job is given its extents", func() bool {
		d.hearParts(parts...)
		found := d.jobs()
		if len(found) != jobs {
			return false
		}
		job = found[0]
		return len(d.extents(job)) >= count
	})
	return job
}

// A part whose end is not settled when the next job begins: the next job goes on where the one before ends, also when it is given something of that part later than of others.
func TestNextJobGoesOnInEveryPart(t *testing.T) {
	t.Parallel()
	d := drains(t)
	d.live()
	first := d.given(1, 2, orchestrator.Part{URI: "a", End: 6}, orchestrator.Part{URI: "b", End: 3}) // all that it may have
	d.eventually("it is given no more", func() bool { found, _ := d.Find("default", first.ID); return found.Standing.Ends != nil })
	d.given(2, 1, orchestrator.Part{URI: "a", End: 7}, orchestrator.Part{URI: "b", End: 3})
	second := d.given(2, 2, orchestrator.Part{URI: "a", End: 7}, orchestrator.Part{URI: "b", End: 5})
	if diff := cmp.Diff([]extent{{"a", 6, 7, false}, {"b", 3, 5, false}}, d.extents(second)); diff != "" {
		t.Errorf("extents (-want +got)\n%s", diff)
	}
}

// G15, G16: shards of an ordered queue come one after another for each part, and so do its jobs.
func TestOrderedJobsFollowEachOther(t *testing.T) {
	t.Parallel()
	d := drains(t)
	d.queue.Ordered = true
	d.live()
	parts := []orchestrator.Part{{URI: "a", End: 9}, {URI: "b", End: 3}}
	first := d.given(1, 3, parts...)
	if got := d.extents(first)[:3]; !slices.Equal(got, []extent{{"a", 1, 3, false}, {"b", 1, 3, false}, {"a", 3, 5, false}}) {
		t.Fatalf("extents %+v; want one shard of each part, and one ahead", got)
	}
	if got := d.published(first); !slices.Equal(got, []int{0, 1}) {
		t.Errorf("shards %v are published, want the first of each part", got)
	}
	d.settle(first, 1)
	d.settle(first, 0)
	d.eventually("the next of a is published", func() bool { d.hearParts(parts...); return slices.Contains(d.published(first), 2) })
	d.eventually("it is given no more", func() bool {
		d.hearParts(parts...)
		found, _ := d.Find("default", first.ID)
		return found.Standing.Ends != nil
	})
	d.must(d.extend(t.Context(), queueName{"default", "echo"}))
	if len(d.jobs()) != 1 {
		t.Fatal("the next job begins before all of this one is settled")
	}
	cuts := len(d.extents(first))
	for number := 2; number < cuts; number++ {
		d.settle(first, number)
	}
	second := d.given(2, 1, parts...)
	if got := d.extents(second)[0]; got.From != d.extents(first)[cuts-1].End {
		t.Errorf("the next one begins with %+v, want the end of %+v", got, d.extents(first))
	}
}

// G17: the consumer of an ordered queue has other filters. Where all old partitions have ended at one position the new ones begin there, else they are refused.
func TestPartitionsThatChange(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		old     []orchestrator.Part
		refused bool
	}{
		"ended together": {[]orchestrator.Part{{URI: shelfURI, End: 5}}, false},
		"ended apart":    {[]orchestrator.Part{{URI: shelfURI + "/a", End: 5}, {URI: shelfURI + "/b", End: 3}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := drains(t)
			d.live()
			first := d.given(1, len(test.old), test.old...)
			changed := []orchestrator.Part{{URI: shelfURI + "/c", End: 9}, {URI: shelfURI + "/d", End: 9}}
			d.eventually("the first is given no more", func() bool {
				d.hearParts(changed...)
				found, _ := d.Find("default", first.ID)
				return found.Standing.Ends != nil
			})
			if test.refused {
				if err := d.extend(t.Context(), queueName{"default", "echo"}); err == nil || !strings.Contains(err.Error(), "set them back") || len(d.jobs()) > 1 {
					t.Errorf("%v, %d jobs", err, len(d.jobs()))
				}
				return
			}
			for number := range d.published(first) {
				d.settle(first, number)
			}
			second := d.given(2, 2, changed...)
			if diff := cmp.Diff([]extent{{shelfURI + "/c", 5, 9, false}, {shelfURI + "/d", 5, 9, false}}, d.extents(second)); diff != "" {
				t.Errorf("extents (-want +got)\n%s", diff)
			}
			for number := range 4 {
				d.settle(second, number)
			}
			d.eventually("the source is told, whose first partition is not read any more", func() bool { return d.shelf.told() == 9 })
		})
	}
}

// G18: what a source had removed before it was recorded is one shard, however much it is.
func TestWhatIsGoneIsOneShard(t *testing.T) {
	t.Parallel()
	d := drains(t)
	d.live()
	const first = 1_000_000_000
	job := d.given(1, 2, orchestrator.Part{URI: shelfURI, Start: first, End: first + 4})
	if diff := cmp.Diff([]extent{{shelfURI, 1, first, true}, {shelfURI, first, first + 4, false}}, d.extents(job)); diff != "" {
		t.Errorf("extents (-want +got)\n%s", diff)
	}
	d.eventually("one shard for what is gone, two for what is there", func() bool { d.serve(); return len(d.published(job)) == 3 })
}
