package simulate

import (
	"slices"
	"time"
)

// PeersOfRequests are the usual rules for many models on few workers, in the order of the tables. Each is a constructor, because some remember.
func PeersOfRequests() []PeerOfRequests {
	stateless := func(policy RequestPolicy) func() RequestPolicy { return func() RequestPolicy { return policy } }
	return []PeerOfRequests{
		{"first-come", "the oldest request, on the worker that is idle longest", stateless(firstCome)},
		{"warm-first", "the oldest request, on a worker that has its model, else on the one least recently used", stateless(warmFirst)},
		{"largest-queue", "a worker serves the queue of its model, then takes the longest; one more joins for every ten requests", stateless(inTurns(largest))},
		{"earliest-deadline", "a worker serves the queue of its model, then takes that of the oldest request", stateless(inTurns(oldest))},
		{"chunks-10", "the same, but no more than 10 requests in a row", newChunks(10)},
		{"chunks-50", "the same, but no more than 50 requests in a row", newChunks(50)},
		{"windows", "requests wait for the end of a window of half the time in which they are due, and are served model by model", newWindows},
	}
}

// PeerOfRequests is a rule for many models on few workers.
type PeerOfRequests struct {
	Name   string
	Source string
	New    func() RequestPolicy
}

// turns helps to fill a decision: it keeps how many requests of each model are left.
type turns struct {
	view     *RequestView
	left     []int
	decision RequestDecision
}

func newTurns(view *RequestView) *turns {
	t := &turns{view: view, left: make([]int, len(view.Waiting)), decision: RequestDecision{Serve: make([]int, len(view.Workers))}}
	for model, list := range view.Waiting {
		t.left[model] = len(list)
	}
	for i := range t.decision.Serve {
		t.decision.Serve[i] = -1
	}
	return t
}

// idle says that nothing was decided for a worker that could serve.
func (t *turns) idle(worker int) bool {
	return !t.view.Workers[worker].Busy && t.decision.Serve[worker] < 0
}

func (t *turns) give(worker, model int) {
	t.decision.Serve[worker] = model
	t.left[model]--
}

// longestIdle is the idle worker that was used least recently; -1: none is idle.
func (t *turns) longestIdle() int {
	best := -1
	for i, one := range t.view.Workers {
		if t.idle(i) && (best < 0 || one.Since < t.view.Workers[best].Since) {
			best = i
		}
	}
	return best
}

// warm is an idle worker that has the model; -1: none.
func (t *turns) warm(model int) int {
	for i, one := range t.view.Workers {
		if t.idle(i) && one.Model == model {
			return i
		}
	}
	return -1
}

// head is when the oldest request came that is not given away.
func (t *turns) head(model int) time.Duration {
	list := t.view.Waiting[model]
	return list[len(list)-t.left[model]]
}

// best is the model whose queue comes first; -1: nothing waits.
func (t *turns) best(before func(t *turns, a, b int) bool) int {
	best := -1
	for model, left := range t.left {
		if left > 0 && (best < 0 || before(t, model, best)) {
			best = model
		}
	}
	return best
}

func oldest(t *turns, a, b int) bool { return t.head(a) < t.head(b) }

func largest(t *turns, a, b int) bool {
	return t.left[a] > t.left[b] || t.left[a] == t.left[b] && t.head(a) < t.head(b)
}

func firstCome(view *RequestView) RequestDecision {
	t := newTurns(view)
	for model := t.best(oldest); model >= 0; model = t.best(oldest) {
		worker := t.longestIdle()
		if worker < 0 {
			break
		}
		t.give(worker, model)
	}
	return t.decision
}

func warmFirst(view *RequestView) RequestDecision {
	t := newTurns(view)
	for model := t.best(oldest); model >= 0; model = t.best(oldest) {
		worker := t.warm(model)
		if worker < 0 {
			worker = t.longestIdle()
		}
		if worker < 0 {
			break
		}
		t.give(worker, model)
	}
	return t.decision
}

// inTurns lets a worker serve the queue of its model, then the one that comes first.
func inTurns(before func(t *turns, a, b int) bool) RequestPolicy {
	return func(view *RequestView) RequestDecision {
		t := newTurns(view)
		t.serveResident(func(int) bool { return true })
		t.serveRest(joined, before)
		return t.decision
	}
}

// serveResident gives idle workers the queues of the models they have.
func (t *turns) serveResident(may func(worker int) bool) {
	for i, one := range t.view.Workers {
		if t.idle(i) && one.Model >= 0 && t.left[one.Model] > 0 && may(i) {
			t.give(i, one.Model)
		}
	}
}

// joined is how many requests of a queue wait for each worker that serves it when one more joins them.
const joined = 10

// serveRest gives idle workers, the least recently used first, the queues that nobody serves, or too few do: each is enough for so many requests.
func (t *turns) serveRest(enough int, before func(t *turns, a, b int) bool) {
	serving := make([]int, len(t.left))
	for i, one := range t.view.Workers {
		if one.Busy {
			serving[one.Model]++
		} else if model := t.decision.Serve[i]; model >= 0 {
			serving[model]++
		}
	}
	waiting := slices.Clone(t.left)
	for {
		for model := range t.left {
			if waiting[model] <= enough*serving[model] {
				t.left[model] = 0
			}
		}
		worker, model := t.longestIdle(), t.best(before)
		if worker < 0 || model < 0 {
			return
		}
		t.give(worker, model)
		serving[model]++
	}
}

// newChunks lets a worker serve no more than so many requests of a model in a row before it looks at the oldest again.
func newChunks(most int) func() RequestPolicy {
	return func() RequestPolicy {
		var rows []int
		return func(view *RequestView) RequestDecision {
			if rows == nil {
				rows = make([]int, len(view.Workers))
			}
			t := newTurns(view)
			t.serveResident(func(worker int) bool { return rows[worker] < most })
			t.serveRest(joined, oldest)
			for worker, model := range t.decision.Serve {
				switch {
				case model < 0:
				case model == view.Workers[worker].Model && rows[worker] < most:
					rows[worker]++
				default:
					rows[worker] = 1
				}
			}
			return t.decision
		}
	}
}

// newWindows closes a window every half of the time in which requests are due, and serves what came in it, the oldest window first, model by model.
func newWindows() RequestPolicy {
	var mean time.Duration
	return func(view *RequestView) RequestDecision {
		length := max(view.World.Due/2, 1)
		closed := view.Now / length * length
		t := newTurns(view)
		for model, list := range view.Waiting {
			t.left[model] = 0
			for _, at := range list {
				if at < closed {
					t.left[model]++
				}
			}
		}
		if mean == 0 {
			mean = view.World.mean()
		}
		heads := func(model int) time.Duration { return view.Waiting[model][0] / length }
		first := func(_ *turns, a, b int) bool {
			return heads(a) < heads(b) || heads(a) == heads(b) && a < b
		}
		t.serveResident(func(int) bool { return true })
		t.serveRest(max(joined, int(length/mean)), first) // what one does within a window
		t.decision.Check = closed + length
		return t.decision
	}
}
