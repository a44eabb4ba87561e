package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/simulate"
)

// replayReport is what bench backlog-replay prints.
type replayReport struct {
	Arrivals     string      `json:"arrivals"`
	MeanWorkers  float64     `json:"mean_workers"`
	FillOutages  bool        `json:"fill_outages"`
	Start        string      `json:"start_seconds"`
	Load         string      `json:"load_seconds"`
	Slower       float64     `json:"slower"`
	Seed         uint64      `json:"seed"`
	NightPrice   float64     `json:"night_price"`
	TickSeconds  float64     `json:"tick_seconds"`
	TunedDays    float64     `json:"tuned_on_days"`
	JudgedDays   float64     `json:"judged_on_days"`
	Documents    []string    `json:"documents"` // what the planner was configured by, for each objective
	Rows         []replayRow `json:"rows"`
	Grid         []gridRow   `json:"grid"`
	Curves       []curveRow  `json:"curves,omitempty"`
	MostLate     float64     `json:"most_late_share"`
	MostLateTime float64     `json:"most_late_seconds"`
}

// replayRow is what one policy made of the judged half of a cell. Times are hours of workers but for what is said to be seconds.
type replayRow struct {
	Cell     string                `json:"cell"`
	Policy   string                `json:"policy"`
	Setting  *simulate.FlowSetting `json:"setting,omitempty"`
	Cost     float64               `json:"cost"`    // billed, times its price
	Optimum  float64               `json:"optimum"` // likewise, at the least
	Ratio    float64               `json:"ratio"`   // billed over served, with the price of the night
	Waste    float64               `json:"waste"`   // per cent of what was served
	Idle     float64               `json:"idle"`    // of the waste, workers without work
	Starts   int                   `json:"starts"`
	Late     float64               `json:"late"` // share of the work
	WorstLat float64               `json:"worst_late_seconds"`
	WorstAge float64               `json:"worst_age_seconds"`
	OnTime   bool                  `json:"on_time"` // late by no more than what is compared
}

// gridRow is one setting that was tried on the first half.
type gridRow struct {
	Cell   string `json:"cell"`
	Policy string `json:"policy"`
	simulate.Tuned
}

// curveRow is what a policy wastes at one objective or setting, and how old work became.
type curveRow struct {
	Arrivals string  `json:"arrivals"`
	Policy   string  `json:"policy"`
	WorstAge float64 `json:"worst_age_seconds"`
	Waste    float64 `json:"waste"`
}

// flowDocuments are all that the planner is told about a simulated flow besides what it observes.
const flowDocuments = `apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: scored}
spec:
  scorer: {command: [simulated]}
  batchRows: 1
  profile: {load: %[2]s, batches: [{rows: 1, rowsPerSecond: 1000}]}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: workers}
spec: {capacityType: on-demand, startTime: %[1]s, scaleDownDelay: 0s, replicas: {max: %[4]d}%[5]s}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: judged}
spec: {model: scored, pools: [workers], input: {roots: [in]}, output: {root: out}, objective: %[3]s}
`

// mostReplayed is the most workers at a time.
const mostReplayed = 100

// flowInstallation reads the documents of a flow, and gives them back.
func (b *backlogReplay) flowInstallation(limit time.Duration) (simulate.Installation, string, error) {
	return b.described(fmt.Sprintf("{finishWithin: %s}", limit), "")
}

// installation is the one of an objective.
func (b *backlogReplay) installation(i int) (simulate.Installation, string, error) {
	if b.limits[i] > 0 {
		return b.flowInstallation(b.limits[i])
	}
	begins, ends := orchestrator.TimeOfDay(nightBegins/time.Minute), orchestrator.TimeOfDay(b.ends[i]/time.Minute)
	return b.described(fmt.Sprintf(`{finishBy: "%s", arrivedBy: "%s", timeZone: UTC}`, ends, begins),
		fmt.Sprintf(`, price: {amount: "1", currency: EUR}, priceWindows: [{from: "%s", to: "%s", timeZone: UTC, amount: "%.6f"}]`, begins, ends, b.nightPrice))
}

