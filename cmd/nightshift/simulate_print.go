package main

import (
	"fmt"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/simulate"
)

// mostShownJobs bounds a table that people read.
const mostShownJobs = 50

// printReport shows jobs, pools, a timeline and the sum.
func printReport(out screen, report simulate.Report, zone *time.Location) error {
	now := report.Begin.In(zone)
	rows := [][]cell{cells("JOB", "QUEUE", "ROWS", "SUBMITTED", "STARTED", "FINISHED", "DEADLINE", "LATE", "COST")}
	jobs := sortedJobs(report.Jobs)
	for _, job := range jobs[:min(len(jobs), mostShownJobs)] {
		row := cells(job.ID, job.Queue, number(job.Rows), onDay(job.Submitted, now), onDay(job.Started, now), onDay(job.Finished, now), onDay(job.Deadline, now),
			lateText(job), costOf(job.Cost))
		if job.Late() {
			row[7].in = red
		}
		rows = append(rows, row)
	}
	if err := out.table(rows); err != nil {
		return err
	}
	if more := len(jobs) - mostShownJobs; more > 0 {
		fmt.Fprintf(out, "and %s more; -o json shows all\n", plural(more, "job"))
	}
	fmt.Fprintln(out)
	rows = [][]cell{cells("POOL", "HOURS", "COST", "CHANGES", "MOST", "LOST", fmt.Sprintf("REPLICAS FROM %s TO %s", onDay(report.Begin, now), onDay(report.End, now)))}
	for _, pool := range report.Pools {
		rows = append(rows, cells(pool.Name, fmt.Sprintf("%.2f", pool.Hours), costOf(pool.Cost), number(pool.Changes), number(pool.Most), number(pool.Lost),
			"|"+timeline(pool.Steps, pool.Most, report.Begin, report.End)+"|"))
	}
	if err := out.table(rows); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nCost %s, %s of %s late, %s of a pool's size, %s\n", sumText(report.Cost()), number(report.Late()), plural(len(report.Jobs), "job"),
		plural(report.Changes(), "change"), plural(report.Decisions, "decision"))
	return nil
}

// onDay is a time with its day only where it is another one than that of the beginning.
func onDay(at, begin time.Time) string {
	if at.IsZero() {
		return "-"
	}
	at = at.In(begin.Location()).Round(time.Second)
	if dayNumber(at) == dayNumber(begin) {
		return at.Format("15:04:05")
	}
	return fmt.Sprintf("%s+%dd", at.Format("15:04:05"), dayNumber(at)-dayNumber(begin))
}

func lateText(job simulate.JobReport) string {
	switch {
	case !job.Late():
		return "-"
	case job.Finished.IsZero():
		return "not done"
	}
	return span(job.Finished.Sub(job.Deadline))
}

func sumText(sums []orchestrator.Money) string {
	if len(sums) == 0 {
		return "not priced"
	}
	var texts []string
	for _, one := range sums {
		texts = append(texts, costOf(one))
	}
	return strings.Join(texts, " + ")
}

// heights draw a share of the most, from nothing to all.
var heights = []rune(" ▁▂▃▄▅▆▇█")

// barColumns is how many columns a timeline has.
const barColumns = 60

// timeline draws the average number of replicas in each column as a share of the most.
func timeline(steps []simulate.Step, most int, begin, end time.Time) string {
	if most == 0 || !end.After(begin) {
		return strings.Repeat(" ", barColumns)
	}
	var text strings.Builder
	width := end.Sub(begin) / barColumns
	for column := range barColumns {
		from := begin.Add(time.Duration(column) * width)
		average := overlap(steps, from, from.Add(width), end) / width.Seconds()
		height := int(average/float64(most)*float64(len(heights)-1) + .5)
		if height == 0 && average > 0 {
			height = 1 // few are not none
		}
		text.WriteRune(heights[min(height, len(heights)-1)])
	}
	return text.String()
}

// overlap is how many seconds of replicas lie between two times.
func overlap(steps []simulate.Step, from, to, end time.Time) (sum float64) {
	for i, step := range steps {
		until := end
		if i+1 < len(steps) {
			until = steps[i+1].At
		}
		first, last := step.At, until
		if from.After(first) {
			first = from
		}
		if to.Before(last) {
			last = to
		}
		if last.After(first) {
			sum += last.Sub(first).Seconds() * float64(step.Replicas)
		}
	}
	return sum
}
