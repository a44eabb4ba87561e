package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/format"
	"nightshift.dev/nightshift/orchestrator/scorer"
)

// window is how many batches are on their way to the scorer: one being scored, one in its pipe, one being read.
const window = 3

// aloneTries is how often a shard that has lost too many machines is tried alone before it is given up.
const aloneTries = 3

// execute gives the commit of this attempt, or an error when there shall be none.
func (a *attempt) execute(ctx context.Context, giveTurn func()) (orchestrator.Commit, error) {
	if failure := a.exhausted(); failure != nil {
		return a.fail(ctx, *failure)
	}
	work := a.score
	if a.shard.Kind == orchestrator.ShardIndex {
		work = a.index
	}
	commit, err := work(ctx, giveTurn)
	if err == nil {
		return commit, nil
	}
	why, failure := diagnose(ctx, err)
	if why == causeFinal || why == causeCode && a.history.failed+1 >= a.model.MaxAttempts {
		return a.fail(ctx, failure)
	}
	return orchestrator.Commit{}, err
}

// exhausted says why the shard shall not be tried any more, nil when it may be.
func (a *attempt) exhausted() *orchestrator.Failure {
	switch {
	case a.history.failed >= a.model.MaxAttempts:
		return a.history.last
	case a.history.lost >= a.model.MaxLost+aloneTries:
		return &orchestrator.Failure{Code: CodeMachineLost, Message: fmt.Sprintf(
			"%d attempts ended without a word, %d of them alone on a worker and in small batches; the machine or the worker was lost each time",
			a.history.lost, aloneTries)}
	}
	return nil
}

// alone says that the shard is suspected to kill machines: nothing else runs beside it, in small batches.
func (a *attempt) alone() bool { return a.history.lost >= a.model.MaxLost }

func (a *attempt) batchRows() int {
	if a.alone() {
		return max(a.model.BatchRows/16, 1)
	}
	return max(a.model.BatchRows, 1)
}

// flight is a chunk of rows on its way through the scorer.
type flight struct {
	chunk   *format.Chunk
	batch   scorer.Batch
	answers <-chan answer
	written chan struct{} // closed when its results are
}

// score reads the range, feeds it to the scorer and writes what comes back.
func (a *attempt) score(ctx context.Context, giveTurn func()) (orchestrator.Commit, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows, err := a.openRows(ctx)
	if err != nil {
		return orchestrator.Commit{}, err
	}
	defer func() { _ = rows.Close() }() // everything needed was read
	if a.again, err = a.readBase(ctx); err != nil {
		return orchestrator.Commit{}, err
	}
	if a.load, err = a.session.load(ctx, a.model); err != nil {
		return orchestrator.Commit{}, err
	}
	if a.again == nil {
		a.relieve(rows)
	}
	out := newOutput(ctx, a)
	defer out.abort()
	flights := make(chan flight, window-2) // one more is in the sender's hands, one in the receiver's
	var sender sync.WaitGroup
	var sent error
	sender.Go(func() {
		defer close(flights)
		sent = a.send(ctx, rows, flights)
		if sent == nil && !a.alone() {
			giveTurn()
		}
	})
	received := a.receive(ctx, flights, out)
	if received != nil {
		cancel()
	}
	sender.Wait()
	if received != nil {
		return orchestrator.Commit{}, received
	}
	if sent != nil {
		return orchestrator.Commit{}, sent
	}
	if err := out.publish(); err != nil {
		return orchestrator.Commit{}, err
	}
	if a.again != nil {
		if err := out.merge(); err != nil {
			return orchestrator.Commit{}, err
		}
	}
	return out.commit(orchestrator.OutcomeScored)
}

// relieve leaves to the scorer what it can do itself.
func (a *attempt) relieve(rows *format.Rows) {
	arrow, checksRows := a.session.able(a.model)
	if arrow {
		rows.AsRecords()
	}
	if checksRows {
		rows.Unchecked()
	}
}

func (a *attempt) openRows(ctx context.Context) (*format.Rows, error) {
	options := format.Options{Key: a.job.Spec.Key, MaxRowBytes: a.model.MaxRowBytes, Columns: a.model.Columns}
	if a.job.Standing == nil {
		return format.OpenRows(ctx, a.objects, a.shard.Object, a.shard.Range, options)
	}
	messages, err := a.config.Messages.Open(ctx, a.job.Standing.Source, a.shard.Object, a.shard.Range)
	if err != nil {
		return nil, err
	}
	return format.OpenMessages(messages, a.shard.Object.URI, options), nil
}

