package main

import (
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/catalog"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/simulate"
)

// rehearsal is a job with a deadline on a spot pool with interruptions and an on-demand pool, and what the documents say of them.
type rehearsal struct {
	job            api.Job
	spot, onDemand document.Pool
	speed          orchestrator.Speed // of the model
	width          int                // most workers at a time
	ledgers        map[string]orchestrator.Ledger
}

// rehearsalReport is what it cost, and what it could have. Costs are in the currency of the pools.
type rehearsalReport struct {
	Job         string                         `json:"job"`
	Trace       string                         `json:"trace"`
	Met         bool                           `json:"deadline_met"`
	Spare       float64                        `json:"spare_seconds"` // until the deadline; below 0: too late
	RowsScored  int64                          `json:"rows_scored"`
	RowsFailed  int64                          `json:"rows_failed"`
	Ledgers     map[string]orchestrator.Ledger `json:"ledgers"` // of the pools, since their first start
	Currency    string                         `json:"currency"`
	Cost        float64                        `json:"cost"`         // as billed
	AllOnDemand float64                        `json:"all_ondemand"` // computed
	Optimum     float64                        `json:"optimum"`      // of the trace that was replayed, had it been known
	Ratio       float64                        `json:"ratio"`        // of the cost to the optimum
	spot        string
	onDemand    string
}

