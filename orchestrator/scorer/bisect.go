package scorer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrTooManyDeaths is what Bisect returns when the search would cost more scorers than allowed.
var ErrTooManyDeaths = errors.New("too many scorer deaths")

// Bisect scores a batch that failed in ever smaller parts, until every row has either a result or an error. failure is how
// the batch failed. A row is blamed only when it failed alone; its error carries the code and message of that failure.
//
// score scores one part, and starts a new scorer first where the last one died. Bisect calls it at most twice per row. Every
// failure of it that killed a scorer counts as a death; more than maxDeaths of them end the search with ErrTooManyDeaths and
// the last failure. Errors that say nothing about rows (a LoadError, ErrStopped, the end of the context) end it too.
func Bisect(ctx context.Context, batch Batch, failure error, maxDeaths int,
	score func(context.Context, Batch) (Result, error)) (Result, error) {
	search := &search{
		score: score, maxDeaths: maxDeaths,
		result: Result{Lines: make([][]byte, batch.Rows())},
	}
	code, message, _, aboutRows := verdict(failure)
	switch {
	case !aboutRows || batch.Rows() == 0:
		return Result{}, fmt.Errorf("find the rows at fault: %w", failure)
	case batch.Rows() == 1:
		search.blame(0, code, message)
	default:
		if err := search.halve(ctx, batch, 0); err != nil {
			return Result{}, fmt.Errorf("find the rows at fault: %w", err)
		}
	}
	slices.SortFunc(search.result.Errors, func(a, b RowError) int { return cmp.Compare(a.Row, b.Row) })
	return search.result, nil
}

// search is what one call of Bisect has found.
type search struct {
	score     func(context.Context, Batch) (Result, error)
	maxDeaths int
	deaths    int
	result    Result
}

// halve scores the halves of a part that holds a row at fault. Where the first half is clean, the second must hold it: then
// that one is halved at once, which saves the death of a scorer.
func (s *search) halve(ctx context.Context, part Batch, offset int) error {
	rows := part.Rows()
	middle := rows / 2
	failed, err := s.try(ctx, part.Slice(0, middle), offset)
	if err != nil {
		return err
	}
	second := part.Slice(middle, rows)
	if failed || second.Rows() == 1 {
		_, err = s.try(ctx, second, offset+middle)
		return err
	}
	return s.halve(ctx, second, offset+middle)
}

// try scores a part, and finds the rows at fault in it where it fails.
func (s *search) try(ctx context.Context, part Batch, offset int) (failed bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	result, failure := s.score(ctx, part)
	if failure == nil {
		return false, s.record(part, offset, result)
	}
	code, message, died, aboutRows := verdict(failure)
	if !aboutRows {
		return true, failure
	}
	if died {
		if s.deaths++; s.deaths > s.maxDeaths {
			return true, fmt.Errorf("%w: %d, allowed are %d; the last: %w", ErrTooManyDeaths, s.deaths, s.maxDeaths, failure)
		}
	}
	if part.Rows() == 1 {
		s.blame(offset, code, message)
		return true, nil
	}
	return true, s.halve(ctx, part, offset)
}

func (s *search) record(part Batch, offset int, result Result) error {
	if len(result.Lines) != part.Rows() {
		return fmt.Errorf("score gave %d lines for %d rows", len(result.Lines), part.Rows())
	}
	copy(s.result.Lines[offset:], result.Lines)
	for _, failure := range result.Errors {
		s.blame(offset+failure.Row, failure.Code, failure.Message)
	}
	return nil
}

func (s *search) blame(row int, code, message string) {
	s.result.Errors = append(s.result.Errors, RowError{Row: row, Code: code, Message: message})
}

// verdict says what a failure means for a row that fails alone, whether it killed a scorer, and whether it is about rows.
func verdict(failure error) (code, message string, died, aboutRows bool) {
	var batch *BatchError
	if errors.As(failure, &batch) {
		return batch.Code, batch.Message, false, true
	}
	if errors.As(failure, new(*LoadError)) {
		return "", "", false, false
	}
	var crash *CrashError
	var hang *HangError
	var protocol *ProtocolError
	var memory *MemoryError
	switch {
	case errors.As(failure, &crash):
		return "crash", "the scorer " + crash.what() + lastLine(crash.Stderr), true, true
	case errors.As(failure, &hang):
		return "hang", "the scorer " + hang.what(), true, true
	case errors.As(failure, &protocol):
		return "protocol", "the scorer " + protocol.what(), true, true
	case errors.As(failure, &memory):
		return "memory_limit", "the scorer " + memory.what(), true, true
	}
	return "", "", false, false
}
