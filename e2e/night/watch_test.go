package night

import (
	"context"
	"fmt"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// unknown stands for a count that nobody could say.
const unknown = -1

// sample is what was seen at one time.
type sample struct {
	at      time.Duration
	waiting map[string]int64               // rows that wait or are in flight, by queue; unknown while nobody says
	oldest  map[string]time.Duration       // how long the oldest of them has waited, in the night's time
	running map[string]int                 // workers whose process runs, by pool
	planned map[string]int                 // workers that the plan asks for
	ledgers map[string]orchestrator.Ledger // of the pools
	told    api.Job                        // the nightly file, as the service tells it
}

// watch looks once a real second until the night is over.
func (n *night) watch(ctx context.Context) error {
	defer close(n.ended)
	var last sample
	for at := n.at(n.from); n.of(at) < n.to; at = at.Add(time.Second) {
		if err := pause(ctx, time.Until(at)); err != nil {
			return err
		}
		last = n.look(last)
		n.samples = append(n.samples, last)
		n.say(n.line(last))
		if n.early && n.nothingLeft(last) {
			break
		}
	}
	return nil
}

// nothingLeft says that all that came is done, and all who did it have gone.
func (n *night) nothingLeft(s sample) bool {
	if s.at < n.closing || !s.told.State.Final() || s.waiting["payments"] != 0 || s.waiting["clicks"] != 0 || !s.empty() {
		return false
	}
	answer, err := request[api.ListResponse](n.in, "jobs.list", api.ListRequest{})
	return err == nil && !slices.ContainsFunc(answer.Jobs, func(job api.Job) bool { return !job.State.Final() })
}

// empty says that no worker runs and none is asked for.
func (s sample) empty() bool {
	return len(s.running) == 0 && s.planned["spot"]+s.planned["on-demand"] == 0
}

// look asks everybody. What the service does not say now is as it was, but for backlogs: they are unknown.
func (n *night) look(last sample) sample {
	now := sample{
		at: n.of(time.Now()), waiting: map[string]int64{"payments": unknown, "clicks": unknown, "nightly": last.waiting["nightly"]}, oldest: map[string]time.Duration{},
		running: map[string]int{},
		planned: last.planned, ledgers: last.ledgers, told: last.told,
	}
	for _, one := range n.in.workers() {
		now.running[one.Pool]++
	}
	if answer, err := request[api.BacklogsResponse](n.in, "backlogs", api.BacklogsRequest{}); err == nil {
		for _, one := range answer.Backlogs {
			if one.Err == "" {
				now.waiting[one.Queue] = one.Pending + max(one.InFlight, 0)
				if !one.Oldest.IsZero() {
					now.oldest[one.Queue] = now.at - n.of(one.Oldest)
				}
			}
		}
	}
	if answer, err := request[api.ExplainResponse](n.in, "explain", api.ExplainRequest{}); err == nil {
		now.planned, now.ledgers = map[string]int{}, map[string]orchestrator.Ledger{}
		for _, one := range answer.Pools {
			now.planned[one.Name], now.ledgers[one.Name] = one.Replicas, one.Ledger
		}
	}
	if answer, err := request[api.ListResponse](n.in, "jobs.list", api.ListRequest{Queue: "nightly"}); err == nil && len(answer.Jobs) > 0 {
		now.told = answer.Jobs[0]
		now.waiting["nightly"] = int64(n.ordinary*n.times) - now.told.Counts.RowsDone - now.told.Counts.RowsFailed
	}
	return now
}

// line is what the terminal shows of a second.
func (n *night) line(s sample) string {
	count := func(rows int64) string {
		if rows == unknown {
			return "-"
		}
		return fmt.Sprint(rows)
	}
	line := fmt.Sprintf("%s  waiting: %6s payments %6s clicks %6s of the file   workers: %d of %d spot, %d of %d on demand   %7.2f %s", shown(s.at),
		count(s.waiting["payments"]), count(s.waiting["clicks"]), count(s.waiting["nightly"]), s.running["spot"], s.planned["spot"], s.running["on-demand"], s.planned["on-demand"],
		n.cost(s), currency)
	switch finish := s.told.ExpectedFinish; {
	case s.told.State.Final():
		line += "   the file was done at " + shown(n.of(s.told.Times[s.told.State]))
	case !finish.IsZero():
		line += "   the file is expected to be done at " + shown(n.of(finish))
	}
	return line
}

// cost is what was billed, in the night's money.
func (n *night) cost(s sample) float64 {
	return n.hours(s.ledgers["spot"].Seconds)*spotPrice + n.hours(s.ledgers["on-demand"].Seconds)*onDemandPrice
}

// allOnDemand is what the same replicas had cost on demand.
func (n *night) allOnDemand(s sample) float64 {
	return n.hours(s.ledgers["spot"].Seconds+s.ledgers["on-demand"].Seconds) * onDemandPrice
}

// hours is how many hours of the night some real seconds are.
func (n *night) hours(seconds float64) float64 { return seconds * n.speed / 3600 }
