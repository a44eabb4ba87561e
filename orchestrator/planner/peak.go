package planner

import (
	"cmp"
	"math"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// peak is work of a queue that is known to come, or expected, and what has to be ready for it; see docs/peaks.md.
type peak struct {
	view    *orchestrator.Peak
	queue   *queue
	model   int     // its number in the world
	speed   speed   // on the pool that the queue prefers
	rest    float64 // seconds of one worker that are still to come, at most; -1: unknown
	lead    float64 // seconds that a worker which is asked for needs until it can work, p95
	restart float64 // the same on average
	length  float64 // seconds from its beginning until all of it is due; 0: it is never due
	first   float64 // seconds from its beginning until the first of it is due
	needs   crew
}

// addPeaks puts the peaks of known queues in order. Of several with one identity the first counts.
func (w *world) addPeaks(observation orchestrator.Observation, queues map[queueName]*queue, speeds speeds) {
	seen := map[string]bool{}
	for _, view := range inOrder(observation.Peaks, comparePeaks) {
		q := queues[queueName{view.Tenant, view.Queue}]
		if q == nil || q.pool == nil || q.policy.Cheapest || seen[view.Identity] {
			continue
		}
		seen[view.Identity] = true
		k := &peak{view: view, queue: q, speed: speeds.elsewhere(view.Model.Name, q.pool, q.pools)}
		if k.model = w.models[view.Model]; k.model == 0 {
			k.model = len(w.models) + 1
			w.models[view.Model] = k.model
		}
		k.measure()
		w.peaks = append(w.peaks, k)
	}
}

func comparePeaks(a, b *orchestrator.Peak) int {
	return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.Identity, b.Identity),
		cmp.Compare(b.RowsHigh, a.RowsHigh), cmp.Compare(b.Rows, a.Rows), cmp.Compare(a.Arrived, b.Arrived), a.Until.Compare(b.Until), a.Finish.Compare(b.Finish))
}

// unknownLoad is how long the load of a model of unknown speed is taken to be, in seconds.
const unknownLoad = 60

// measure turns rows into work, and times into seconds from its beginning.
func (k *peak) measure() {
	k.rest = -1
	if k.rows() >= 0 && k.speed.known() {
		k.rest = float64(max(k.rows()-max(k.view.Arrived, 0), 0)) / k.speed.rows
	}
	if !k.speed.known() {
		k.speed.load, k.speed.slowLoad = unknownLoad, unknownLoad
	}
	k.lead = k.queue.pool.start() + k.speed.slowLoad
	k.restart = k.queue.pool.starts().mean + k.speed.load
	comes := math.Max(k.view.Until.Sub(k.view.From).Seconds(), 0)
	within := k.queue.span(k.view.From)
	k.first = math.Inf(1) // what comes at once is one piece of work
	if comes > 0 && within > 0 {
		k.first = within
	}
	switch {
	case !k.view.Finish.IsZero():
		k.length = math.Max(k.view.Finish.Sub(k.view.From).Seconds(), 1)
	case within > 0:
		k.length = comes + within
	}
}

// rows is what it hardly exceeds; -1: unknown.
func (k *peak) rows() int64 {
	if k.view.Rows < 0 {
		return -1
	}
	return min(max(k.view.Rows, k.view.RowsHigh), mostRows)
}

// over says that all of it has come, or more: what came is work like any other. What comes at once has come when some of it has.
func (k *peak) over(now time.Time) bool {
	whole := !k.view.Until.After(k.view.From) && !now.Before(k.view.From) && k.view.Arrived > 0
	return whole || k.rows() >= 0 && k.view.Arrived >= k.rows()
}

// crew is who does the work of a peak.
type crew struct {
	workers int
	warm    bool    // they have to be ready when it begins; else they may be asked for then
	short   int     // workers that it lacks even so
	ahead   float64 // seconds before it begins from which they are kept or asked for
}

// crew is the fewest workers that do it in time, of at most so many. They are asked for when it begins if that is early enough, since to wait costs; else so
// early that they are ready when it begins.
func (k *peak) crew(most int, interval float64) crew {
	switch {
	case k.length == 0 || most <= 0:
		return crew{}
	case k.rest < 0:
		return crew{workers: 1, warm: true, ahead: k.lead + interval}
	}
	cold := endless
	if usable := k.length - k.lead; usable > 0 {
		cold = max(whole(k.rest/usable), 1)
	}
	if cold <= most && k.first >= k.lead {
		return crew{workers: cold, ahead: k.restart}
	}
	warm := max(whole(k.rest/k.length), 1)
	return crew{workers: min(warm, most), warm: true, short: max(warm-most, 0), ahead: k.lead + interval}
}

// gone is when nobody waits for it any more: to wait longer than a start takes would cost more than to start again. What comes over a time is waited for until its
// end, once some of it has come.
func (k *peak) gone() time.Time {
	late := k.view.From.Add(time.Duration(k.lead * float64(time.Second)))
	if k.view.Forecast || k.view.Arrived != 0 && k.view.Until.After(late) {
		return k.view.Until
	}
	return late
}

// due is by when all of it has to be done.
func (k *peak) due() time.Time {
	return k.view.From.Add(time.Duration(k.length * float64(time.Second)))
}
