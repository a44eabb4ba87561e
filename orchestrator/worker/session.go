package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/scorer"
)

// session owns the scorer process: at most one, with one model. Batches are sent under a read lock that is held until their answer is there;
// whoever loads a model, or looks for the row that killed the scorer, takes the write lock and is then alone with it.
type session struct {
	log     func(line string)
	loading func(loadNews)
	memory  *memory

	mu      sync.RWMutex
	process *scorer.Process
	model   orchestrator.ModelRef
	loads   int

	failures struct {
		sync.Mutex
		count int       // loads that failed, one after another
		until time.Time // no load before
	}
}

// loadNews is told when a load begins (seconds 0, failure nil), has succeeded, or has failed.
type loadNews struct {
	model    orchestrator.ModelRef
	loads    int // of this worker since it started
	seconds  float64
	failures int // in a row
	failure  *orchestrator.Failure
}

// answer is what became of a batch.
type answer struct {
	result scorer.Result
	err    error
}

// errLoad wraps every failure to get a model loaded (P4): not the shard's fault.
var errLoad = errors.New("the model does not load")

// submit sends a batch and gives its answer on a channel. It loads the model first where that is needed.
func (s *session) submit(ctx context.Context, model orchestrator.ModelSnapshot, batch scorer.Batch) (<-chan answer, error) {
	for {
		s.mu.RLock()
		if s.ready(model) {
			pending, err := s.process.Submit(ctx, batch)
			answers := make(chan answer, 1)
			if err != nil {
				s.mu.RUnlock()
				answers <- answer{err: err}
				return answers, ctx.Err()
			}
			go func() {
				result, err := pending.Wait(ctx)
				s.mu.RUnlock()
				answers <- answer{result, err}
			}()
			return answers, nil
		}
		s.mu.RUnlock()
		if _, err := s.load(ctx, model); err != nil {
			return nil, err
		}
	}
}

func (s *session) ready(model orchestrator.ModelSnapshot) bool {
	return s.process != nil && s.model.Digest == model.Digest && s.process.Alive()
}

// has says that the model is loaded.
func (s *session) has(model orchestrator.ModelRef) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.process != nil && s.model == model && s.process.Alive()
}

// load makes sure that the model is loaded and says how many seconds that took, 0 when it was.
func (s *session) load(ctx context.Context, model orchestrator.ModelSnapshot) (seconds float64, err error) {
	s.mu.RLock()
	ready := s.ready(model)
	s.mu.RUnlock()
	if ready { // the other attempt's batches may be on their way: do not wait for them
		return 0, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loadLocked(ctx, model)
}

func (s *session) loadLocked(ctx context.Context, model orchestrator.ModelSnapshot) (seconds float64, err error) {
	if s.ready(model) {
		return 0, nil
	}
	s.stopLocked()
	reference := orchestrator.ModelRef{Name: model.Name, Digest: model.Digest}
	s.loads++
	s.loading(loadNews{model: reference, loads: s.loads, failures: s.failuresInARow()})
	spec := specification(model, s.log)
	spec.Allowed = s.memory.allowed
	process, err := scorer.Start(ctx, spec)
	s.memory.ended(model.Name, err)
	if ctx.Err() == nil && s.memory.raise(model).possible(err) {
		return 0, s.memory.sendBack(err)
	}
	if err != nil {
		if ctx.Err() == nil {
			failure := s.failed(err)
			s.loading(loadNews{model: reference, loads: s.loads, failures: s.failuresInARow(), failure: failure})
		}
		return 0, fmt.Errorf("%w: %w", errLoad, err)
	}
	s.failures.Lock()
	s.failures.count = 0
	s.failures.Unlock()
	s.process, s.model = process, reference
	s.memory.runs(process, model.Name)
	seconds = process.LoadDuration().Seconds()
	s.loading(loadNews{model: reference, loads: s.loads, seconds: seconds})
	return seconds, nil
}

func specification(model orchestrator.ModelSnapshot, log func(string)) scorer.Spec {
	spec := scorer.Spec{
		Command: model.Command, Dir: model.Dir, Model: model.Name, Parameters: model.Parameters, Columns: model.Columns, Log: log,
		ReadyTimeout: model.ReadyTimeout, BatchTimeout: model.BatchTimeout, MemoryLimit: model.MemoryLimit,
	}
	for _, name := range slices.Sorted(maps.Keys(model.Env)) {
		value := model.Env[name]
		// Where the service's folder of the scorer host is not on this machine, as in a Ray cluster, it stands on the worker's own path.
		if own := os.Getenv("PYTHONPATH"); name == "PYTHONPATH" && own != "" {
			value += ":" + own
		}
		spec.Env = append(spec.Env, name+"="+value)
	}
	return spec
}

// failed counts a failed load and sets the time before which none is tried: 1, 2, 4 ... 30 seconds.
func (s *session) failed(err error) *orchestrator.Failure {
	s.failures.Lock()
	defer s.failures.Unlock()
	s.failures.count++
	wait := time.Second << min(s.failures.count-1, 5)
	s.failures.until = time.Now().Add(min(wait, 30*time.Second))
	return &orchestrator.Failure{Code: CodeLoadFailed, Message: fmt.Sprintf("load %d in a row failed: %v", s.failures.count, err)}
}

func (s *session) failuresInARow() int {
	s.failures.Lock()
	defer s.failures.Unlock()
	return s.failures.count
}

// pause is how long no shard should be pulled, because the model did not load a moment ago.
func (s *session) pause() time.Duration {
	s.failures.Lock()
	defer s.failures.Unlock()
	if s.failures.count == 0 {
		return 0
	}
	return max(time.Until(s.failures.until), 0)
}

// maxDeaths bounds how often one batch may kill the scorer while its bad rows are looked for.
const maxDeaths = 64

// recover scores a batch that failed, alone with the scorer: it is halved until the rows that cannot be scored are known (P1, P2, P3). A scorer
// killed from outside (P5) costs a repetition, no row. One that was ended for want of memory gets more where there is more (H4).
func (s *session) recover(ctx context.Context, model orchestrator.ModelSnapshot, batch scorer.Batch, failure error) (scorer.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raise := s.memory.raise(model)
	raise.got(ctx, failure)
	score := func(ctx context.Context, part scorer.Batch) (result scorer.Result, err error) {
		for deaths := 0; deaths < 2; { // a death may come from outside: only the second one alone is believed
			if _, err = s.loadLocked(ctx, model); err != nil {
				return result, err
			}
			result, err = s.process.Score(ctx, part)
			switch {
			case err == nil || s.process.Alive():
				return result, err
			case raise.got(ctx, err): // as if it had not been tried
				continue
			case raise.leaves(err) || part.Rows() == 1 && raise.possible(err):
				return result, s.memory.sendBack(err)
			case part.Rows() > 1:
				return result, err
			}
			deaths++
		}
		return result, err
	}
	result, err := score(ctx, batch)
	if err == nil {
		return result, nil
	}
	return scorer.Bisect(ctx, batch, err, maxDeaths, score)
}

func (s *session) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopLocked()
}

func (s *session) stopLocked() {
	if s.process == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), scorer.DefaultStopTimeout)
	defer cancel()
	_ = s.process.Stop(ctx) // what it held has been answered; a scorer that does not stop is killed
	s.process = nil
}

// able says what the scorer that has the model loaded can do: take record batches, and tell lines that are no rows.
func (s *session) able(model orchestrator.ModelSnapshot) (arrow, checksRows bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.ready(model) {
		return false, false
	}
	return s.process.AcceptsArrow(), s.process.ChecksRows()
}
