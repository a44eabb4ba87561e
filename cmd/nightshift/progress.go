package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// pace measures how many rows are done per second, over the last half minute.
type pace struct{ samples []sample }

type sample struct {
	at   time.Time
	rows int64
}

const (
	paceOver    = 30 * time.Second
	paceSamples = 600
)

// add takes a reading and gives rows per second, 0 when that is not known yet.
func (p *pace) add(rows int64, at time.Time) float64 {
	if len(p.samples) > 0 && rows < p.samples[len(p.samples)-1].rows { // a retry
		p.samples = nil
	}
	p.samples = append(p.samples, sample{at, rows})
	for len(p.samples) > 2 && at.Sub(p.samples[1].at) > paceOver || len(p.samples) > paceSamples {
		p.samples = p.samples[1:]
	}
	first := p.samples[0]
	if seconds := at.Sub(first.at).Seconds(); seconds > 0 {
		return float64(rows-first.rows) / seconds
	}
	return 0
}

// settled is how many rows are done, well or badly.
func settled(counts orchestrator.Counts) int64 { return counts.RowsDone + counts.RowsFailed }

// total is how many rows there are, as far as is known: an estimate is never below what is done.
func total(counts orchestrator.Counts) int64 { return max(counts.RowsTotal, settled(counts)) }

func percent(part, whole int64) int64 {
	if whole <= 0 {
		return 0
	}
	return part * 100 / whole
}

// remaining says when the job is expected to end: by its present pace, or else as the service expects.
func remaining(job api.Job, rate float64, at time.Time) string {
	left := total(job.Counts) - settled(job.Counts)
	switch {
	case job.State.Final():
		return ""
	case rate > 0 && left > 0:
		return "ETA " + span(time.Duration(float64(left)/rate*float64(time.Second)))
	case job.ExpectedFinish.After(at):
		return "ETA " + span(job.ExpectedFinish.Sub(at))
	}
	return ""
}

// linesEvery is the time between two lines about a job whose state has not changed.
const linesEvery = 5 * time.Second

// lines shows a job as lines of text.
type lines struct {
	out   io.Writer
	zone  *time.Location
	pace  pace
	state orchestrator.JobState
	told  time.Time
	quiet bool // nobody answered, and that was said
}

func (l *lines) show(job api.Job, at time.Time) {
	l.quiet = false
	rate := l.pace.add(settled(job.Counts), at)
	if job.State == l.state && at.Sub(l.told) < linesEvery {
		return
	}
	l.state, l.told = job.State, at
	text := fmt.Sprintf("%s  %-11s  rows %s/%s (%d %%)  failed %s  shards %s", at.In(l.zone).Format("15:04:05"), words(job.State),
		number(settled(job.Counts)), rowsText(job.Counts), percent(settled(job.Counts), total(job.Counts)), failedText(job.Counts), shardsText(job.Counts))
	if rate > 0 {
		text += fmt.Sprintf("  %s rows/s", number(int64(rate)))
	}
	if left := remaining(job, rate, at); left != "" {
		text += "  " + left
	}
	if job.Waiting != nil {
		text += "  waiting: " + visible(failureText(job.Waiting))
	}
	fmt.Fprintln(l.out, text)
}

func (l *lines) absent(err error) {
	if !l.quiet {
		fmt.Fprintf(l.out, "still waiting, the job goes on without us: %v\n", err)
	}
	l.quiet = true
}

func (l *lines) end() {}

// bars shows a job as a bar of rows and a bar of shards.
type bars struct {
	progress     *mpb.Progress
	rows, shards *mpb.Bar
	pace         pace

	mu    sync.Mutex // the bars are drawn by a goroutine of mpb
	job   api.Job
	rate  float64
	at    time.Time
	alone error // nobody answers
}

const barWidth = 32 // characters

func newBars(out io.Writer) *bars {
	b := &bars{progress: mpb.New(mpb.WithOutput(out))}
	b.rows = b.progress.AddBar(0, mpb.BarWidth(barWidth), mpb.PrependDecorators(decor.Any(b.text(func() string { return "rows" }), decor.WC{W: 7, C: decor.DindentRight})),
		mpb.AppendDecorators(decor.Any(b.text(b.rowsText))))
	b.shards = b.progress.AddBar(0, mpb.BarWidth(barWidth), mpb.PrependDecorators(decor.Any(b.text(func() string { return "shards" }), decor.WC{W: 7, C: decor.DindentRight})),
		mpb.AppendDecorators(decor.Any(b.text(b.shardsText))))
	return b
}

func (b *bars) text(of func() string) decor.DecorFunc {
	return func(decor.Statistics) string {
		b.mu.Lock()
		defer b.mu.Unlock()
		return of()
	}
}

func (b *bars) rowsText() string {
	counts := b.job.Counts
	text := fmt.Sprintf(" %3d %%  %s/%s", percent(settled(counts), total(counts)), number(settled(counts)), rowsText(counts))
	if counts.RowsFailed > 0 {
		text += fmt.Sprintf(", %s failed", failedText(counts))
	}
	if b.rate > 0 {
		text += fmt.Sprintf("  %s rows/s", number(int64(b.rate)))
	}
	return text
}

func (b *bars) shardsText() string {
	text := " " + shardsText(b.job.Counts) + "  " + words(b.job.State)
	switch left := remaining(b.job, b.rate, b.at); {
	case b.alone != nil:
		return text + "  (no answer; the job goes on without us)"
	case b.job.Waiting != nil:
		return text + "  waiting: " + visible(b.job.Waiting.Code)
	case left != "":
		return text + "  " + left
	}
	return text
}

func (b *bars) show(job api.Job, at time.Time) {
	b.mu.Lock()
	b.job, b.at, b.alone = job, at, nil
	b.rate = b.pace.add(settled(job.Counts), at)
	b.mu.Unlock()
	b.rows.SetTotal(total(job.Counts), false)
	b.rows.SetCurrent(settled(job.Counts))
	b.shards.SetTotal(int64(job.Counts.ShardsTotal), false)
	b.shards.SetCurrent(int64(job.Counts.ShardsDone))
}

func (b *bars) absent(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.alone = err
}

func (b *bars) end() {
	b.rows.Abort(false)
	b.shards.Abort(false)
	b.progress.Wait()
}
