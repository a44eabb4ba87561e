package night

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// judge sees that all was done in time, that nothing is lost or double and that no worker is left, and says what the night came to.
func (n *night) judge(ctx context.Context) {
	n.Helper()
	n.say("")
	for _, one := range []struct {
		queue, kind string
		rows        int
		limit       time.Duration
	}{
		{"payments", "p", total(n.arrivals(n.payments, 1)), paymentsWithin}, {"clicks", "c", total(n.arrivals(n.clicks, 2)), clicksWithin},
		{"nightly", "f", n.ordinary * n.times, n.morning - n.file},
	} {
		done := n.check(ctx, one.queue, one.kind, one.rows)
		text := fmt.Sprintf("%-9s %6d rows, each once in the results, done at %s", one.queue, one.rows, shown(done))
		if oldest := n.longest(one.queue); oldest > 0 {
			text += fmt.Sprintf("; none was seen to wait longer than %d min, and they are due after %d", int(oldest.Minutes()), int(one.limit.Minutes()))
		}
		if !n.Failed() {
			n.say(text)
		}
	}
	if at, gone := n.empty(); gone {
		n.say("workers   none from " + shown(at) + " on")
	} else {
		n.Errorf("at %s %d workers still run, want none", shown(n.to), len(n.in.workers()))
	}
	keda := n.keda()
	n.draw(keda)
	n.tellPlan()
	n.tellCosts(keda)
	n.say(fmt.Sprintf("plot      %s, and .png", filepath.Join(n.in.dir, "night.svg")))
}

// longest is how long a row of a queue was seen to wait.
func (n *night) longest(queue string) (longest time.Duration) {
	for _, one := range n.samples {
		longest = max(longest, one.oldest[queue])
	}
	return longest
}

// empty is from when on no worker ran and none was asked for.
func (n *night) empty() (from time.Duration, gone bool) {
	for i := len(n.samples) - 1; i >= 0; i-- {
		if !n.samples[i].empty() {
			break
		}
		from, gone = n.samples[i].at, true
	}
	return from, gone
}

// tellPlan compares what was said of the file when it came with what it came to.
func (n *night) tellPlan() {
	job := n.samples[len(n.samples)-1].told
	if job.State != orchestrator.JobSucceeded {
		return // the check has said so
	}
	n.say(fmt.Sprintf("the file  submitted at %s, its first rows scored by %s", shown(n.of(job.Times[orchestrator.JobQueued])), shown(n.firstScored())))
	n.say(fmt.Sprintf("          said when it came: done at %s for %s; fact: done at %s for %s", n.told(job), amount(job.EstimatedCost), shown(n.of(job.Times[job.State])), amount(job.ActualCost)))
}

// firstScored is when rows of the file were first seen to be done.
func (n *night) firstScored() time.Duration {
	for _, one := range n.samples {
		if one.told.Counts.RowsDone > 0 {
			return one.at
		}
	}
	return n.to
}

func (n *night) told(job api.Job) string {
	if job.EstimatedFinish.IsZero() {
		return "a time that is not known"
	}
	return shown(n.of(job.EstimatedFinish))
}

func amount(money *orchestrator.Money) string {
	if money == nil {
		return "a price that is not known"
	}
	return fmt.Sprintf("%.2f %s", float64(money.Micros)/1e6, money.Currency)
}

// tellCosts compares what was billed with what others had cost.
func (n *night) tellCosts(keda kedaNight) {
	last := n.samples[len(n.samples)-1]
	rows := total(n.arrivals(n.payments, 1)) + total(n.arrivals(n.clicks, 2)) + n.ordinary*n.times
	work := n.hours(float64(rows)/n.pace) * onDemandPrice
	n.say(fmt.Sprintf("spot      %.1f h of replicas; %d workers taken away, of them %d killed at the end of the notice; %d requests refused",
		n.hours(last.ledgers["spot"].Seconds), last.ledgers["spot"].Taken, last.ledgers["spot"].Killed, last.ledgers["spot"].Refused))
	n.say(fmt.Sprintf("on demand %.1f h of replicas", n.hours(last.ledgers["on-demand"].Seconds)))
	n.say(fmt.Sprintf("cost      %7.2f %s as billed", n.cost(last), currency))
	n.say(fmt.Sprintf("          %7.2f the same replicas, all on demand (computed)", n.allOnDemand(last)))
	n.say(fmt.Sprintf("          %7.2f the work alone, on demand, without starts and without a second idle (computed)", work))
	done := "all of it done by the end"
	if !keda.done {
		done = "NOT all of it done by the end"
	}
	n.say(fmt.Sprintf("          %7.2f KEDA-like, on demand, for each worker the lag that it does in half of the limit (simulated on the same arrivals, without kills and restarts: %d starts, %.1f %% of the work late, by %.0f min at most, %s)",
		keda.cost[len(keda.cost)-1], keda.count, 100*keda.late, keda.worst/60, done))
}
