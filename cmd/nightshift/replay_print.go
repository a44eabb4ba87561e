package main

import (
	"fmt"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/replay"
)

// printComparison shows the window, what this version decides on it, and the courses side by side.
func (p *program) printComparison(out screen, c replay.Comparison) error {
	now := p.now()
	fmt.Fprintf(out, "%s to %s: %s, %s that stand for %s\n", c.Begin.In(now.Location()).Format("2006-01-02 15:04:05"), c.End.In(now.Location()).Format("2006-01-02 15:04:05"),
		plural(len(c.Jobs), "job"), plural(c.Records, "record"), plural(c.Decisions, "decision"))
	if c.Missed > 0 {
		fmt.Fprintf(out, "%s could not be stored\n", plural(c.Missed, "record"))
	}
	if c.Replaced > 0 {
		fmt.Fprintf(out, "the documents changed %s; the last ones are simulated\n", plural(c.Replaced, "time"))
	}
	printOpen(out, c.Open, now)
	fmt.Fprintln(out)
	if err := out.table(courseRows(c)); err != nil {
		return err
	}
	fmt.Fprintf(out, "finishes of the simulation lie %s from those recorded, on average\n", span(time.Duration(c.FinishError*float64(time.Second))))
	if rows := finishRows(c, now); len(rows) > 1 {
		fmt.Fprintln(out)
		if err := out.table(rows); err != nil {
			return err
		}
	}
	for _, note := range c.Notes {
		fmt.Fprintln(out, "Note: "+visible(note))
	}
	return nil
}

func printOpen(out screen, open replay.Open, now time.Time) {
	switch {
	case open.Compared == 0:
		fmt.Fprintln(out, "this version was not compared")
	case open.Different == 0:
		fmt.Fprintf(out, "this version decides as was recorded, in all of %s\n", plural(open.Compared, "record"))
	default:
		fmt.Fprintf(out, "this version decides otherwise in %s of %s; first at %s, pool %s: %d instead of %d, %s\n", number(open.Different), plural(open.Compared, "record"),
			clock(open.First.At, now), open.First.Pool, open.First.Now, open.First.Recorded, visible(open.First.Sentence))
	}
	if open.Skipped > 0 {
		fmt.Fprintf(out, "%s not compared: they need tables, or jobs one by one, which are not recorded\n", plural(open.Skipped, "record"))
	}
}

// courseRows are a row for each number that counts.
func courseRows(c replay.Comparison) [][]cell {
	head := cells("", "RECORDED", "SIMULATED", "ERROR")
	if c.Changed != nil {
		head = append(head, cells("CHANGED", "DIFFERENCE")...)
	}
	rows := [][]cell{head}
	add := func(name string, value func(replay.Summary) (string, float64)) {
		was, wasNumber := value(c.Recorded)
		is, isNumber := value(c.Simulated)
		row := cells(name, was, is, difference(wasNumber, isNumber))
		if c.Changed != nil {
			then, thenNumber := value(*c.Changed)
			row = append(row, cells(then, difference(isNumber, thenNumber))...)
		}
		rows = append(rows, row)
	}
	for _, currency := range currencies(c) {
		add("cost", func(s replay.Summary) (string, float64) {
			sum := amountIn(s.Cost, currency)
			return costOf(sum), float64(sum.Micros) / 1e6
		})
	}
	add("hours of replicas", func(s replay.Summary) (string, float64) { return fmt.Sprintf("%.2f", s.Hours), s.Hours })
	counts := []struct {
		name string
		of   func(replay.Summary) int
	}{
		{"late jobs", func(s replay.Summary) int { return s.Late }}, {"jobs not done", func(s replay.Summary) int { return s.Unfinished }},
		{"changes of size", func(s replay.Summary) int { return s.Changes }},
	}
	for _, one := range counts {
		add(one.name, func(s replay.Summary) (string, float64) { return number(one.of(s)), float64(one.of(s)) })
	}
	return rows
}

func currencies(c replay.Comparison) (codes []string) {
	sums := slices.Concat(c.Recorded.Cost, c.Simulated.Cost)
	if c.Changed != nil {
		sums = append(sums, c.Changed.Cost...)
	}
	for _, one := range sums {
		if !slices.Contains(codes, one.Currency) {
			codes = append(codes, one.Currency)
		}
	}
	slices.Sort(codes)
	return codes
}

func amountIn(sums []orchestrator.Money, currency string) orchestrator.Money {
	for _, one := range sums {
		if one.Currency == currency {
			return one
		}
	}
	return orchestrator.Money{Currency: currency}
}

// difference is how much more the second is, in per cent where that says something.
func difference(first, second float64) string {
	switch {
	case first == second:
		return "-"
	case first == 0 || first == float64(int(first)) && second == float64(int(second)):
		return fmt.Sprintf("%+.4g", second-first)
	}
	return fmt.Sprintf("%+.1f %%", 100*(second-first)/first)
}

// finishRows show the jobs whose course differs under the changed documents, or, without a change, all of them.
func finishRows(c replay.Comparison, now time.Time) [][]cell {
	head := cells("JOB", "DEADLINE", "RECORDED", "SIMULATED")
	if c.Changed != nil {
		head = append(head, cells("CHANGED")...)
	}
	rows := [][]cell{head}
	for _, job := range c.Jobs {
		if c.Changed != nil && job.Changed.Equal(job.Simulated) && job.ChangedDeadline.Equal(job.Deadline) || len(rows) > mostShownJobs {
			continue
		}
		deadline := dayOrDash(job.Deadline, now)
		if c.Changed != nil {
			deadline = fromTo(deadline, dayOrDash(job.ChangedDeadline, now))
		}
		row := cells(job.ID, deadline, dayOrDash(job.Recorded, now), dayOrDash(job.Simulated, now))
		if c.Changed != nil {
			row = append(row, cells(dayOrDash(job.Changed, now))...)
		}
		rows = append(rows, row)
	}
	return rows
}

func dayOrDash(at, now time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.In(now.Location()).Format("Jan 02 15:04:05")
}
