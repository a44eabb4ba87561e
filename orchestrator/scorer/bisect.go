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

// killsToBlame is how often a row must kill a scorer that has nothing else to score before the row is at fault: a scorer may
// also die for reasons of its machine.
const killsToBlame = 2

// Bisect scores a batch that failed in ever smaller parts, until every row has either a result or an error. failure is how
// the batch failed. A row is blamed only for what it did alone: a batch error, or twice the death of a scorer. Its error
// carries the code and message of that failure.
//
// score scores one part, and starts a new scorer first where the last one died. Bisect calls it less than three times per row.
// Every failure of it that killed a scorer counts as a death; more than maxDeaths of them end the search with ErrTooManyDeaths
// and the last failure. Errors that say nothing about rows (a LoadError, ErrStopped, the end of the context) end it too.
func Bisect(ctx context.Context, batch Batch, failure error, maxDeaths int,
	score func(context.Context, Batch) (Result, error)) (Result, error) {
	search := &search{
		score: score, maxDeaths: maxDeaths,
		result: Result{Lines: make([][]byte, batch.Rows())},
	}
	cause := verdictOf(failure)
	if cause == nil || batch.Rows() == 0 {
		return Result{}, fmt.Errorf("find the rows at fault: %w", failure)
	}
	var err error
	switch {
	case batch.Rows() > 1:
		err = search.halve(ctx, batch, 0)
	case cause.died:
		_, err = search.tryAlone(ctx, batch, 0, 1)
	default:
		search.blame(0, *cause)
	}
	if err != nil {
		return Result{}, fmt.Errorf("find the rows at fault: %w", err)
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
	if part.Rows() == 1 {
		return s.tryAlone(ctx, part, offset, 0)
	}
	result, cause, err := s.attempt(ctx, part)
	switch {
	case err != nil:
		return false, err
	case cause == nil:
		return false, s.record(part, offset, result)
	}
	return true, s.halve(ctx, part, offset)
}

// tryAlone scores one row, which has killed so many scorers alone before.
func (s *search) tryAlone(ctx context.Context, row Batch, offset, kills int) (failed bool, err error) {
	for {
		result, cause, err := s.attempt(ctx, row)
		switch {
		case err != nil:
			return false, err
		case cause == nil:
			return false, s.record(row, offset, result)
		}
		if kills++; kills == killsToBlame || !cause.died {
			s.blame(offset, *cause)
			return true, nil
		}
	}
}

// attempt scores a part once. It gives a result, or what to say of the rows; an error ends the search.
func (s *search) attempt(ctx context.Context, part Batch) (Result, *verdict, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, nil, err
	}
	result, failure := s.score(ctx, part)
	if failure == nil {
		return result, nil, nil
	}
	cause := verdictOf(failure)
	if cause == nil {
		return Result{}, nil, failure
	}
	if cause.died {
		if s.deaths++; s.deaths > s.maxDeaths {
			return Result{}, nil, fmt.Errorf("%w: %d, allowed are %d; the last: %w", ErrTooManyDeaths, s.deaths, s.maxDeaths, failure)
		}
	}
	return Result{}, cause, nil
}

func (s *search) record(part Batch, offset int, result Result) error {
	if len(result.Lines) != part.Rows() {
		return fmt.Errorf("score gave %d lines for %d rows", len(result.Lines), part.Rows())
	}
	copy(s.result.Lines[offset:], result.Lines)
	for _, failure := range result.Errors {
		failure.Row += offset
		s.result.Errors = append(s.result.Errors, failure)
	}
	return nil
}

func (s *search) blame(row int, cause verdict) {
	s.result.Errors = append(s.result.Errors, RowError{Row: row, Code: cause.code, Message: cause.message})
}

// verdict is what a failure says of the rows that were scored.
type verdict struct {
	code, message string
	died          bool // the scorer
}

// verdictOf returns nil for a failure that says nothing about rows.
func verdictOf(failure error) *verdict {
	var batch *BatchError
	var crash *CrashError
	var hang *HangError
	var protocol *ProtocolError
	var memory *MemoryError
	switch {
	case errors.As(failure, new(*LoadError)): // It may wrap one of the others.
		return nil
	case errors.As(failure, &batch):
		return &verdict{batch.Code, batch.Message, false}
	case errors.As(failure, &crash):
		return &verdict{"crash", "the scorer " + crash.what() + lastLine(crash.Stderr), true}
	case errors.As(failure, &hang):
		return &verdict{"hang", "the scorer " + hang.what(), true}
	case errors.As(failure, &protocol):
		return &verdict{"protocol", "the scorer " + protocol.what(), true}
	case errors.As(failure, &memory):
		return &verdict{"memory_limit", "the scorer " + memory.what(), true}
	}
	return nil
}
