package main

import (
	"fmt"
	"strconv"
	"time"

	"nightshift.dev/nightshift/orchestrator/simulate"
)

// backlogCell is one cell: a flow and an objective.
type backlogCell struct {
	cell, arrivals string
	documents      string
	flow           simulate.Flow // as it is judged
	tuned          simulate.Flow // as it is tuned: starts take as long as declared
	planned        func(*simulate.Flow) (simulate.FlowPolicy, error)
	ours           replayRow
	peers          []replayRow // tuned, in the order of FlowPeers
	defaults       []replayRow
	grid           []gridRow
	curves         []curveRow
	grids          [][]gridRow  // by peer
	curve          [][]curveRow // by policy, ours first
	installation   func(limit time.Duration) (simulate.Installation, string, error)
}

func (b *backlogReplay) replay(from namedFlow, i int) (*backlogCell, error) {
	objective, limit := b.objectives[i], b.limits[i]
	installation, documents, err := b.installation(i)
	if err != nil {
		return nil, err
	}
	one := &backlogCell{cell: from.name + "/" + objective, arrivals: from.name, documents: documents, flow: from.flow, planned: installation.PlannedFlow, installation: b.flowInstallation}
	one.flow.Limit = limit
	if limit == 0 {
		one.flow.Night = &simulate.FlowNight{Begins: nightBegins, Ends: b.ends[i], Price: b.nightPrice}
	}
	one.tuned = one.flow
	one.flow.Slower = b.slower
	return one, nil
}

const hour = 3600 // seconds

// halves are the ticks that are tuned on, and all. Where there is a night both end when one begins, so that whole nights are judged: one of which only the starts were seen, or all but them,
// would count for more than it is.
func (r *backlogCell) halves() (half, all int) {
	half, all = len(r.flow.Arrivals)/2, len(r.flow.Arrivals)
	if r.flow.Night != nil {
		half, all = r.flow.NightBefore(half), r.flow.NightBefore(all)
	}
	return half, all
}

// tasks are all runs of the cell, each on its own.
func (r *backlogCell) tasks(curves bool) []func() error {
	peers := simulate.FlowPeers()
	r.peers, r.defaults, r.grids = make([]replayRow, len(peers)), make([]replayRow, len(peers)), make([][]gridRow, len(peers))
	r.curve = make([][]curveRow, 1+len(peers))
	half, all := r.halves()
	tasks := []func() error{func() error {
		policy, err := r.planned(&r.flow)
		if err != nil {
			return err
		}
		r.ours = r.row(ours, nil, simulate.RunFlow(&r.flow, half, all, policy))
		return nil
	}}
	if curves {
		tasks = append(tasks, r.ourCurve)
	}
	for i, peer := range peers {
		tasks = append(tasks, func() error {
			best, grid := simulate.Tune(peer, &r.tuned, half)
			for _, one := range grid {
				r.grids[i] = append(r.grids[i], gridRow{r.cell, peer.Name, one})
			}
			r.peers[i] = r.row(peer.Name, &best.FlowSetting, simulate.RunFlow(&r.flow, half, all, peer.Policy(&r.flow, best.FlowSetting)))
			r.defaults[i] = r.row(peer.Name+" by default", &peer.Default, simulate.RunFlow(&r.flow, half, all, peer.Policy(&r.flow, peer.Default)))
			if curves {
				r.peerCurve(1+i, peer, best.Wait)
			}
			return nil
		})
	}
	return tasks
}

// curveLimits are the objectives of our curve.
var curveLimits = []time.Duration{10 * time.Minute, 15 * time.Minute, 20 * time.Minute, 30 * time.Minute, 45 * time.Minute, time.Hour, 90 * time.Minute, 2 * time.Hour}

func (r *backlogCell) ourCurve() error {
	half, all := r.halves()
	for _, limit := range curveLimits {
		flow := r.flow
		flow.Limit = limit
		installation, _, err := r.installation(limit)
		if err != nil {
			return err
		}
		policy, err := installation.PlannedFlow(&flow)
		if err != nil {
			return err
		}
		r.addCurve(0, ours, simulate.RunFlow(&flow, half, all, policy))
	}
	return nil
}

func (r *backlogCell) peerCurve(at int, peer simulate.FlowPeer, wait float64) {
	half, all := r.halves()
	for _, limit := range curveLimits {
		setting := simulate.FlowSetting{Lag: .7 * limit.Seconds(), Wait: wait}
		r.addCurve(at, peer.Name, simulate.RunFlow(&r.flow, half, all, peer.New(setting)))
	}
}

