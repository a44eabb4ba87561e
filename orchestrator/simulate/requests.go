package simulate

import (
	"slices"
	"time"
)

// RequestWorld is a stream of requests for models, on workers that hold one model each.
type RequestWorld struct {
	Workers int
	Due     time.Duration // after its arrival a request is done, or late
	// Start is how long a worker takes from when it is asked for until it can load, where they come and go, and none is there at first; 0: all are there.
	Start    time.Duration
	Models   []RequestModel
	Requests []Request // by arrival
}

// RequestModel is a model and how long a worker loads it.
type RequestModel struct {
	Name string
	Load time.Duration
}

// Request is for a model. How long its execution takes, nobody knows before it is over.
type Request struct {
	Arrival time.Duration // from the beginning
	Model   int
	Work    time.Duration
}

// Work is how long all executions take.
func (w *RequestWorld) Work() (sum time.Duration) {
	for _, one := range w.Requests {
		sum += one.Work
	}
	return sum
}

// mean is how long a request takes on average.
func (w *RequestWorld) mean() time.Duration {
	return max(1, w.Work()/time.Duration(max(1, len(w.Requests))))
}

// profiled is how many requests of a model its profile rests on as much as on those of all models.
const profiled = 30

// Profile is how long a request of each model takes on average, as a profile that was measured before would say. A few requests alone say little.
func (w *RequestWorld) Profile() []time.Duration {
	all := w.mean().Seconds()
	sums, counts := make([]float64, len(w.Models)), make([]float64, len(w.Models))
	for _, one := range w.Requests {
		sums[one.Model] += one.Work.Seconds()
		counts[one.Model]++
	}
	means := make([]time.Duration, len(w.Models))
	for i := range means {
		means[i] = ofSeconds((sums[i] + profiled*all) / (counts[i] + profiled))
	}
	return means
}

// RequestView is what a policy sees when a request has come or is done, or when it asked to be asked again.
type RequestView struct {
	World   *RequestWorld // its requests must not be looked at
	Now     time.Duration
	Waiting [][]time.Duration // for each model, when those came that wait, oldest first
	Arrived []int             // for each model, how many have come
	Workers []RequestWorker
}

// RequestWorker is a worker.
type RequestWorker struct {
	Model    int // that it holds or loads; -1: none
	Busy     bool
	Loading  bool          // likewise, not serving yet
	Away     bool          // it has not been asked for
	Starting bool          // it has been, and cannot load yet
	Asked    time.Duration // when
	Since    time.Duration // when it became what it is
	until    time.Duration // it is busy
	loaded   time.Duration // it has the model
}

// RequestDecision is for each worker the model whose oldest request it shall serve if it is idle; -1: it waits.
type RequestDecision struct {
	Serve []int
	Check time.Duration // when to ask again at the latest; 0: when something happens
	// Within is for each worker the age up to which a request comes before older ones; 0, or none given: the oldest comes first.
	Within []time.Duration
	// Stay says for each worker that it shall be there; one that has something to do ends it first. Empty: nothing changes.
	Stay []bool
}

// RequestPolicy decides. It may remember what it saw.
type RequestPolicy func(*RequestView) RequestDecision

// RequestResult is how it went.
type RequestResult struct {
	Busy, Work time.Duration // loads and executions; executions
	Loads      int
	Billed     time.Duration // from when workers are asked for until they go, where they come and go
	Starts     int
	Late       int
	Longest    time.Duration // from arrival to end
	Decisions  int
	Unserved   int // because the policy left them for ever; late too
}

// requestRun is the state of a run.
type requestRun struct {
	world   *RequestWorld
	policy  RequestPolicy
	view    RequestView
	waiting [][]int // requests by model
	result  RequestResult
	next    int // request that comes next
	open    int // requests that are not done
}

// RunRequests takes all requests to their end. A worker that serves is not interrupted.
func RunRequests(world *RequestWorld, policy RequestPolicy) RequestResult {
	run := requestRun{world: world, policy: policy, waiting: make([][]int, len(world.Models)), open: len(world.Requests)}
	run.view = RequestView{
		World: world, Waiting: make([][]time.Duration, len(world.Models)), Arrived: make([]int, len(world.Models)), Workers: make([]RequestWorker, world.Workers),
	}
	for i := range run.view.Workers {
		run.view.Workers[i] = RequestWorker{Model: -1, Away: world.Start > 0}
	}
	check := time.Duration(0)
	for run.open > 0 {
		at := run.soonest(check)
		if at < 0 {
			break // the policy leaves requests for ever
		}
		run.come(at)
		decision := run.policy(&run.view)
		run.result.Decisions++
		run.resize(decision.Stay)
		run.start(decision)
		check = decision.Check
	}
	if world.Start > 0 {
		run.resize(make([]bool, world.Workers))
	}
	run.result.Unserved = run.open
	run.result.Late += run.open
	run.result.Work = world.Work()
	return run.result
}

