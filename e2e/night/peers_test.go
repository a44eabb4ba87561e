package night

import (
	"time"

	"nightshift.dev/nightshift/orchestrator/simulate"
)

// kedaTick is the step of the simulated night, the shorter of the two clocks of KEDA and the HPA.
const kedaTick = 15 * time.Second

// kedaNight is the same night with two deployments that KEDA sizes by their lag: one for both streams, which have one model and the shorter limit of both then, and one for the
// file. It is simulated, in the night's time, with the arrivals of the scenario, the
// speed that a worker has, and the starts and loads of the documents. All its replicas are on demand: a scaler sizes one deployment.
type kedaNight struct {
	cost  []float64 // up to the end of each tick
	late  float64   // share of the work, of all together
	worst float64   // seconds that the last of it was late
	done  bool      // all work was done by the morning
	count int       // starts
}

// keda lets a worker of each deployment have what it does in half of the limit, and lets none go for the five minutes that are the default.
func (n *night) keda() kedaNight {
	row := n.speed / n.pace // seconds of the night
	ticks := int((n.to - n.from) / kedaTick)
	result := kedaNight{cost: make([]float64, ticks), done: true}
	late, work := 0.0, 0.0
	streams := n.arrivals(n.payments, 1)
	for minute, rows := range n.arrivals(n.clicks, 2) {
		streams[minute] += rows
	}
	for _, deployment := range []struct {
		limit    time.Duration
		arrivals []float64
	}{
		{min(paymentsWithin, clicksWithin), spread(streams, row, ticks)},
		{n.due - n.file, once(int((n.file-n.from)/kedaTick), float64(n.ordinary*n.times)*row, ticks)},
	} {
		flow := &simulate.Flow{
			Tick: kedaTick, Arrivals: deployment.arrivals, Limit: deployment.limit, Most: 2 * n.width, Starts: []simulate.Start{{Start: startTime.Seconds() * n.speed, Load: loadTime.Seconds() * n.speed}},
		}
		var keda simulate.FlowPolicy
		for _, peer := range simulate.FlowPeers() {
			if peer.Name == "keda" {
				keda = peer.New(simulate.FlowSetting{Lag: deployment.limit.Seconds() / 2, Wait: 300})
			}
		}
		went := simulate.RunFlow(flow, 0, ticks, func(view simulate.FlowView) int {
			count := min(keda(view), flow.Most)
			result.cost[view.Tick] += float64(count) * kedaTick.Hours() * onDemandPrice
			return count
		})
		late, work = late+went.Late, work+went.Arrived
		result.worst = max(result.worst, went.WorstLateness)
		result.count += went.Starts
		result.done = result.done && went.Served > went.Arrived-1e-6
	}
	for i := 1; i < ticks; i++ {
		result.cost[i] += result.cost[i-1]
	}
	result.late = late / work
	return result
}

// spread is the work of rows that arrive in each minute, by tick.
func spread(rows []int, seconds float64, ticks int) []float64 {
	work := make([]float64, ticks)
	each := int(time.Minute / kedaTick)
	for i := range min(len(rows)*each, ticks) {
		work[i] = float64(rows[i/each]) * seconds / float64(each)
	}
	return work
}

// once is work that arrives in one tick.
func once(at int, seconds float64, ticks int) []float64 {
	work := make([]float64, ticks)
	work[at] = seconds
	return work
}
