package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
)

// backlogReplay is one run of bench backlog-replay.
type backlogReplay struct {
	arrivals      string
	meanWorkers   float64
	start, load   string
	objectives    []string
	bursts        bool
	fillOutages   bool
	slower        float64
	seed          uint64
	leastStart    float64 // seconds, of start
	mostStart     float64
	loadMedian    float64 // seconds, of load
	loadP95       float64
	limits        []time.Duration // 0: by the clock
	ends          []time.Duration // of the night, where the limit is by the clock
	nightPrice    float64
	say           func(format string, values ...any)
	withoutCurves bool
}

const (
	replayTick  = 10 * time.Second // how often policies decide
	nightBegins = 22 * time.Hour
)

func (p *program) benchBacklogCommand() *cobra.Command {
	run := backlogReplay{}
	var format *printFormat
	command := &cobra.Command{
		Use:   "backlog-replay",
		Short: "Compare autoscalers of a backlog that must never grow too old",
		Long: `Backlog-replay takes the recorded rate of an arrival process through a pool whose workers take minutes to start, once for each policy, and compares what
is billed beyond the work done. Peers are tuned on the first half of the record by a grid that is printed; the second half is judged.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			run.say = sayTo(command.ErrOrStderr())
			return p.runBench(command, format, run.check(), func() (benchReport, error) { return run.run(command.Context()) })
		},
	}
	flags := command.Flags()
	flags.StringVar(&run.arrivals, "arrivals", "", "CSV file with a header: start of a window in seconds, rate in it")
	flags.Float64Var(&run.meanWorkers, "mean-workers", 8, "workers that the mean of the arrivals keeps busy")
	flags.StringVar(&run.start, "start", "120..480", "seconds from the request of a worker until it can load, evenly distributed")
	flags.StringVar(&run.load, "load", "22.7,45.4", "seconds that loading takes: median and 0.95 quantile of a lognormal distribution")
	flags.StringSliceVar(&run.objectives, "objective", []string{"15m", "1h", "06:00"}, "from its arrival until work is due, or a time at which what arrived before 22:00 is due")
	flags.Float64Var(&run.nightPrice, "night-price", .5, "price of a worker from 22:00 until then, where that of the day is 1")
	flags.BoolVar(&run.bursts, "bursts", true, "replay the arrivals gathered in bursts too")
	flags.BoolVar(&run.fillOutages, "fill-outages", false, "where nearly nothing arrived, repeat what arrived before")
	flags.Float64Var(&run.slower, "slower", 1, "how many times as long as declared starts take while policies are judged")
	flags.BoolVar(&run.withoutCurves, "no-curves", false, "leave out the curves of waste against the worst age")
	flags.Uint64Var(&run.seed, "seed", 1, "seed of starts and bursts")
	_ = command.MarkFlagRequired("arrivals") // the flag is there
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

// check reads the flags and says what is wrong with them.
func (b *backlogReplay) check() string {
	if !(b.meanWorkers > 0) || b.meanWorkers > 1000 {
		return fmt.Sprintf("--mean-workers: %g; allowed: above 0, at most 1000", b.meanWorkers)
	}
	if !(b.slower >= .1) || b.slower > 100 {
		return fmt.Sprintf("--slower: %g; allowed: 0.1 to 100", b.slower)
	}
	var sound bool
	if b.leastStart, b.mostStart, sound = twoSeconds(b.start, ".."); !sound {
		return fmt.Sprintf("--start: %q; allowed: LEAST..MOST in seconds up to a day, as in 120..480", b.start)
	}
	if b.loadMedian, b.loadP95, sound = twoSeconds(b.load, ","); !sound {
		return fmt.Sprintf("--load: %q; allowed: MEDIAN,P95 in seconds up to a day, as in 22.7,45.4", b.load)
	}
	if !(b.nightPrice > 0) || b.nightPrice > 1 {
		return fmt.Sprintf("--night-price: %g; allowed: above 0, at most 1", b.nightPrice)
	}
	b.limits, b.ends = nil, nil
	for _, text := range b.objectives {
		if at, err := orchestrator.ParseTimeOfDay(text); err == nil && time.Duration(at)*time.Minute < nightBegins {
			b.limits, b.ends = append(b.limits, 0), append(b.ends, time.Duration(at)*time.Minute)
			continue
		}
		limit, err := time.ParseDuration(text)
		if err != nil || limit < time.Minute || limit > 7*24*time.Hour || limit%replayTick != 0 {
			return fmt.Sprintf("--objective: %q; allowed: from 1m to 168h in steps of %s, or a time before 22:00 as in 06:00", text, replayTick)
		}
		b.limits, b.ends = append(b.limits, limit), append(b.ends, 0)
	}
	return ""
}

// twoSeconds reads two numbers, neither negative, the second not below the first.
func twoSeconds(text, between string) (least, most float64, sound bool) {
	first, second, both := strings.Cut(text, between)
	least, err := strconv.ParseFloat(first, 64)
	most, otherErr := strconv.ParseFloat(second, 64)
	return least, most, both && err == nil && otherErr == nil && least >= 0 && most >= least && most <= 86_400 && (least > 0 || most == 0)
}