// send reads chunks and hands their good rows to the scorer.
func (a *attempt) send(ctx context.Context, rows *format.Rows, flights chan<- flight) error {
	var last flight
	for {
		chunk, err := rows.Next(a.batchRows())
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if a.again != nil {
			a.again.keep(chunk)
		}
		if err := a.inOrder(ctx, last.written); err != nil {
			return err
		}
		next := flight{chunk: chunk, batch: batchOf(chunk), written: make(chan struct{})}
		last = next
		if next.batch.Rows() > 0 {
			if next.answers, err = a.session.submit(ctx, a.model, next.batch); err != nil {
				return err
			}
		}
		select {
		case flights <- next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// batchOf is the good rows of a chunk.
func batchOf(chunk *format.Chunk) scorer.Batch {
	if chunk.Record != nil {
		return scorer.Record(chunk.Record)
	}
	lines := make([][]byte, 0, len(chunk.Rows))
	for _, row := range chunk.Rows {
		if row.Error == nil {
			lines = append(lines, row.Line)
		}
	}
	return scorer.Lines(lines)
}

// receive takes the answers in the order of the rows and writes them.
func (a *attempt) receive(ctx context.Context, flights <-chan flight, out *output) error {
	for next := range flights {
		var result scorer.Result
		if next.answers != nil {
			select {
			case got := <-next.answers:
				result = got.result
				if got.err != nil {
					var err error
					if result, err = a.session.recover(ctx, a.model, next.batch, got.err); err != nil {
						return err
					}
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := out.write(next.chunk, result); err != nil {
			return err
		}
		next.chunk.Release()
		close(next.written)
	}
	return nil
}

// inOrder waits, where rows are scored in their order, until those before have their scores: a batch that fails is scored again row by row, and what is behind it
// may not be scored meanwhile.
func (a *attempt) inOrder(ctx context.Context, written <-chan struct{}) error {
	if a.job.Standing == nil || !a.job.Standing.Ordered || written == nil {
		return nil
	}
	select {
	case <-written:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// output gathers what an attempt writes.
type output struct {
	*attempt
	ctx      context.Context
	part     *format.PartWriter
	errors   *format.ErrorWriter
	results  unpublished
	rows, ok int64
	failed   int64
}

func newOutput(ctx context.Context, a *attempt) *output { return &output{attempt: a, ctx: ctx} }

func (a *attempt) name(suffix string) string {
	return fmt.Sprintf("%sparts/%06d-%s%s", a.job.Output, a.shard.Number, a.id, suffix)
}

// write appends one chunk: results of good rows in input order, errors of the others.
func (o *output) write(chunk *format.Chunk, result scorer.Result) error {
	failed := make(map[int]scorer.RowError, len(result.Errors))
	for _, problem := range result.Errors {
		failed[problem.Row] = problem
	}
	at := 0 // index among the good rows
	for i := range chunk.Rows {
		row := &chunk.Rows[i]
		o.rows++
		if row.Error != nil {
			if err := o.problem(row, row.Error.Code, row.Error.Message); err != nil {
				return err
			}
			continue
		}
		line := result.Lines[at]
		problem, bad := failed[at]
		at++
		if line == nil || bad {
			if err := o.refused(row, problem); err != nil {
				return err
			}
			continue
		}
		if err := o.result(row, line); err != nil {
			return err
		}
	}
	return nil
}

// refused writes the error of a row that the scorer has refused, in the reader's words where its line is no row.
func (o *output) refused(row *format.Row, problem scorer.RowError) error {
	format.Recheck(row, o.shard.Object.URI)
	if row.Error != nil {
		return o.problem(row, row.Error.Code, row.Error.Message)
	}
	return o.problem(row, problem.Code, problem.Message)
}

func (o *output) createPart() error {
	out, err := o.objects.Create(o.ctx, o.name("."+string(o.job.OutputFormat)))
	if err != nil {
		return err
	}
	o.part, err = format.NewPartWriter(out, o.job.OutputFormat, o.job.Spec.Key)
	return err
}

func (o *output) result(row *format.Row, line []byte) error {
	if o.publishes() {
		return o.gather(row, line)
	}
	if o.again != nil {
		o.again.add(row, o.shard.Object.URI, line)
		return nil
	}
	if o.part == nil {
		if err := o.createPart(); err != nil {
			return err
		}
	}
	err := o.part.Append(row.Key, o.shard.Object.URI, row.Offset, line)
	if err == nil {
		o.ok++
		return nil
	}
	var refused *format.Error
	if errors.As(err, &refused) { // this result cannot be written, others can
		return o.problem(row, refused.Code, refused.Message)
	}
	return err
}

// problem writes the error of one row.
func (o *output) problem(row *format.Row, code, message string) error {
	if err := o.appendError(row, code, message); err != nil {
		return err
	}
	o.failed++
	return nil
}

func (o *output) appendError(row *format.Row, code, message string) error {
	if o.errors == nil {
		out, err := o.objects.Create(o.ctx, o.name(".errors.jsonl"))
		if err != nil {
			return err
		}
		o.errors = format.NewErrorWriter(out)
	}
	problem := orchestrator.RowError{
		Object: o.shard.Object.URI, Offset: row.Offset, Code: code, Message: message, Attempts: o.history.started + 1,
	}
	if row.Key != nil {
		problem.Key = json.RawMessage(row.Key)
	}
	return o.errors.Append(problem)
}

// commit closes what was written, which makes it durable, and says so.
func (o *output) commit(outcome orchestrator.Outcome) (orchestrator.Commit, error) {
	commit := o.newCommit(outcome)
	commit.RowsIn, commit.RowsOK, commit.Failed = o.rows, o.ok, o.failed
	if o.part != nil {
		part := o.part
		o.part = nil
		written, err := part.Close(o.ctx)
		if err != nil {
			return commit, err
		}
		commit.Result = &written
	}
	if o.errors != nil {
		problems := o.errors
		o.errors = nil
		written, err := problems.Close(o.ctx)
		if err != nil {
			o.remove(o.ctx, commit)
			return commit, err
		}
		commit.Errors = &written
	}
	return commit, nil
}

func (a *attempt) newCommit(outcome orchestrator.Outcome) orchestrator.Commit {
	now := time.Now()
	return orchestrator.Commit{
		Epoch: a.shard.Epoch, Number: a.shard.Number, Attempt: a.id, Worker: a.config.ID, Pool: a.config.Pool, Outcome: outcome,
		Attempts: a.history.started + 1, Started: a.turnAt.UTC(), Finished: now.UTC(),
		Seconds: a.spent.until(a.turnAt, now).Seconds(), LoadSeconds: a.load,
	}
}

// abort gives up what was not closed.
func (o *output) abort() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.ctx), 10*time.Second)
	defer cancel()
	if o.part != nil {
		_ = o.part.Abort(ctx) // what stays is swept (W3)
	}
	if o.errors != nil {
		_ = o.errors.Abort(ctx)
	}
}

// fail gives the commit of a shard that cannot be scored: every row goes to the error object.
func (a *attempt) fail(ctx context.Context, failure orchestrator.Failure) (orchestrator.Commit, error) {
	if a.shard.Kind == orchestrator.ShardIndex {
		commit := a.newCommit(orchestrator.OutcomeFailed)
		commit.Failure = &failure
		return commit, nil
	}
	out := newOutput(ctx, a)
	defer out.abort()
	unread := out.failRows(failure)
	if unread != nil {
		why, reason := diagnose(ctx, unread)
		if why == causeBlocked || why == causeDrained {
			return orchestrator.Commit{}, unread
		}
		if err := out.standIn(reason); err != nil {
			return orchestrator.Commit{}, err
		}
	}
	commit, err := out.commit(orchestrator.OutcomeFailed)
	commit.Failure, commit.Unread = &failure, unread != nil
	return commit, err
}

// standIn writes the one error line for all rows of the range that cannot be read. Nobody knows how many they are, so it is not counted as a row.
func (o *output) standIn(reason orchestrator.Failure) error {
	at, unit := o.shard.Range, "bytes"
	switch {
	case !o.shard.Object.Splittable():
		unit = "compressed bytes"
	case o.shard.Object.Format == orchestrator.FormatParquet:
		unit = "rows"
	case o.shard.Object.Format == orchestrator.FormatMessages:
		unit = "positions"
	}
	where := "all"
	if o.rows > 0 {
		where = fmt.Sprintf("what follows after %d rows", o.rows)
	}
	return o.appendError(&format.Row{Offset: at.Start}, reason.Code, fmt.Sprintf(
		"%s; this line stands for %s of the range from %d to %d (%s), which could not be read", reason.Message, where, at.Start, at.End, unit))
}

func (o *output) failRows(failure orchestrator.Failure) error {
	rows, err := o.openRows(o.ctx)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // only read
	for {
		chunk, err := rows.Next(o.batchRows())
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range chunk.Rows {
			if err := o.problem(&chunk.Rows[i], failure.Code, failure.Message); err != nil {
				return err
			}
			o.rows++
		}
		chunk.Release()
	}
}

// spent splits a worker's time among its attempts, which overlap: each is given the time since the one before it ended.
type spent struct {
	mu  sync.Mutex
	end time.Time
}

func (s *spent) until(from, to time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from.Before(s.end) {
		from = s.end
	}
	s.end = to
	return max(to.Sub(from), 0)
}
