package worker

import (
	"context"
	"errors"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/format"
	"nightshift.dev/nightshift/orchestrator/object"
	"nightshift.dev/nightshift/orchestrator/scorer"
	"nightshift.dev/nightshift/orchestrator/state"
)

// The codes of failures that this package gives itself; those of input, output and scorer pass through.
const (
	CodeLoadFailed   = "load_failed"   // the scorer did not get ready
	CodeScorerFailed = "scorer_failed" // the scorer died too often, or answered what cannot be written
	CodeStoreFull    = "store_full"    // JetStream refuses messages
	CodeStoreAway    = "store_away"    // JetStream does not answer, as while its servers elect a leader
	CodeMachineLost  = "machine_lost"  // the shard's attempts ended without a word, too often
	CodeMemoryShort  = "memory_short"  // a row needs more memory than its worker has now
	CodeInternal     = "internal"      // none of the above: please report it
)

// cause says whose fault a failed attempt is, which decides what is counted and when it is tried again.
type cause int

const (
	causeCode    cause = iota // the scorer or the input: counts as an attempt
	causeFinal                // the input: no further attempt can help
	causeBlocked              // an output, an object store or JetStream: tried again later
	causeLoad                 // the model does not load: not the shard's fault
	causeShort                // more memory is needed than the worker has now: not the shard's fault
	causeDrained              // the worker ends: not an attempt
)

// errDrained ends an attempt whose worker is told to end.
var errDrained = errors.New("the worker is ending")

// diagnose sorts an error of an attempt.
func diagnose(ctx context.Context, err error) (cause, orchestrator.Failure) {
	var inObject *object.Error
	var inFormat *format.Error
	var inSource *orchestrator.SourceError
	switch {
	case errors.Is(err, errShort):
		return causeShort, orchestrator.Failure{Code: CodeMemoryShort, Message: err.Error()}
	case errors.Is(err, errLoad):
		return causeLoad, orchestrator.Failure{Code: CodeLoadFailed, Message: err.Error()}
	case ctx.Err() != nil, errors.Is(err, errDrained):
		return causeDrained, orchestrator.Failure{}
	case errors.Is(err, state.ErrFull):
		return causeBlocked, orchestrator.Failure{Code: CodeStoreFull, Message: err.Error()}
	case errors.Is(err, state.ErrAway):
		return causeBlocked, orchestrator.Failure{Code: CodeStoreAway, Message: err.Error()}
	case errors.As(err, &inObject):
		failure := orchestrator.Failure{Code: inObject.Code, Message: err.Error()}
		switch inObject.Code {
		case object.CodeOutputFull, object.CodeOutputUnwritable, object.CodeUnavailable:
			return causeBlocked, failure
		}
		return causeFinal, failure
	case errors.As(err, &inSource):
		if inSource.Code == orchestrator.SourceUnavailable {
			return causeBlocked, orchestrator.Failure{Code: inSource.Code, Message: err.Error()}
		}
		return causeFinal, orchestrator.Failure{Code: inSource.Code, Message: err.Error()}
	case errors.As(err, &inFormat):
		return causeFinal, orchestrator.Failure{Code: inFormat.Code, Message: err.Error()}
	case errors.Is(err, scorer.ErrTooManyDeaths):
		return causeCode, orchestrator.Failure{Code: CodeScorerFailed, Message: err.Error()}
	}
	return causeCode, orchestrator.Failure{Code: CodeInternal, Message: err.Error()}
}
