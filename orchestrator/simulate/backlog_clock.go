package simulate

import (
	"math"
	"time"
)

// FlowNight is an objective and a price by the clock: what arrives before Begins is due at the Ends that comes next after it, and from Begins to Ends an hour of a worker costs Price instead
// of 1. Times are from midnight; a world begins at midnight, has days of 24 hours, and both are whole numbers of ticks.
//
// The tick that ends at Begins still belongs to what is due the next morning, and the one that ends at Ends to the night: what is done at the very deadline is on time. The tick that begins
// at Ends costs 1.
type FlowNight struct {
	Begins, Ends time.Duration // Ends is before Begins
	Price        float64
}

const day = 24 * time.Hour

// within says whether a tick belongs to the night.
func (f *Flow) within(tick int) bool {
	at := time.Duration(tick) * f.Tick % day
	return at >= f.Night.Begins || at < f.Night.Ends
}

// price of a worker in a tick.
func (f *Flow) price(tick int) float64 {
	if f.Night != nil && f.within(tick) {
		return f.Night.Price
	}
	return 1
}

// due is when the work is due that arrives in a tick at a time, in seconds.
func (f *Flow) due(tick int, arrived float64) float64 {
	if f.Night == nil {
		return arrived + f.Limit.Seconds()
	}
	at := time.Duration(tick) * f.Tick
	begins := at - at%day + f.Night.Begins
	if at >= begins {
		begins += day
	}
	return (begins - f.Night.Begins + day + f.Night.Ends).Seconds()
}

// longest is how long work may take at the least: what arrives just before the night.
func (f *Flow) longest() time.Duration {
	if f.Night == nil {
		return f.Limit
	}
	return day - f.Night.Begins + f.Night.Ends
}

// NightBefore is the tick at which the last night begins before a tick, or that itself if there is none before.
func (f *Flow) NightBefore(tick int) int {
	at := time.Duration(tick) * f.Tick
	if begins := at - at%day + f.Night.Begins; begins < at {
		return int(begins / f.Tick)
	}
	if begins := at - at%day - day + f.Night.Begins; begins > 0 {
		return int(begins / f.Tick)
	}
	return tick
}

// Ratio is what was paid over what was served: an hour of a worker costs 1 but for the price of the night.
func (r FlowResult) Ratio() float64 { return r.Paid / r.Served }

// AtNight lets a peer work at night only, as by a schedule: all workers go when the night ends. What it sees and remembers by day stays.
func AtNight(policy FlowPolicy) FlowPolicy {
	return func(v FlowView) int {
		wanted := policy(v)
		if v.Flow.Night != nil && !v.Flow.within(v.Tick) {
			return 0
		}
		return wanted
	}
}

// NightOptimum is the least that an hour of work costs when the whole future is known. Every hour is done by a worker between its request and its release, and no such stretch, whatever its
// length, costs less for what it does than the cheapest one: from the beginning of a night to the end of that or of a later one, with a mean start and without a pause. That bounds
// every course from below; where each night does what is due at its end with a level number of (fractional) workers, that is what it costs.
func NightOptimum(flow *Flow) float64 {
	start := 0.0
	for _, one := range flow.Starts {
		start += (one.Start + one.Load) / float64(len(flow.Starts))
	}
	night := (day - flow.Night.Begins + flow.Night.Ends).Seconds()
	least := min(flow.Night.Price*night+day.Seconds()-night, day.Seconds()) / day.Seconds() // a worker that never goes
	for days := range len(flow.Arrivals) {
		length := night + float64(days)*day.Seconds()
		if length > float64(len(flow.Arrivals))*flow.Tick.Seconds() {
			break
		}
		if length > start {
			least = min(least, (flow.Night.Price*night*float64(days+1)+(day.Seconds()-night)*float64(days))/(length-start))
		}
	}
	return math.Max(least, 0)
}
