package planner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"nightshift.dev/nightshift/orchestrator"
)

// midnight is when every story begins.
var midnight = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// story is a world that a transcript tells: what is declared, what is observed, and what time it is.
type story struct {
	observation orchestrator.Observation
	policy      orchestrator.Policy
	now         time.Time
	last        orchestrator.Plan
	moments     []moment // at which a plan was made
}

type moment struct {
	observation orchestrator.Observation
	policy      orchestrator.Policy
	now         time.Time
}

// TestTranscripts runs the stories in testdata. Record them anew with -rewrite, and commit only what you understand.
//
//	world    begins anew; lines as below
//	change   the same lines, put over what is there (a thing is known by its kind and name); "gone KIND NAME" takes it away
//	plan     computes and shows the plan
//	apply    the plan is carried out: replicas, memory, opened jobs; workers that drain end when they hold nothing
//	wait DURATION   time passes; readings are fresh again
//	solve    makes the tables that the plan lacked
//	estimate NAME queue= model= [rows=] [bytes=] [gzip=] [deadline=]
//
// Lines: pool NAME price= min= max= slots= delay= start= notice= [spot] [observe] [faster=] [memory=] [windows=FROM-TO:PRICE] [replicas=] [avail=] [leaving=SLOT,SLOT] [node=SECONDS] [billed= taken= killed= refused=] [age=] [err=]; queue NAME pools=a,b open= [most=] [weight=] [tenant=] [cheapest] [external] [within=] [by= arrived=];
// speed MODEL POOL rows/s [load=] [measured]; learned MODEL POOL rows/s rows= [load=];
// job NAME queue= model= [state=] [left=] [uncut=] [shards=] [cut] [prepares] [submitted=] [deadline=] [batch=] [rowbytes=] [epoch=] [total=];
// worker NAME pool= slot= [state=] [job=] [model=] [draining] [failures=] [asked=] [since=] [peak=] [ended= at=] [grace=]; interval DURATION; memory MODEL [profile=] [limit=]; memory in MiB;
// backlog QUEUE model= [waiting=AGE:ROWS,AGE:ROWS] [held=] [rate=] [daily=] [useful=] [age=] [err=];
// peak ID queue= model= in= [over=] [rows=] [high=] [arrived=] [finish=] [forecast]; came ID rows=; cap ID queue= most= from= until=
func TestTranscripts(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/plans", func(t *testing.T, path string) {
		s := &story{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return s.command(t, d) })
	})
}

func (s *story) command(t *testing.T, d *datadriven.TestData) string {
	text := "ok"
	switch d.Cmd {
	case "world":
		*s = story{now: midnight, moments: s.moments}
		s.policy.StaleAfter = time.Minute
		s.lines(t, d.Input)
	case "change":
		s.lines(t, d.Input)
	case "plan":
		s.moments = append(s.moments, moment{s.observation, s.policy, s.now})
		s.last = Compute(s.observation, s.policy, s.now)
		checkPlan(t, s.observation, s.policy, s.now, s.last)
		text = s.show()
	case "apply":
		s.observation = applied(s.observation, s.last)
	case "wait":
		passed, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			t.Fatal(err)
		}
		s.now = s.now.Add(passed)
		pools := append([]orchestrator.PoolView(nil), s.observation.Pools...)
		for i := range pools {
			pools[i].Reading.At = pools[i].Reading.At.Add(passed)
		}
		s.observation.Pools = pools
		backlogs := append([]orchestrator.BacklogView(nil), s.observation.Backlogs...)
		for i := range backlogs {
			backlogs[i].Reading.At = backlogs[i].Reading.At.Add(passed)
		}
		s.observation.Backlogs = backlogs
		text = clock(s.now)
	case "solve":
		text = ""
		for _, lacking := range s.last.Tables {
			table, err := Solve(lacking)
			if err != nil {
				t.Fatal(err)
			}
			s.observation.Tables = append(slices.Clone(s.observation.Tables), table)
			what := lacking.Work.String() + " of work"
			if lacking.Width > 1 {
				what = fmt.Sprintf("any work of %d workers", lacking.Width)
			}
			text += fmt.Sprintf("%d ticks of %s for %s, starts of %s, on demand %g times as dear\n", lacking.Ticks, lacking.Tick, what, lacking.Start, lacking.OnDemand)
		}
	case "estimate":
		text = s.estimate(t, d)
	default:
		t.Fatalf("%s: no such command %q", d.Pos, d.Cmd)
	}
	return strings.TrimSuffix(text, "\n") + "\n"
}

// applied is the observation after the plan was carried out.
func applied(o orchestrator.Observation, plan orchestrator.Plan) orchestrator.Observation {
	o.Memory = plan.Memory
	pools := append([]orchestrator.PoolView(nil), o.Pools...)
	for i := range pools {
		for _, p := range plan.Pools {
			if p.Name == pools[i].Name {
				pools[i].Replicas = p.Replicas
			}
		}
	}
	open := map[orchestrator.JobKey]bool{}
	for _, key := range plan.Open {
		open[key] = true
	}
	jobs := append([]orchestrator.JobView(nil), o.Jobs...)
	for i := range jobs {
		if open[jobs[i].JobKey] && jobs[i].State == orchestrator.JobQueued {
			jobs[i].State = orchestrator.JobPlanning
		}
	}
	drains := map[string]bool{}
	for _, one := range plan.Workers {
		drains[one.Worker] = one.Drain
	}
	var workers []orchestrator.WorkerView
	for _, one := range o.Workers {
		one.Draining = one.Draining || drains[one.ID]
		if !one.Draining || one.Job != "" {
			workers = append(workers, one)
		}
	}
	o.Pools, o.Jobs, o.Workers = pools, jobs, workers
	return o
}

