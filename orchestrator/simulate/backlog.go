package simulate

import (
	"cmp"
	"math"
	"time"
)

// Flow is a world of work that arrives bit by bit and is done in the order of its arrival by however many workers are there.
//
// Time goes in ticks. At the start of a tick the policy sees what has arrived before, what is left of it, and which workers are ready; it says how many
// workers there shall be. More are asked for at once and are ready when they have started and loaded; fewer go at once, those that start first, the
// youngest first. A worker is billed from the tick in which it was asked for to the one in which it goes. Work is fluid: what arrives in a tick arrives evenly over it,
// and a worker that becomes ready within a tick works for the rest of it. Deadlines are looked at to the instant: what is done a moment after its deadline is late.
type Flow struct {
	Tick     time.Duration
	Arrivals []float64     // seconds of one worker that arrive in each tick
	Limit    time.Duration // from the arrival of work until it is due, unless Night says when
	Night    *FlowNight
	Most     int     // workers at a time
	Starts   []Start // of the first worker that is asked for, the second, ...; it begins anew at its end
	Slower   float64 // how many times as long starts take as policies are told; 0: once
	// FirstScored is told for each tick in which work arrives how many seconds after its first arrival that is begun; nil: nobody asks.
	FirstScored func(tick int, after float64)
}

// Start is how long it takes from the request of a worker until it can load, and how long to load, in seconds.
type Start struct{ Start, Load float64 }

// Lot is what is left of the arrivals of one tick.
type Lot struct {
	Tick int
	Work float64 // seconds of one worker
}

// FlowWorker is a worker as a policy sees it.
type FlowWorker struct {
	Number int // from 0, in the order in which they were asked for
	Asked  int // tick
	Loads  bool
	Ready  bool
}

// FlowView is what a policy sees at the start of a tick.
type FlowView struct {
	Flow    *Flow // its future must not be looked at; Arrivals[:Tick] may
	Tick    int
	Waiting []Lot        // oldest first
	Work    float64      // of all that waits
	Workers []FlowWorker // in the order in which they were asked for
	Ready   int
}

// FlowPolicy decides how many workers there shall be, once for each tick, in order. It may remember.
type FlowPolicy func(FlowView) int

// FlowResult is how a stretch of ticks went.
type FlowResult struct {
	Arrived, Served float64 // seconds of one worker
	Billed          float64 // likewise
	Paid            float64 // the same times the price
	Starts          int
	Idle, Starting  float64 // seconds that were billed without work, by workers that were ready and by those that started
	Late            float64 // seconds of work that were done after they were due
	WorstLateness   float64 // seconds
	WorstAge        float64 // seconds from arrival to done
}

// Waste is what was billed beyond what was served, as a share of that.
func (r FlowResult) Waste() float64 { return (r.Billed - r.Served) / r.Served }

// LateShare is the part of the work served that was late.
func (r FlowResult) LateShare() float64 { return r.Late / r.Served }

// RunFlow takes a policy through a world and says how it went from one tick to another.
func RunFlow(flow *Flow, from, to int, policy FlowPolicy) FlowResult {
	run := flowing{flow: flow, tick: flow.Tick.Seconds()}
	for i := range min(to, len(flow.Arrivals)) {
		if i == from {
			run.result = FlowResult{}
		}
		run.step(i, policy)
	}
	run.overdue(float64(min(to, len(flow.Arrivals))) * run.tick)
	return run.result
}

// overdue counts as late what was due before the end and has not been done: nobody who does nothing is in time.
func (f *flowing) overdue(end float64) {
	for _, one := range f.waiting {
		first := f.tick * (float64(one.Tick) + 1 - one.Work/f.flow.Arrivals[one.Tick])
		if late := end - f.flow.due(one.Tick, first); late > 0 {
			f.result.Late += one.Work
			f.result.WorstLateness = max(f.result.WorstLateness, late)
		}
	}
}

// flowing is the state of a run.
type flowing struct {
	flow    *Flow
	tick    float64 // seconds
	waiting []Lot
	work    float64
	workers []FlowWorker
	times   []Start // when each is past its start, and when it is ready, in seconds since the beginning
	asked   int
	result  FlowResult
}

