package simulate

import "math"

// FlowPeer is a published way to size a pool by its backlog, with what is tuned of it.
type FlowPeer struct {
	Name    string
	Source  string
	Default FlowSetting
	Waits   []float64 // seconds that are tried in the grid
	New     func(FlowSetting) FlowPolicy
}

// FlowSetting is what is tuned of a peer: the backlog of each worker, in seconds of work, and how long it waits before it lets workers go.
type FlowSetting struct {
	Lag  float64 `json:"lag_seconds"`
	Wait float64 `json:"wait_seconds"`
}

// FlowPeers are the published autoscalers of queues. What they do by default depends on what one calls an item: here a second of work.
func FlowPeers() []FlowPeer {
	return []FlowPeer{
		{"keda", "KEDA and the HPA: polls every 30 s, syncs every 15 s, a tolerance of a tenth, at most twice as many or four more per sync, a stabilisation window; to zero after 300 s",
			FlowSetting{10, 300}, []float64{0, 60, 300, 900}, newKEDA},
		{"knative", "Knative's KPA: means over a stable window; panics when those over 6 s ask for twice as many, and lets none go for the length of the window then",
			FlowSetting{70, 60}, []float64{60, 300}, newKnative},
		{"kuberay", "KubeRay's autoscaler: workers for all that is pending; one that was idle for so long goes", FlowSetting{1, 60}, []float64{10, 60, 300}, newKubeRay},
	}
}

// FlowLags are the shares of the limit that are tried as the backlog of each worker.
var FlowLags = []float64{.1, .2, .3, .4, .5, .6, .7, .8, .9, 1, 1.15, 1.3}

// window keeps the values of some last ticks.
type window struct {
	values []float64
	at     int
}

func newWindow(seconds, tick float64) *window {
	return &window{values: make([]float64, max(int(seconds/tick), 1))}
}

func (w *window) add(value float64) {
	w.values[w.at%len(w.values)] = value
	w.at++
}

func (w *window) seen() []float64 { return w.values[:min(w.at, len(w.values))] }

func (w *window) max() float64 {
	most := 0.0
	for _, value := range w.seen() {
		most = max(most, value)
	}
	return most
}

func (w *window) min() float64 {
	least := math.Inf(1)
	for _, value := range w.seen() {
		least = min(least, value)
	}
	return least
}

func ceil(value float64) int { return int(math.Ceil(value - 1e-9)) }

func newKEDA(setting FlowSetting) FlowPolicy {
	const poll, sync, tolerance, cooldown = 30.0, 15.0, .1, 300.0
	var lag, nextPoll, nextSync, active float64
	var recommended *window
	return func(v FlowView) int {
		tick, count := v.Flow.Tick.Seconds(), len(v.Workers)
		now := float64(v.Tick) * tick
		if recommended == nil {
			recommended = newWindow(setting.Wait, sync)
		}
		if now >= nextPoll {
			lag, nextPoll = v.Work, nextPoll+poll
			if lag > 0 {
				active = now
			}
		}
		if count == 0 { // KEDA itself goes from and to zero
			return min(ceil(lag), 1)
		}
		if now < nextSync {
			return count
		}
		for nextSync <= now {
			nextSync += sync
		}
		wanted := float64(count)
		if ratio := lag / (setting.Lag * float64(count)); math.Abs(ratio-1) > tolerance {
			wanted = math.Ceil(lag/setting.Lag - 1e-9)
		}
		recommended.add(wanted)
		switch {
		case int(wanted) > count:
			return min(int(wanted), max(2*count, count+4))
		case lag == 0 && now-active >= cooldown:
			return 0
		}
		return max(min(int(recommended.max()), count), 1)
	}
}

func newKnative(setting FlowSetting) FlowPolicy {
	var stable *window
	panicUntil, most := 0.0, 0
	return func(v FlowView) int {
		tick, count := v.Flow.Tick.Seconds(), len(v.Workers)
		now := float64(v.Tick) * tick
		if stable == nil {
			stable = newWindow(setting.Wait, tick)
		}
		stable.add(v.Work)
		wanted, urgent := ceil(sum(stable.seen())/float64(len(stable.seen()))/setting.Lag), ceil(v.Work/setting.Lag)
		if urgent >= 2*max(v.Ready, 1) {
			panicUntil = now + setting.Wait
		}
		if now >= panicUntil {
			most = 0
			return max(wanted, (count+1)/2*boolInt(stable.max() > 0)) // at most half of them go at a time
		}
		most = max(most, urgent, wanted, count)
		return most
	}
}

func boolInt(is bool) int {
	if is {
		return 1
	}
	return 0
}

func newKubeRay(setting FlowSetting) FlowPolicy {
	var idle *window
	before, arrived := 0.0, 0.0
	return func(v FlowView) int {
		tick, count := v.Flow.Tick.Seconds(), len(v.Workers)
		if idle == nil {
			idle = newWindow(setting.Wait, tick)
		}
		if v.Tick > 0 {
			arrived = v.Flow.Arrivals[v.Tick-1]
		}
		busy := (before + arrived - v.Work) / tick
		before = v.Work
		idle.add(max(float64(v.Ready)-busy, 0))
		if wanted := ceil(v.Work / setting.Lag); wanted > count {
			return wanted
		}
		return count - int(idle.min()+1e-6)
	}
}