func (p *program) benchRehearsalCommand() *cobra.Command {
	var documents []string
	var format *printFormat
	command := &cobra.Command{
		Use:   "rehearsal JOB",
		Short: "Compare what a job cost on a spot pool with interruptions with all on demand and with the optimum",
		Long: `Rehearsal takes a job that has ended, on a queue with an on-demand pool and a spot pool that replays a trace (interruptions), and compares what both pools were
billed since their first start with two other costs: of on-demand workers alone, and the least that could have been enough, had the trace been known. The
work is the rows by the speed of the model's profile. Jobs before and beside this one are billed, too.`,
		Args: arguments(1, 1, "JOB"), ValidArgsFunction: p.completeJob,
		RunE: func(command *cobra.Command, args []string) error {
			client, err := p.client()
			if err != nil {
				return err
			}
			defer client.close()
			return p.runBench(command, format, "", func() (benchReport, error) {
				set, err := catalog.Read(documents)
				if err != nil {
					return nil, err
				}
				job, err := client.job(command.Context(), args[0])
				if err != nil {
					return nil, err
				}
				explained, err := request[api.ExplainResponse](command.Context(), client, "explain", api.ExplainRequest{})
				if err != nil {
					return nil, err
				}
				one, err := rehearsalOf(set, job, explained.Pools)
				if err != nil {
					return nil, err
				}
				return one.report()
			})
		},
	}
	command.Flags().StringSliceVarP(&documents, "file", "f", []string{"nightshift.yaml"}, "documents: files or folders of *.yaml, those that the service was started with")
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

// rehearsalOf puts together what is known of a job; the error says what is missing.
func rehearsalOf(set document.Set, job api.Job, pools []orchestrator.PoolPlan) (*rehearsal, error) {
	queue, found := set.Queue(job.Queue)
	switch {
	case !found:
		return nil, fmt.Errorf("the documents have no queue %q, which job %s belongs to", job.Queue, job.ID)
	case !job.State.Final():
		return nil, fmt.Errorf("job %s is %s; allowed: a job that has ended", job.ID, words(job.State))
	case job.Deadline.IsZero():
		return nil, fmt.Errorf("job %s has no deadline", job.ID)
	}
	r := &rehearsal{job: job, ledgers: map[string]orchestrator.Ledger{}}
	for _, name := range queue.Spec.Pools {
		pool, _ := set.Pool(name)
		switch {
		case pool.Spec.Interruptions != nil && r.spot.Name == "":
			r.spot = pool
		case pool.Spec.CapacityType == orchestrator.CapacityOnDemand && r.onDemand.Name == "":
			r.onDemand = pool
		}
	}
	for _, pool := range pools {
		if pool.Name == r.spot.Name || pool.Name == r.onDemand.Name {
			r.ledgers[pool.Name] = pool.Ledger
		}
	}
	for _, speed := range set.Speeds() {
		if speed.Model == queue.Spec.Model && speed.Pool == r.onDemand.Name {
			r.speed = speed
		}
	}
	switch {
	case r.spot.Name == "" || r.onDemand.Name == "":
		return nil, fmt.Errorf("queue %s: allowed: one with a spot pool that has interruptions, and an on-demand pool", queue.Name)
	case r.speed.RowsPerSecond == 0:
		return nil, fmt.Errorf("model %s: allowed: one with a profile, which says how much work the rows are", queue.Spec.Model)
	case len(r.ledgers) < 2:
		return nil, fmt.Errorf("the service knows nothing of the pools %s and %s", r.spot.Name, r.onDemand.Name)
	}
	r.width = r.onDemand.Spec.Replicas.Max * r.onDemand.Spec.SlotsPerReplica
	if most := queue.Spec.Limits.MaxWorkers; most > 0 {
		r.width = min(r.width, most)
	}
	return r, nil
}

// price is what a worker of a pool costs an hour.
func price(pool document.Pool) float64 {
	return float64(pool.Spec.Price.Micros) / 1e6 / float64(pool.Spec.SlotsPerReplica)
}

// world is the job with the trace that was replayed. It may begin a part of a tick too early and end one too late, which makes its optimum not dearer.
func (r *rehearsal) world() (*simulate.World, error) {
	replay, err := interruptedBy(r.spot)
	if err != nil {
		return nil, err
	}
	submitted := r.job.Times[orchestrator.JobQueued]
	gap := time.Duration(float64(replay.Gap) / r.spot.Spec.Interruptions.Speed)
	begin := replayed(r.spot, submitted.Sub(r.ledgers[r.spot.Name].Since))
	ticks := int(math.Ceil(float64(r.job.Deadline.Sub(submitted))/float64(gap))) + 1
	if gap <= 0 || ticks > mostRounds {
		return nil, fmt.Errorf("the deadline is %d ticks of the trace away; allowed: at most %d", ticks, mostRounds)
	}
	start := max(r.spot.Spec.StartTime, r.onDemand.Spec.StartTime) + time.Duration(r.speed.LoadSeconds*float64(time.Second))
	rows := float64(r.job.Counts.RowsDone + r.job.Counts.RowsFailed)
	world := &simulate.World{
		Gap: gap, Deadline: ticks, Width: r.width, Start: min(start, gap), Spot: price(r.spot), OnDemand: price(r.onDemand), // a bound takes no longer start
		Work: time.Duration(rows / r.speed.RowsPerSecond * float64(time.Second)),
	}
	for _, granted := range replay.From(begin, ticks) {
		world.Available = append(world.Available, granted*r.spot.Spec.SlotsPerReplica)
	}
	return world, nil
}

// allOnDemand is what the fewest on-demand workers cost that meet the deadline.
func allOnDemand(world *simulate.World, until time.Duration) float64 {
	workers := 1
	for workers < world.Width && time.Duration(workers)*max(until-world.Start, 0) < world.Work {
		workers++
	}
	return (world.Work + time.Duration(workers)*world.Start).Hours() * world.OnDemand
}

func (r *rehearsal) report() (*rehearsalReport, error) {
	world, err := r.world()
	if err != nil {
		return nil, err
	}
	spare := r.job.Deadline.Sub(r.job.Times[r.job.State])
	report := &rehearsalReport{
		Job: r.job.ID, Trace: traceText(r.spot), Met: spare >= 0 && (r.job.State == orchestrator.JobSucceeded || r.job.State == orchestrator.JobPartiallyFailed),
		Spare: spare.Seconds(), RowsScored: r.job.Counts.RowsDone, RowsFailed: r.job.Counts.RowsFailed, Ledgers: r.ledgers,
		Currency: r.spot.Spec.Price.Currency, AllOnDemand: allOnDemand(world, r.job.Deadline.Sub(r.job.Times[orchestrator.JobQueued])),
		Optimum: simulate.Bound(world), spot: r.spot.Name, onDemand: r.onDemand.Name,
	}
	for _, pool := range []document.Pool{r.spot, r.onDemand} {
		report.Cost += r.ledgers[pool.Name].Seconds / 3600 * float64(pool.Spec.Price.Micros) / 1e6
	}
	if report.Optimum > 0 {
		report.Ratio = report.Cost / report.Optimum
	}
	return report, nil
}

// traceText says what is replayed.
func traceText(pool document.Pool) string {
	interruptions := pool.Spec.Interruptions
	text := "trace " + interruptions.Trace
	if made := interruptions.Synthetic; made != nil {
		text = fmt.Sprintf("a synthetic trace (seed %d, capacity there for %s and gone for %s on average)", made.Seed, made.MeanUp, made.MeanDown)
	}
	return fmt.Sprintf("%s at %g times its speed", text, interruptions.Speed)
}

func (r *rehearsalReport) print(out screen) error {
	spot, onDemand := r.Ledgers[r.spot], r.Ledgers[r.onDemand]
	deadline := fmt.Sprintf("met, %.0f s to spare", r.Spare)
	if !r.Met {
		deadline = "NOT met"
		if r.Spare < 0 {
			deadline += fmt.Sprintf(": %.0f s late", -r.Spare)
		}
	}
	money := func(amount float64) string { return fmt.Sprintf("%.4f %s", amount, r.Currency) }
	share := func(amount float64) string { return fmt.Sprintf("%.2f of the optimum", amount/r.Optimum) }
	return out.table([][]cell{
		cells("Capacity", r.Trace),
		cells("Deadline", deadline),
		cells("Rows", fmt.Sprintf("%s scored, %s failed", number(r.RowsScored), number(r.RowsFailed))),
		cells("Spot", fmt.Sprintf("%.0f s of replicas; %d workers taken away, of them %d killed at the end of the notice; %d requests refused", spot.Seconds, spot.Taken, spot.Killed, spot.Refused)),
		cells("On demand", fmt.Sprintf("%.0f s of replicas", onDemand.Seconds)),
		cells("Cost", money(r.Cost)+", "+share(r.Cost)),
		cells("All on demand", money(r.AllOnDemand)+" (computed), "+share(r.AllOnDemand)),
		cells("Optimum", money(r.Optimum)+" (computed, as if the trace had been known)"),
	})
}
