package simulate

// What a policy may be late to be compared with others: a share of the work, and the worst, in ticks.
const (
	MostLateShare = 1e-4
	MostLateTicks = 2
)

// OnTime says whether a result may be compared with others.
func (r FlowResult) OnTime(flow *Flow) bool {
	return r.LateShare() <= MostLateShare && r.WorstLateness <= MostLateTicks*flow.Tick.Seconds()
}

// Tuned is what came of one setting in the grid.
type Tuned struct {
	FlowSetting
	Result FlowResult `json:"-"`
	Waste  float64    `json:"waste"`
	Ratio  float64    `json:"ratio"`
	OnTime bool       `json:"on_time"`
}

// Policy is the peer with a setting, at night only where there is a night.
func (p FlowPeer) Policy(flow *Flow, setting FlowSetting) FlowPolicy {
	if flow.Night != nil {
		return AtNight(p.New(setting))
	}
	return p.New(setting)
}

// Tune takes a peer through the first ticks of a world with every setting of its grid, and gives the one of least waste among those on time, or else the one that is least late.
func Tune(peer FlowPeer, flow *Flow, ticks int) (best Tuned, grid []Tuned) {
	limit := flow.longest().Seconds()
	for _, lag := range FlowLags {
		for _, wait := range peer.Waits {
			setting := FlowSetting{lag * limit, wait}
			result := RunFlow(flow, 0, ticks, peer.Policy(flow, setting))
			one := Tuned{setting, result, result.Waste(), result.Ratio(), result.OnTime(flow)}
			grid = append(grid, one)
			if len(grid) == 1 || one.better(best) {
				best = one
			}
		}
	}
	return best, grid
}

func (t Tuned) better(than Tuned) bool {
	switch {
	case t.OnTime != than.OnTime:
		return t.OnTime
	case t.OnTime:
		return t.Ratio < than.Ratio
	}
	return t.Result.Late < than.Result.Late
}
