package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
	"github.com/vbauerster/mpb/v8/cwriter"

	"nightshift.dev/nightshift/orchestrator"
)

// terminal says whether a stream is one, so that there is somebody who looks or answers.
func terminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && cwriter.IsTerminal(int(file.Fd()))
}

// colour is an SGR parameter; empty is none.
type colour string

const (
	green  colour = "32"
	yellow colour = "33"
	red    colour = "31"
	dim    colour = "2"
)

// screen is where people read.
type screen struct {
	io.Writer
	colours bool
}

// screen writes in colours on a terminal, unless NO_COLOR is set or the terminal is a dumb one.
func (p *program) screen(out io.Writer) screen {
	refused, set := p.lookup("NO_COLOR")
	kind, _ := p.lookup("TERM")
	return screen{out, terminal(out) && !(set && refused != "") && kind != "dumb"}
}

func (s screen) paint(text string, in colour) string {
	if !s.colours || in == "" {
		return text
	}
	return "\x1b[" + string(in) + "m" + text + "\x1b[0m"
}

// stateColour is how the state of a job is shown.
func stateColour(state orchestrator.JobState) colour {
	switch state {
	case orchestrator.JobSucceeded:
		return green
	case orchestrator.JobFailed:
		return red
	case orchestrator.JobPartiallyFailed, orchestrator.JobExpired, orchestrator.JobCancelled:
		return yellow
	}
	return ""
}

// cell is one entry of a table.
type cell struct {
	text string
	in   colour
}

// cells are entries without colour.
func cells(texts ...string) []cell {
	row := make([]cell, len(texts))
	for i, text := range texts {
		row[i].text = text
	}
	return row
}

// table prints rows with aligned columns.
func (s screen) table(rows [][]cell) error {
	var widths widths
	return widths.print(s, rows)
}

// widths are those of a table's columns, as wide as terminals show their characters. Rows that are printed later keep them.
type widths []int

// print aligns rows, columns two spaces apart.
func (w *widths) print(s screen, rows [][]cell) error {
	for _, row := range rows {
		for i := range row {
			row[i].text = visible(row[i].text)
			if i == len(*w) {
				*w = append(*w, 0)
			}
			(*w)[i] = max((*w)[i], runewidth.StringWidth(row[i].text))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(s.paint(cell.text, cell.in))
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", (*w)[i]-runewidth.StringWidth(cell.text)+2))
			}
		}
		if _, err := fmt.Fprintln(s, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// visible replaces characters that would move the cursor or change the terminal: names come from other users.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return '?'
		}
		return r
	}, text)
}
