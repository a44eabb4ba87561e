package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator/forecast"
)

const (
	mostSeriesSteps = 1_000_000 // gaps included
	mostShown       = 20        // problems of one file
)

// problemsOf is everything that is wrong with a file.
type problemsOf struct {
	file  string
	lines []string
	more  int
}

func (p *problemsOf) add(line, column int, format string, values ...any) {
	if len(p.lines) == mostShown {
		p.more++
		return
	}
	p.lines = append(p.lines, fmt.Sprintf("%s:%d:%d: ", p.file, line, column)+fmt.Sprintf(format, values...))
}

func (p *problemsOf) err() error {
	if len(p.lines) == 0 {
		return nil
	}
	text := strings.Join(p.lines, "\n")
	if p.more > 0 {
		text += fmt.Sprintf("\n%s: and %d more", p.file, p.more)
	}
	return errors.New(text)
}

// csvRow is a row with the column, in characters from 1, at which each field begins.
type csvRow struct {
	line    int
	fields  []string
	columns []int
}

// readRows reads a CSV file, and leaves out its header.
func readRows(in io.Reader, problems *problemsOf, each func(csvRow)) {
	rows := csv.NewReader(in)
	rows.FieldsPerRecord = -1
	for number := 0; ; number++ {
		fields, err := rows.Read()
		if errors.Is(err, io.EOF) {
			if number == 0 {
				problems.add(1, 1, "the file is empty; allowed: a header and rows")
			}
			return
		}
		if err != nil {
			line, column := 0, 0
			if parse := (*csv.ParseError)(nil); errors.As(err, &parse) {
				line, column, err = parse.Line, parse.Column, parse.Err
			}
			problems.add(line, column, "%v", err)
			return // where the next row begins is not known
		}
		row := csvRow{fields: fields, columns: make([]int, len(fields))}
		for i := range fields {
			row.line, row.columns[i] = rows.FieldPos(i)
		}
		row.line, _ = rows.FieldPos(0)
		if number > 0 {
			each(row)
		}
	}
}

// seriesReader collects the steps of a series.
type seriesReader struct {
	problems problemsOf
	at       []time.Time
	lines    []int
	values   []float64
}

// readSeries reads a CSV file with a header and two columns: when a step begins, and its value. Rows that are missing, and empty values, are unknown.
func readSeries(path string) (forecast.History, error) {
	file, err := os.Open(path)
	if err != nil {
		return forecast.History{}, fmt.Errorf("read a series: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	return seriesOfFile(path, file)
}

func seriesOfFile(name string, in io.Reader) (forecast.History, error) {
	r := seriesReader{problems: problemsOf{file: name}}
	readRows(in, &r.problems, r.row)
	if len(r.problems.lines) == 0 && len(r.at) < 2 {
		r.problems.add(1, 1, "it has %s; allowed: a header and two rows or more", plural(len(r.at), "row"))
	}
	if err := r.problems.err(); err != nil {
		return forecast.History{}, err
	}
	history := r.history()
	return history, r.problems.err()
}

func (r *seriesReader) row(row csvRow) {
	if len(row.fields) != 2 {
		r.problems.add(row.line, 1, "%s; allowed: two, timestamp and value", plural(len(row.fields), "field"))
		return
	}
	at, sound := timestampOf(row.fields[0])
	if !sound {
		r.problems.add(row.line, row.columns[0], "timestamp: %q; allowed: 2006-01-02T15:04:05Z, 2006-01-02 15:04:05 (UTC), 2006-01-02, or seconds", row.fields[0])
	}
	value := math.NaN()
	if text := strings.TrimSpace(row.fields[1]); text != "" {
		var err error
		if value, err = strconv.ParseFloat(text, 64); err != nil || !(value >= 0) || math.IsInf(value, 1) {
			r.problems.add(row.line, row.columns[1], "value: %q; allowed: a number from 0; where it is unknown, nothing", row.fields[1])
			return
		}
	}
	if !sound {
		return
	}
	if last := len(r.at) - 1; last >= 0 && !at.After(r.at[last]) {
		r.problems.add(row.line, row.columns[0], "timestamp: %q; allowed: later than the one before, %s", row.fields[0], r.at[last].Format(time.RFC3339))
		return
	}
	r.at, r.lines, r.values = append(r.at, at), append(r.lines, row.line), append(r.values, value)
}

// timestampOf reads a time. Seconds are counted from 1970, or from any midnight.
func timestampOf(text string) (time.Time, bool) {
	text = strings.TrimSpace(text)
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(math.Abs(seconds) < 1e11) {
		return time.Time{}, false
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)).UTC(), true
}

// history puts the rows on steps of one length: the one that most rows keep.
func (r *seriesReader) history() forecast.History {
	gaps := make([]time.Duration, len(r.at)-1)
	for i := range gaps {
		gaps[i] = r.at[i+1].Sub(r.at[i])
	}
	slices.Sort(gaps)
	step := gaps[len(gaps)/2]
	span := float64(r.at[len(r.at)-1].Sub(r.at[0])) / float64(step)
	if span >= mostSeriesSteps {
		r.problems.add(r.lines[0], 1, "%.0f steps of %s from the first to the last row; allowed: %d", span+1, step, mostSeriesSteps)
		return forecast.History{}
	}
	history := forecast.History{Start: r.at[0], Step: step, Values: make([]float64, int(math.Round(span))+1)}
	for i := range history.Values {
		history.Values[i] = math.NaN()
	}
	for i, at := range r.at {
		steps := float64(at.Sub(r.at[0])) / float64(step)
		if math.Abs(steps-math.Round(steps)) > .1 {
			r.problems.add(r.lines[i], 1, "timestamp: %s lies between two steps of %s, which most rows keep; allowed: a tenth of a step beside one", at.Format(time.RFC3339), step)
			continue
		}
		history.Values[int(math.Round(steps))] = r.values[i]
	}
	return history
}

// readHolidays reads a CSV file with a header whose first column is a date; what else it has is for people.
func readHolidays(path string) ([]time.Time, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--calendar: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	problems := problemsOf{file: path}
	var days []time.Time
	readRows(file, &problems, func(row csvRow) {
		day, err := time.Parse(time.DateOnly, strings.TrimSpace(row.fields[0]))
		if err != nil {
			problems.add(row.line, row.columns[0], "date: %q; allowed: 2006-01-02", row.fields[0])
			return
		}
		days = append(days, day)
	})
	return days, problems.err()
}
