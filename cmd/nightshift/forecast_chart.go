package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// The size of a text chart, in characters.
const (
	chartColumns = 108
	chartLines   = 12
)

// chartColumn is what one column of a chart shows: the means of so many windows. NaN is unknown.
type chartColumn struct {
	at                time.Time
	came, median, p95 float64
	expected          bool
}

// columnsOf gathers windows, so that no column has some of the history and some of what is expected.
func columnsOf(told orchestrator.QueueForecast, most int) []chartColumn {
	each := max((len(told.History)+len(told.Expected)+most-1)/most, 1)
	zone := daysOf(told)
	var list []chartColumn
	for from := 0; from < len(told.History); from += each {
		windows := told.History[from:min(from+each, len(told.History))]
		list = append(list, chartColumn{at: windows[0].At.In(zone), came: meanOf(len(windows), func(i int) *float64 { return rowsOf(windows[i]) })})
	}
	for from := 0; from < len(told.Expected); from += each {
		windows := told.Expected[from:min(from+each, len(told.Expected))]
		list = append(list, chartColumn{
			at: windows[0].At.In(zone), expected: true, came: math.NaN(),
			median: meanOf(len(windows), func(i int) *float64 { return windows[i].Median }), p95: meanOf(len(windows), func(i int) *float64 { return windows[i].P95 }),
		})
	}
	return list
}

func rowsOf(window orchestrator.WindowRows) *float64 {
	if window.Rows < 0 {
		return nil
	}
	rows := float64(window.Rows)
	return &rows
}

// meanOf the values that are known; NaN where none is.
func meanOf(count int, value func(int) *float64) float64 {
	sum, known := 0.0, 0.0
	for i := range count {
		if one := value(i); one != nil {
			sum, known = sum+*one, known+1
		}
	}
	return sum / known
}

// roundTop is the next round number at or above a value.
func roundTop(value float64) float64 {
	if !(value > 1) {
		return 1
	}
	ten := math.Pow(10, math.Floor(math.Log10(value)))
	for _, step := range []float64{1, 1.5, 2, 3, 4, 5, 6, 8} {
		if step*ten >= value {
			return step * ten
		}
	}
	return 10 * ten
}

func topOf(list []chartColumn) float64 {
	top := 0.0
	for _, one := range list {
		for _, value := range []float64{one.came, one.median, one.p95} {
			if value > top {
				top = value
			}
		}
	}
	return roundTop(top)
}

// forecastChart draws history and forecast in text.
func forecastChart(told orchestrator.QueueForecast) string {
	list := columnsOf(told, chartColumns)
	if len(list) == 0 {
		return fmt.Sprintf("nothing is known of what arrives at queue %s yet: a window of %s has to be over\n", visible(told.Queue), span(ofSeconds(told.WindowSeconds)))
	}
	top := topOf(list)
	labels := map[int]string{chartLines: number(int64(top)), chartLines / 2: number(int64(top / 2)), 1: "0"}
	width := max(len(labels[chartLines]), len(labels[chartLines/2]))
	var text strings.Builder
	fmt.Fprintf(&text, "rows that arrive at queue %s in %s\n", visible(told.Queue), span(ofSeconds(told.WindowSeconds)))
	for line := chartLines; line >= 1; line-- {
		fmt.Fprintf(&text, "%*s │", width, labels[line])
		for i, one := range list {
			if one.expected && (i == 0 || !list[i-1].expected) {
				text.WriteRune('│')
			}
			text.WriteRune(one.mark(line, top))
		}
		text.WriteString("\n")
	}
	below, days := chartAxis(list)
	fmt.Fprintf(&text, "%*s └%s\n%*s  %s\n", width, "", below, width, "", days)
	text.WriteString("█ came   ▒ expected   ░ at most, with a probability of .95   ? unknown   days of " + visible(told.TimeZone) + "\n\n")
	return trimLines(text.String())
}

// mark is the character of a column in a line, counted from below.
func (c chartColumn) mark(line int, top float64) rune {
	level := func(value float64) float64 { return value/top*chartLines - float64(line-1) } // how much of the line's height lies below a value
	switch {
	case c.expected && level(c.median) >= .5:
		return '▒'
	case c.expected && level(c.p95) >= .5:
		return '░'
	case line == 1 && math.IsNaN(c.came) && !(c.expected && !math.IsNaN(c.median)):
		return '?'
	case c.expected || math.IsNaN(c.came):
		return ' '
	}
	return []rune(" ▁▂▃▄▅▆▇█")[int(math.Round(8*min(max(level(c.came), 0), 1)))]
}

// chartAxis is the line below a chart, with marks every six hours and at midnight, and the days below that.
func chartAxis(list []chartColumn) (string, string) {
	var axis, days strings.Builder
	at := 0
	for i, one := range list {
		if one.expected && (i == 0 || !list[i-1].expected) {
			axis.WriteRune('┴')
			at++
		}
		mark := '─'
		switch before := one.at.Add(-time.Minute); {
		case i == 0:
		case list[i-1].at.Day() != one.at.Day():
			mark = '┼'
			if name := one.at.Format("Mon 2 Jan"); days.Len() <= at {
				days.WriteString(strings.Repeat(" ", at-days.Len()) + name + " ")
			}
		case list[i-1].at.Hour()/6 != one.at.Hour()/6 && before.Day() == one.at.Day():
			mark = '┬'
		}
		axis.WriteRune(mark)
		at++
	}
	return axis.String(), days.String()
}

func trimLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