func (r *backlogCell) addCurve(at int, policy string, result simulate.FlowResult) {
	r.curve[at] = append(r.curve[at], curveRow{r.arrivals, policy, result.WorstAge, 100 * result.Waste()})
}

func (r *backlogCell) row(policy string, setting *simulate.FlowSetting, result simulate.FlowResult) replayRow {
	return replayRow{
		Cell: r.cell, Policy: policy, Setting: setting, Cost: result.Paid / hour, Ratio: result.Ratio(), Waste: 100 * result.Waste(), Idle: 100 * result.Idle / result.Served,
		Starts: result.Starts, Late: result.LateShare(), WorstLat: result.WorstLateness, WorstAge: result.WorstAge, OnTime: result.OnTime(&r.flow),
	}
}

// rows are the optimum, ours and the tuned peers.
func (r *backlogCell) rows() []replayRow {
	half, all := r.halves()
	arrived := 0.0
	for _, work := range r.flow.Arrivals[half:all] {
		arrived += work
	}
	least := replayRow{Cell: r.cell, Policy: "optimum", OnTime: true}
	if r.flow.Night != nil {
		least.Ratio = simulate.NightOptimum(&r.flow)
	} else {
		waste := simulate.FlowOptimum(&r.flow, half, all)
		least.Ratio, least.Waste = 1+waste, 100*waste
	}
	least.Cost = arrived / hour * least.Ratio
	for _, grid := range r.grids {
		r.grid = append(r.grid, grid...)
	}
	for _, curve := range r.curve {
		r.curves = append(r.curves, curve...)
	}
	rows := append([]replayRow{least, r.ours}, r.peers...)
	for i := range rows {
		rows[i].Optimum = least.Cost
	}
	for i := range r.defaults {
		r.defaults[i].Optimum = least.Cost
	}
	return rows
}

func (r *replayReport) print(out screen) error {
	fmt.Fprintf(out, "%s, scaled to a mean of %g workers, starts of %s s and loads of %s s (median, 0.95 quantile), seed %d; decisions every %g s.\n", r.Arrivals, r.MeanWorkers, r.Start, r.Load, r.Seed, r.TickSeconds)
	fmt.Fprintf(out, "The first %.3g days are tuned on, the other %.3g are judged; starts take %g times as long then. Compared is who is late by no more than a share of %g and %g s.\n", r.TunedDays, r.JudgedDays, r.Slower,
		r.MostLate, r.MostLateTime)
	fmt.Fprintf(out, "nightshift is configured by these documents (in other cells only finishWithin differs):\n\n%s\n", r.Documents[0])
	list := [][]cell{cells("CELL", "POLICY", "LAG", "WAIT", "BILLED", "RATIO", "WASTE %", "IDLE %", "STARTS", "LATE", "WORST", "OLDEST", "ON TIME")}
	for _, row := range r.Rows {
		lag, wait := "", ""
		if row.Setting != nil {
			lag, wait = fmt.Sprintf("%.0f s", row.Setting.Lag), fmt.Sprintf("%.0f s", row.Setting.Wait)
		}
		list = append(list, cells(row.Cell, row.Policy, lag, wait, fmt.Sprintf("%.1f h", row.Cost), fmt.Sprintf("%.5f", row.Ratio), fmt.Sprintf("%.3f", row.Waste), fmt.Sprintf("%.3f", row.Idle), strconv.Itoa(row.Starts),
			fmt.Sprintf("%.6f", row.Late), fmt.Sprintf("%.0f s", row.WorstLat), fmt.Sprintf("%.0f s", row.WorstAge), strconv.FormatBool(row.OnTime)))
	}
	if err := out.table(list); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nwhat was tried of each peer on the first half:\n\n")
	list = [][]cell{cells("CELL", "POLICY", "LAG", "WAIT", "RATIO", "WASTE %", "ON TIME")}
	for _, row := range r.Grid {
		list = append(list, cells(row.Cell, row.Policy, fmt.Sprintf("%.0f s", row.Lag), fmt.Sprintf("%.0f s", row.Wait), fmt.Sprintf("%.5f", row.Ratio), fmt.Sprintf("%.3f", 100*row.Waste), strconv.FormatBool(row.OnTime)))
	}
	return out.table(list)
}
