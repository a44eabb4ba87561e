package document

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a document.
type Problem struct {
	File    string
	Line    int    // from 1; 0: the whole file
	Field   string // "spec.scorer.python"; empty: the whole document
	Message string // the value, what is allowed, and what was probably meant
}

// String is "file:line: field: message".
func (p Problem) String() string {
	var text strings.Builder
	text.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&text, ":%d", p.Line)
	}
	if p.Field != "" {
		text.WriteString(": " + p.Field)
	}
	return text.String() + ": " + p.Message
}

// Problems is everything that is wrong, in the order of the files and their lines. It is the error that Decode returns.
type Problems []Problem

// Error is one line per problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// maxProblems bounds what is kept; nobody reads more.
const maxProblems = 1000

// report collects problems and puts them in order.
type report struct {
	problems []Problem
	files    []int // of each problem, the file's place among the files
	seen     map[Problem]bool
	more     int // left out
}

func (r *report) add(file int, problem Problem) {
	if r.seen[problem] {
		return // what an alias stands for is read more than once
	}
	if len(r.problems) == maxProblems {
		r.more++
		return
	}
	if r.seen == nil {
		r.seen = map[Problem]bool{}
	}
	r.seen[problem] = true
	r.problems = append(r.problems, problem)
	r.files = append(r.files, file)
}

// truncate forgets the problems after the first ones, and those that were left out since.
func (r *report) truncate(first, more int) {
	for _, problem := range r.problems[first:] {
		delete(r.seen, problem)
	}
	r.problems, r.files, r.more = r.problems[:first], r.files[:first], more
}

// err is nil or Problems.
func (r *report) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	order := make([]int, len(r.problems))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(r.files[a], r.files[b]), cmp.Compare(r.problems[a].Line, r.problems[b].Line))
	})
	sorted := make(Problems, 0, len(order)+1)
	for _, i := range order {
		sorted = append(sorted, r.problems[i])
	}
	if r.more > 0 {
		last := sorted[len(sorted)-1]
		sorted = append(sorted, Problem{File: last.File, Line: last.Line, Message: fmt.Sprintf("%d more problems are left out", r.more)})
	}
	return sorted
}