// described is the installation with an objective and with prices.
func (b *backlogReplay) described(objective, prices string) (simulate.Installation, string, error) {
	seconds := func(of float64) time.Duration {
		return time.Duration(of * float64(time.Second)).Round(time.Millisecond)
	}
	p95 := b.leastStart + .95*(b.mostStart-b.leastStart)
	text := fmt.Sprintf(flowDocuments, seconds(p95), seconds(b.loadP95), objective, mostReplayed, prices)
	set, err := document.Decode(document.File{Name: "simulated", Data: []byte(text)})
	if err != nil {
		return simulate.Installation{}, text, err
	}
	return simulate.Installation{Policy: set.Policy(), Speeds: set.Speeds()}, text, nil
}

func (b *backlogReplay) run(ctx context.Context) (*replayReport, error) {
	rates, err := readRates(b.arrivals)
	if err != nil {
		return nil, err
	}
	if rates.window%replayTick != 0 {
		return nil, fmt.Errorf("read arrivals from %s: windows of %s; allowed: a multiple of %s", b.arrivals, rates.window, replayTick)
	}
	if b.fillOutages {
		rates = rates.filled()
	}
	days := time.Duration(len(rates.rates)) * rates.window / 2
	if slices.Contains(b.limits, 0) && days < 2*24*time.Hour {
		return nil, fmt.Errorf("read arrivals from %s: they last %s; allowed with an --objective by the clock: four days or more; leave that objective out or give a longer record", b.arrivals, 2*days)
	}
	report := &replayReport{
		Arrivals: b.arrivals, MeanWorkers: b.meanWorkers, FillOutages: b.fillOutages, Start: b.start, Load: b.load, Slower: b.slower, Seed: b.seed, NightPrice: b.nightPrice, TickSeconds: replayTick.Seconds(),
		TunedDays: days.Hours() / 24, JudgedDays: days.Hours() / 24, MostLate: simulate.MostLateShare, MostLateTime: simulate.MostLateTicks * replayTick.Seconds(),
	}
	var tasks []func() error
	var replays []*backlogCell
	for _, flow := range b.flows(rates) {
		for i, limit := range b.limits {
			one, err := b.replay(flow, i)
			if err != nil {
				return nil, err
			}
			if flow.name == evenly {
				report.Documents = append(report.Documents, one.documents)
			}
			replays = append(replays, one)
			tasks = append(tasks, one.tasks(i == 0 && limit > 0 && !b.withoutCurves)...)
		}
	}
	b.say("%s, each over %.3g days", plural(int64(len(tasks)), "course"), 2*report.JudgedDays)
	if err := together(ctx, tasks); err != nil {
		return nil, err
	}
	for _, one := range replays {
		report.Rows = append(append(report.Rows, one.rows()...), one.defaults...)
		report.Grid = append(report.Grid, one.grid...)
		report.Curves = append(report.Curves, one.curves...)
	}
	return report, nil
}

// namedFlow is a way in which the arrivals come.
type namedFlow struct {
	name string
	flow simulate.Flow
}

const (
	evenly   = "unif"
	inBursts = "burst"

	burstGap    = 120 * time.Second
	burstLength = 30 * time.Second
	drawnStarts = 100_000
)

func (b *backlogReplay) flows(rates arrivalRates) []namedFlow {
	flow := simulate.Flow{
		Tick: replayTick, Most: mostReplayed, Starts: simulate.DrawStarts(drawnStarts, b.leastStart, b.mostStart, b.loadMedian, b.loadP95, b.seed),
		Arrivals: simulate.Even(rates.rates, rates.window, replayTick, b.meanWorkers),
	}
	list := []namedFlow{{evenly, flow}}
	if b.bursts {
		flow.Arrivals = simulate.Bursts(rates.rates, rates.window, replayTick, b.meanWorkers, burstGap, burstLength, b.seed)
		list = append(list, namedFlow{inBursts, flow})
	}
	return list
}

// together does tasks on all cores and gives the first error.
func together(ctx context.Context, tasks []func() error) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var first error
	next := make(chan func() error)
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for task := range next {
				if err := task(); err != nil {
					mu.Lock()
					first = errors.Join(first, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, task := range tasks {
		if ctx.Err() != nil {
			break
		}
		next <- task
	}
	close(next)
	all.Wait()
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return first
}
