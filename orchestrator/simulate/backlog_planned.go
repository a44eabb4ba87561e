package simulate

import (
	"errors"
	"fmt"
	"math"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/planner"
)

// PlannedFlow lets planner.Compute decide how many workers there are for a flow, told what its documents say: one queue with one pool. The policy remembers, so
// that each run needs its own. The error says what the documents lack.
func (i Installation) PlannedFlow(flow *Flow) (FlowPolicy, error) {
	return i.PlannedFlowWithPeaks(flow, nil)
}

// PlannedFlowWithPeaks is the same where it is known what comes; nil: it is not.
func (i Installation) PlannedFlowWithPeaks(flow *Flow, peaks func(FlowView) []orchestrator.Peak) (FlowPolicy, error) {
	if len(i.Policy.Queues) != 1 || len(i.Policy.Pools) != 1 || len(i.Speeds) != 1 {
		return nil, errors.New("a simulated flow has one queue, one pool, and a model with a profile")
	}
	p := &plannedFlow{peaks: peaks, Installation: i, queue: i.Policy.Queues[0], pool: i.Policy.Pools[0], speed: i.Speeds[0]}
	p.Policy.Interval = flow.Tick
	p.model = orchestrator.ModelRef{Name: p.speed.Model}
	return p.decide, nil
}

// tenMinutes are what the recent rate is of, and the arrivals that are told as one where they are due by the clock.
const tenMinutes = 10 * time.Minute

type plannedFlow struct {
	Installation
	queue   orchestrator.QueuePolicy
	pool    orchestrator.PoolPolicy
	speed   orchestrator.Speed
	model   orchestrator.ModelRef
	peaks   func(FlowView) []orchestrator.Peak // nil: nothing is known to come
	memory  orchestrator.Memory
	names   []string               // of workers, by number
	waiting []orchestrator.Arrival // kept between decisions, as are the workers
	workers []orchestrator.WorkerView
	recent  float64 // what arrived in the last ten minutes, in seconds of one worker
	daily   float64 // likewise, in the last day
}

func (p *plannedFlow) decide(view FlowView) int {
	now := beginning.Add(time.Duration(view.Tick) * view.Flow.Tick)
	plan := planner.Compute(p.observe(view, now), p.Policy, now)
	p.memory = plan.Memory
	return plan.Pools[0].Replicas
}

// observe puts the view in the planner's terms.
func (p *plannedFlow) observe(view FlowView, now time.Time) orchestrator.Observation {
	read := orchestrator.Reading{At: now, Source: "simulation"}
	p.waiting, p.workers = p.waiting[:0], p.workers[:0]
	bundle, bundled := int(tenMinutes/view.Flow.Tick), -1
	for _, lot := range view.Waiting {
		if last := len(p.waiting) - 1; view.Flow.Night != nil && lot.Tick%bundle > 0 && last >= 0 && lot.Tick/bundle == bundled {
			p.waiting[last].Rows += int64(math.Ceil(lot.Work * p.speed.RowsPerSecond))
			continue
		}
		bundled = lot.Tick / bundle
		p.waiting = append(p.waiting, orchestrator.Arrival{At: beginning.Add(time.Duration(lot.Tick) * view.Flow.Tick), Rows: int64(math.Ceil(lot.Work * p.speed.RowsPerSecond))})
	}
	for slot, one := range view.Workers {
		worker := orchestrator.WorkerView{ID: p.name(one.Number), Pool: p.pool.Name, Slot: slot, State: orchestrator.WorkerIdle, Model: p.model, Seen: now}
		switch {
		case one.Ready:
		case one.Loads:
			worker.State = orchestrator.WorkerLoading
		default:
			worker.State, worker.Model, worker.Asked = orchestrator.WorkerStarting, orchestrator.ModelRef{}, beginning.Add(time.Duration(one.Asked)*view.Flow.Tick)
		}
		p.workers = append(p.workers, worker)
	}
	backlog := orchestrator.BacklogView{Tenant: p.queue.Tenant, Queue: p.queue.Name, Model: p.model, Reading: read, Waiting: p.waiting}
	backlog.RecentRate = p.average(&p.recent, view, tenMinutes)
	backlog.DailyRate = p.average(&p.daily, view, 24*time.Hour)
	var peaks []orchestrator.Peak
	if p.peaks != nil {
		peaks = p.peaks(view)
	}
	return orchestrator.Observation{
		Peaks:    peaks,
		Backlogs: []orchestrator.BacklogView{backlog}, Speeds: p.Speeds, Memory: p.memory, Workers: p.workers,
		Pools: []orchestrator.PoolView{{Name: p.pool.Name, Reading: read, Replicas: len(view.Workers)}},
	}
}

// average is how many rows arrived in a second, over so long or since the beginning.
func (p *plannedFlow) average(arrived *float64, view FlowView, over time.Duration) float64 {
	ticks := int(over / view.Flow.Tick)
	if view.Tick == 0 {
		return 0
	}
	*arrived += view.Flow.Arrivals[view.Tick-1]
	if view.Tick > ticks {
		*arrived -= view.Flow.Arrivals[view.Tick-1-ticks]
	}
	return max(*arrived, 0) / (float64(min(view.Tick, ticks)) * view.Flow.Tick.Seconds()) * p.speed.RowsPerSecond
}

func (p *plannedFlow) name(number int) string {
	for len(p.names) <= number {
		p.names = append(p.names, fmt.Sprintf("worker-%05d", len(p.names)))
	}
	return p.names[number]
}
