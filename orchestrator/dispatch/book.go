package dispatch

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// book holds all jobs as this process knows them, and keeps what is asked of them with every request in order, so that the answer does not take
// longer with the number of jobs. The dispatcher's lock guards it.
type book struct {
	jobs    map[orchestrator.JobKey]*entry
	lists   map[string][]*entry // by tenant, without tombstones; the last is the first of a list
	waiting map[queueName]int   // jobs in state queued, without tombstones
	chains  map[queueName]chain // standing jobs, without tombstones
}

type queueName struct{ tenant, name string }

// entry is one job. Its record is changed by put only; what the record does not have (Expected, Waiting, newer counts) may be set in it.
type entry struct {
	job      orchestrator.Job
	revision uint64
	runner   *runner // nil when the job is not open here
	place    Place   // where it stands in its tenant's list
}

func newBook() book {
	return book{jobs: map[orchestrator.JobKey]*entry{}, lists: map[string][]*entry{}, waiting: map[queueName]int{}, chains: map[queueName]chain{}}
}

// put takes over a record.
func (b *book) put(key orchestrator.JobKey, job orchestrator.Job, revision uint64) {
	known := b.jobs[key]
	if known == nil {
		known = &entry{}
		b.jobs[key] = known
	} else {
		b.unlist(key, known)
	}
	known.job, known.revision, known.place = job, revision, PlaceOf(&job)
	if job.Deleted {
		return
	}
	list := b.lists[key.Tenant]
	at, _ := slices.BinarySearchFunc(list, known.place, fromTheEnd)
	b.lists[key.Tenant] = slices.Insert(list, at, known)
	if job.State == orchestrator.JobQueued {
		b.waiting[queueName{key.Tenant, key.Queue}]++
	}
	if job.Standing != nil {
		b.chains[queueName{key.Tenant, key.Queue}] = b.chains[queueName{key.Tenant, key.Queue}].with(known)
	}
}

// remove forgets a job.
func (b *book) remove(key orchestrator.JobKey) {
	if known := b.jobs[key]; known != nil {
		b.unlist(key, known)
		delete(b.jobs, key)
	}
}

func (b *book) unlist(key orchestrator.JobKey, known *entry) {
	if known.job.Deleted {
		return
	}
	list := b.lists[key.Tenant]
	at, _ := slices.BinarySearchFunc(list, known.place, fromTheEnd)
	b.lists[key.Tenant] = slices.Delete(list, at, at+1)
	if known.job.State == orchestrator.JobQueued {
		b.waiting[queueName{key.Tenant, key.Queue}]--
	}
	if known.job.Standing != nil {
		b.chains[queueName{key.Tenant, key.Queue}] = b.chains[queueName{key.Tenant, key.Queue}].without(known)
	}
}

// listed gives a tenant's jobs in the order of a list, those behind after only if it is not nil.
func (b *book) listed(tenant string, after *Place) iter.Seq[*entry] {
	list := b.lists[tenant]
	if after != nil {
		at, _ := slices.BinarySearchFunc(list, *after, fromTheEnd)
		list = list[:at]
	}
	return func(yield func(*entry) bool) {
		for _, known := range slices.Backward(list) {
			if !yield(known) {
				return
			}
		}
	}
}

// Place is where a job stands in a list: the newest first.
type Place struct {
	Queued time.Time
	ID     string
}

// PlaceOf gives a job's place.
func PlaceOf(job *orchestrator.Job) Place {
	return Place{Queued: job.Times[orchestrator.JobQueued], ID: job.ID}
}

// fromTheEnd orders places from the end of a list to its beginning.
func fromTheEnd(known *entry, other Place) int {
	return cmp.Or(known.place.Queued.Compare(other.Queued), cmp.Compare(other.ID, known.place.ID))
}