// show renders a plan as the transcripts have it.
func (s *story) show() string {
	var text strings.Builder
	text.WriteString(Explain(s.last))
	for _, one := range s.last.Workers {
		fmt.Fprintf(&text, "worker %s:", one.Worker)
		for _, order := range one.Jobs {
			if order.ID == BacklogID {
				fmt.Fprintf(&text, " queue %s", order.Queue)
				if order.Within > 0 {
					fmt.Fprintf(&text, " up to %s", order.Within)
				}
				continue
			}
			fmt.Fprintf(&text, " %s", order.ID)
		}
		if one.Drain {
			text.WriteString(" drain")
		}
		if one.Warm != (orchestrator.ModelRef{}) {
			fmt.Fprintf(&text, " (loads %s)", one.Warm.Name)
		}
		if one.MemoryMost > 0 {
			fmt.Fprintf(&text, " (may hold %d of %d MiB)", one.Memory>>20, one.MemoryMost>>20)
		}
		text.WriteString("\n")
	}
	for _, p := range s.last.Memory.Pools {
		if !p.LowSince.IsZero() {
			fmt.Fprintf(&text, "remember %s: low since %s, at most %d\n", p.Name, clock(p.LowSince), p.LowPeak)
		}
		if !p.Grown.IsZero() {
			fmt.Fprintf(&text, "remember %s: grown %s\n", p.Name, clock(p.Grown))
		}
		if p.Proven > 0 {
			fmt.Fprintf(&text, "remember %s: %d of use at once\n", p.Name, p.Proven)
		}
		if p.Trial.Failed {
			fmt.Fprintf(&text, "remember %s: no more than %d became of use since %s\n", p.Name, p.Trial.Useful, clock(p.Trial.Since))
		}
		if gain := p.Gain; !gain.Until.IsZero() {
			fmt.Fprintf(&text, "remember %s: more than %d did not make %s faster, until %s\n", p.Name, gain.Replicas, gain.Model, clock(gain.Until))
		}
		if starts := p.Starts; len(starts.Recent) > 0 || len(starts.Waiting) > 0 {
			fmt.Fprintf(&text, "remember %s: starts of %.0f s, and %d waited for\n", p.Name, starts.Recent, len(starts.Waiting))
		}
		if spot := p.Spot; !spot.Since.IsZero() {
			fmt.Fprintf(&text, "remember %s: spot capacity %t since %s, runs %.3f (%d) and %.3f (%d)\n", p.Name, spot.Available, clock(spot.Since),
				spot.Up.MeanLog, spot.Up.Runs, spot.Down.MeanLog, spot.Down.Runs)
			if grants := spot.Grants; grants.Looks > 0 {
				fmt.Fprintf(&text, "remember %s: %d granted at %s, %.2f on average, changes %.3f (%d looks)\n", p.Name, grants.Granted, clock(grants.At), grants.Mean, grants.Changes, grants.Looks)
			}
		}
	}
	fmt.Fprintf(&text, "check again in %s\n", s.last.NextCheck.Sub(s.now))
	return text.String()
}

func (s *story) estimate(t *testing.T, d *datadriven.TestData) string {
	f := fields{t: t, now: s.now, list: map[string]string{}}
	for _, argument := range d.CmdArgs[1:] {
		f.list[argument.Key] = strings.Join(argument.Vals, ",")
	}
	r := Request{
		Job: orchestrator.JobKey{Tenant: "acme", Queue: f.text("queue", ""), ID: d.CmdArgs[0].Key}, Model: model(f.text("model", "")),
		Deadline: f.time("deadline"), Rows: int64(f.number("rows", -1)), RowBytes: f.number("rowbytes", 0), BatchRows: int(f.number("batch", 64)),
	}
	for _, one := range strings.Split(f.text("bytes", ""), ",") {
		if size, err := strconv.ParseInt(one, 10, 64); err == nil {
			r.Objects = append(r.Objects, orchestrator.Object{Size: size, Format: orchestrator.FormatJSONL})
		}
	}
	for _, one := range strings.Split(f.text("gzip", ""), ",") {
		if size, err := strconv.ParseInt(one, 10, 64); err == nil {
			r.Objects = append(r.Objects, orchestrator.Object{Size: size, Format: orchestrator.FormatJSONL, Compression: orchestrator.CompressionGzip})
		}
	}
	e := Estimate(r, s.observation, s.policy, s.now)
	text := fmt.Sprintf("%d rows, %d shards, %d workers, basis %s, %s, position %d\n", e.Rows, e.Shards, e.Workers, e.Basis, e.Cost, e.Position)
	if !e.Finish.IsZero() {
		text += fmt.Sprintf("start %s, finish %s (%s to %s)\n", clock(e.Start), clock(e.Finish), clock(e.FinishLow), clock(e.FinishHigh))
	}
	for _, note := range e.Notes {
		text += "note: " + note + "\n"
	}
	return text
}