func (f *flowing) step(i int, policy FlowPolicy) {
	now := float64(i) * f.tick
	ready := 0
	for k := range f.workers {
		f.workers[k].Loads, f.workers[k].Ready = f.times[k].Start <= now, f.times[k].Load <= now
		if f.workers[k].Ready {
			ready++
		}
	}
	wanted := policy(FlowView{Flow: f.flow, Tick: i, Waiting: f.waiting, Work: f.work, Workers: f.workers, Ready: ready})
	f.resize(i, min(max(wanted, 0), f.flow.Most))
	f.serve(i, f.bill(i, now))
}

// resize lets workers go, those that start first, the youngest first, or asks for more.
func (f *flowing) resize(i, wanted int) {
	for _, ready := range []bool{false, true} {
		for k := len(f.workers) - 1; k >= 0 && len(f.workers) > wanted; k-- {
			if f.workers[k].Ready == ready {
				f.workers = append(f.workers[:k], f.workers[k+1:]...)
				f.times = append(f.times[:k], f.times[k+1:]...)
			}
		}
	}
	for len(f.workers) < wanted {
		one := f.flow.Starts[f.asked%len(f.flow.Starts)]
		begin := float64(i)*f.tick + one.Start*cmp.Or(f.flow.Slower, 1)
		f.workers = append(f.workers, FlowWorker{Number: f.asked, Asked: i})
		f.times = append(f.times, Start{begin, begin + one.Load*cmp.Or(f.flow.Slower, 1)})
		f.asked++
		f.result.Starts++
	}
}

// bill adds what the workers cost in a tick and gives how much work they can do.
func (f *flowing) bill(i int, now float64) (capacity float64) {
	for _, one := range f.times {
		capacity += min(max(now+f.tick-one.Load, 0), f.tick)
	}
	all := f.tick * float64(len(f.workers))
	f.result.Starting += all - capacity
	f.result.Billed += all
	f.result.Paid += all * f.flow.price(i)
	return capacity
}

// serve lets what arrives in the tick arrive, and does as much as there is capacity for, the oldest first.
func (f *flowing) serve(i int, capacity float64) {
	now := float64(i) * f.tick
	arrives := f.flow.Arrivals[i]
	f.result.Arrived += arrives
	if arrives > 0 {
		f.waiting = append(f.waiting, Lot{i, arrives})
		f.work += arrives
	}
	done := 0.0
	for len(f.waiting) > 0 && done < capacity {
		head := &f.waiting[0]
		part := min(head.Work, capacity-done)
		f.look(*head, part, now+f.tick*done/capacity, now+f.tick*(done+part)/capacity)
		done += part
		if head.Work -= part; head.Work > 1e-9 {
			break
		}
		f.waiting = f.waiting[1:]
	}
	f.work = max(f.work-done, 0)
	if len(f.waiting) == 0 {
		f.work = 0
	}
	f.result.Served += done
	f.result.Idle += capacity - done
}

// look records by how much a part of a lot was late, whose work was done evenly from one time to another.
func (f *flowing) look(lot Lot, part, begin, end float64) {
	all := f.flow.Arrivals[lot.Tick]
	first := f.tick * (float64(lot.Tick) + 1 - lot.Work/all) // arrival of the first of it
	last := first + f.tick*part/all
	if f.flow.FirstScored != nil && lot.Work == all {
		f.flow.FirstScored(lot.Tick, max(begin-first, 0))
	}
	f.result.WorstAge = max(f.result.WorstAge, begin-first, end-last)
	before, after := begin-f.flow.due(lot.Tick, first), end-f.flow.due(lot.Tick, last)
	f.result.WorstLateness = max(f.result.WorstLateness, before, after)
	switch {
	case before <= 0 && after <= 0:
	case before > 0 && after > 0:
		f.result.Late += part
	default:
		f.result.Late += part * max(before, after) / math.Abs(after-before)
	}
}