// soonest is when something happens next; -1: never.
func (r *requestRun) soonest(check time.Duration) time.Duration {
	at := time.Duration(-1)
	offer := func(other time.Duration) {
		if at < 0 || other < at {
			at = other
		}
	}
	if r.next < len(r.world.Requests) {
		offer(r.world.Requests[r.next].Arrival)
	}
	for _, one := range r.view.Workers {
		if one.Busy || one.Starting {
			offer(one.until)
		}
	}
	if check > r.view.Now && r.free() {
		offer(check)
	}
	return at
}

// free says that a worker could serve what waits, or be asked for.
func (r *requestRun) free() bool {
	for _, one := range r.view.Workers {
		if !one.Busy && !one.Starting {
			return true
		}
	}
	return false
}

// come lets everything happen that happens until then.
func (r *requestRun) come(at time.Duration) {
	r.view.Now = at
	for ; r.next < len(r.world.Requests) && r.world.Requests[r.next].Arrival <= at; r.next++ {
		one := r.world.Requests[r.next]
		r.view.Arrived[one.Model]++
		r.waiting[one.Model] = append(r.waiting[one.Model], r.next)
		r.view.Waiting[one.Model] = append(r.view.Waiting[one.Model], one.Arrival)
	}
	for i := range r.view.Workers {
		one := &r.view.Workers[i]
		if one.Starting && one.until <= at {
			one.Starting, one.Since = false, one.until
		}
		if one.Busy && one.until <= at {
			one.Busy, one.Loading, one.Since = false, false, one.until
			r.open--
		} else if one.Loading && one.loaded <= at {
			one.Loading, one.Since = false, one.loaded
		}
	}
}

// resize lets workers go that shall not stay and have nothing to do, and asks for those that shall.
func (r *requestRun) resize(stay []bool) {
	for i, stays := range stay {
		one := &r.view.Workers[i]
		switch {
		case stays && one.Away:
			*one = RequestWorker{Model: -1, Starting: true, Asked: r.view.Now, until: r.view.Now + r.world.Start}
			r.result.Starts++
		case !stays && !one.Away && !one.Busy:
			r.result.Billed += r.view.Now - one.Asked
			*one = RequestWorker{Model: -1, Away: true}
		}
	}
}

// idle says that the worker can serve.
func (w *RequestWorker) idle() bool { return !w.Busy && !w.Away && !w.Starting }

// start lets idle workers serve what was decided.
func (r *requestRun) start(decision RequestDecision) {
	for i, model := range decision.Serve {
		one := &r.view.Workers[i]
		if model < 0 || !one.idle() || len(r.waiting[model]) == 0 {
			continue
		}
		at := 0
		if len(decision.Within) > i && decision.Within[i] > 0 {
			at = r.oldestWithin(model, decision.Within[i])
		}
		request := r.world.Requests[r.waiting[model][at]]
		r.waiting[model], r.view.Waiting[model] = without(r.waiting[model], at), without(r.view.Waiting[model], at)
		r.serve(one, model, request)
	}
}

// oldestWithin is the first of the waiting requests that is no older; all are older: the first of them.
func (r *requestRun) oldestWithin(model int, age time.Duration) int {
	at, _ := slices.BinarySearch(r.view.Waiting[model], r.view.Now-age)
	if at == len(r.view.Waiting[model]) {
		return 0
	}
	return at
}

// without takes one of the list away; the first costs nothing.
func without[T any](list []T, at int) []T {
	if at == 0 {
		return list[1:]
	}
	return slices.Delete(list, at, at+1)
}

// serve lets a worker load the model, unless it has it, and execute the request.
func (r *requestRun) serve(one *RequestWorker, model int, request Request) {
	load := time.Duration(0)
	if one.Model != model {
		load = r.world.Models[model].Load
		r.result.Loads++
	}
	loaded := r.view.Now + load
	*one = RequestWorker{Model: model, Asked: one.Asked, Busy: true, Loading: load > 0, Since: r.view.Now, loaded: loaded, until: loaded + request.Work}
	r.result.Busy += load + request.Work
	took := one.until - request.Arrival
	r.result.Longest = max(r.result.Longest, took)
	if took > r.world.Due {
		r.result.Late++
	}
}
