package simulate

import (
	"math"
	"time"
)

// Elastic lets a rule for who serves what run on workers that come and go: as many as what waits asks for, each gone when it was idle for so long.
type Elastic struct {
	Name   string
	Source string
	Serve  func() RequestPolicy
	Wanted func(view *RequestView) int // workers, with those that are busy
	Every  time.Duration               // between two looks at what waits; 0: whenever something happens
	Idle   time.Duration
}

// ElasticPeers are the usual rules for workers of many models that come and go.
func ElasticPeers() []Elastic {
	fixed := func(policy RequestPolicy) func() RequestPolicy { return func() RequestPolicy { return policy } }
	return []Elastic{
		{"job-per-message", "KEDA's ScaledJob: a worker for each request, and it goes when it is done", fixed(firstCome), oneEach, 0, 0},
		{"kuberay", "KubeRay's autoscaler: a worker for each request that waits; one that was idle for 60 s goes", fixed(warmFirst), oneEach, 0, time.Minute},
		{"keda", "KEDA and the HPA: a worker for ten requests that wait, looked at every 30 s; one that was idle for 300 s goes", fixed(inTurns(oldest)), tenEach, 30 * time.Second, 5 * time.Minute},
		{"windows", "requests wait for the end of a window of half the time in which they are due; as many workers as do them in as long; one that was idle for 60 s goes",
			newWindows, windowsWanted, 0, time.Minute},
	}
}

// New is the policy.
func (e Elastic) New() RequestPolicy {
	serve, looked, wanted := e.Serve(), time.Duration(-1), 0
	return func(view *RequestView) RequestDecision {
		decision := e.serve(view, serve)
		if looked < 0 || view.Now >= looked+e.Every {
			looked, wanted = view.Now, e.Wanted(view)
		}
		e.resize(view, &decision, wanted)
		if next := looked + e.Every; e.Every > 0 && (decision.Check <= view.Now || next < decision.Check) {
			decision.Check = next
		}
		return decision
	}
}

// serve asks the rule about the workers that are there.
func (e Elastic) serve(view *RequestView, serve RequestPolicy) RequestDecision {
	part, there := *view, make([]int, 0, len(view.Workers))
	part.Workers = nil
	for i, one := range view.Workers {
		if !one.Away && !one.Starting {
			part.Workers, there = append(part.Workers, one), append(there, i)
		}
	}
	decision := RequestDecision{Serve: make([]int, len(view.Workers)), Stay: make([]bool, len(view.Workers))}
	for i := range decision.Serve {
		decision.Serve[i] = -1
	}
	inner := serve(&part)
	for at, model := range inner.Serve {
		decision.Serve[there[at]] = model
	}
	decision.Check = inner.Check
	return decision
}

// resize keeps who works, starts or was not idle for long, and asks for as many more as lack.
func (e Elastic) resize(view *RequestView, decision *RequestDecision, wanted int) {
	there := 0
	for i, one := range view.Workers {
		idle := one.idle() && decision.Serve[i] < 0
		if one.Away || idle && view.Now-one.Since >= e.Idle {
			continue
		}
		decision.Stay[i] = true
		there++
		if until := one.Since + e.Idle; idle && (decision.Check <= view.Now || until < decision.Check) {
			decision.Check = until
		}
	}
	for i, one := range view.Workers {
		if one.Away && there < wanted {
			decision.Stay[i] = true
			there++
		}
	}
}

// waiting counts the requests that wait.
func waiting(view *RequestView) (count int) {
	for _, list := range view.Waiting {
		count += len(list)
	}
	return count
}

// oneEach is a worker for each request that waits, beside those that are busy.
func oneEach(view *RequestView) int {
	count := waiting(view)
	for _, one := range view.Workers {
		if one.Busy {
			count++
		}
	}
	return count
}

func tenEach(view *RequestView) int { return (waiting(view) + joined - 1) / joined }

// windowsWanted is how many workers do what came in closed windows within another, loads included, after they have started.
func windowsWanted(view *RequestView) int {
	length := max(view.World.Due/2, 1)
	closed := view.Now / length * length
	work, mean := time.Duration(0), view.World.mean()
	for model, list := range view.Waiting {
		if len(list) > 0 && list[0] < closed {
			work += view.World.Models[model].Load
		}
		for _, at := range list {
			if at < closed {
				work += mean
			}
		}
	}
	left := max(length-view.World.Start, length/4)
	return int((work + left - 1) / left)
}

// LeastBilled is the same of the time for which workers are billed, where they come and go: executions, a bound on loads and on the time in between in which a worker keeps a model. Starts are left out.
//
// Each model is for itself. While a worker has it, once loaded, it is billed for no less than the executions, nor than the time; so for no less than any mean of the
// two, whose weight is chosen for each model. The cheapest plan that is there in every window is found exactly, as in LeastBusy.
func LeastBilled(world *RequestWorld) time.Duration {
	b, work := newLoadBound(world), make([]float64, len(world.Models))
	for _, one := range world.Requests {
		work[one.Model] += one.Work.Seconds()
	}
	sum := 0.0
	for i := range b.models {
		if b.models[i].after[b.cells] < 0 {
			continue
		}
		best := 0.0
		for weight := 0.0; weight <= 1; weight += heldWeights {
			best = max(best, (1-weight)*work[i]+b.cheapest(&b.models[i], weight*b.cell.Seconds()))
		}
		sum += best
	}
	return ofSeconds(math.Floor(sum))
}

const heldWeights = .125

// cheapest is the least that a model pays for its loads and for being held from one cell to the next: the first border costs nothing, since the time on its both sides may
// be short.
func (b *loadBound) cheapest(one *boundModel, price float64) float64 {
	on, entered := math.Inf(1), math.Inf(1)
	b.open()
	for k := range b.cells {
		here := b.before(one.after[k]) + one.load
		stays := min(on+price, entered)
		entered, on = here, stays
		b.close(k, min(here, stays))
	}
	return b.before(one.after[b.cells])
}
