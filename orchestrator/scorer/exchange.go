package scorer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Pending is a batch that was submitted.
type Pending struct {
	id     int64
	rows   int
	done   chan struct{} // closed when result and err are set
	result Result
	err    error
}

// Wait returns the answer to the batch. A context that ends only ends the wait: the scorer goes on with the batch.
func (p *Pending) Wait(ctx context.Context) (Result, error) {
	select {
	case <-p.done:
		return p.result, p.err
	default:
	}
	select {
	case <-p.done:
		return p.result, p.err
	case <-ctx.Done():
		return Result{}, fmt.Errorf("wait for batch %d: %w", p.id, context.Cause(ctx))
	}
}

func (p *Pending) finish(result Result, err error) {
	p.result, p.err = result, err
	close(p.done)
}

// Submit hands a batch to the scorer. It waits while four batches are outstanding. Batches are answered in the order in which
// they were submitted.
func (p *Process) Submit(ctx context.Context, batch Batch) (*Pending, error) {
	encoding, payload, err := batch.payload(p.acceptsArrow)
	if err != nil {
		return nil, fmt.Errorf("submit batch: %w", err)
	}
	select {
	case p.room <- struct{}{}:
	case <-p.over:
		return nil, p.failure()
	case <-ctx.Done():
		return nil, fmt.Errorf("submit batch: %w", context.Cause(ctx))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead != nil || p.stopping {
		<-p.room
		if p.dead != nil {
			return nil, p.dead
		}
		return nil, ErrStopped
	}
	p.lastID++
	pending := &Pending{id: p.lastID, rows: batch.Rows(), done: make(chan struct{})}
	p.queue = append(p.queue, pending)
	if len(p.queue) == 1 {
		p.setAlarm()
	}
	header := batchHeader{Type: "batch", ID: pending.id, Encoding: encoding, Rows: pending.rows, Bytes: len(payload)}
	p.outgoing <- message{header: header.line(), payload: payload}
	return pending, nil
}

// Score submits a batch and waits for its answer.
func (p *Process) Score(ctx context.Context, batch Batch) (Result, error) {
	pending, err := p.Submit(ctx, batch)
	if err != nil {
		return Result{}, err
	}
	return pending.Wait(ctx)
}

// setAlarm gives the batch that has just become the oldest its time. The caller holds the lock.
func (p *Process) setAlarm() {
	p.deadline = time.Now().Add(p.spec.BatchTimeout)
	p.alarm.Reset(p.spec.BatchTimeout)
}

// checkHang runs when the alarm rings. The alarm may have been set anew in the meantime, so the deadline decides.
func (p *Process) checkHang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) > 0 && !time.Now().Before(p.deadline) {
		p.fail(&HangError{Timeout: p.spec.BatchTimeout})
	}
}

// oldest is the batch that the next answer must be for, or nil.
func (p *Process) oldest() *Pending {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return nil
	}
	return p.queue[0]
}

// settle answers the oldest batch.
func (p *Process) settle(result Result, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pending := p.queue[0]
	p.queue = slices.Delete(p.queue, 0, 1)
	if len(p.queue) > 0 {
		p.setAlarm()
	} else {
		p.alarm.Stop()
	}
	<-p.room
	pending.finish(result, err)
}

// read takes the answers of the scorer until they end or break the protocol.
func (p *Process) read() {
	defer close(p.drained)
	reader := bufio.NewReaderSize(p.child.stdout, 64<<10)
	err := p.readHandshake(reader)
	for err == nil {
		err = p.readNext(reader)
	}
	var broken violation
	var load *LoadError
	switch {
	case errors.As(err, &broken):
		p.fail(&ProtocolError{Problem: err.Error()})
	case errors.As(err, &load):
		p.fail(load)
	case !p.child.ended(drainTimeout): // The end of its output came first; how the process ends says more.
		p.fail(&ProtocolError{Problem: "it closed its standard output but did not end"})
	}
}

// readHandshake reads the first message, which is ready or fatal (cases 2 and 3).
func (p *Process) readHandshake(reader *bufio.Reader) error {
	first, err := readAnswer(reader)
	if err != nil {
		return err
	}
	switch {
	case first.Type == "fatal":
		return &LoadError{Code: first.Code, Message: first.Message}
	case first.Type != "ready":
		return violationf("its first message is %q; it must be ready or fatal", first.Type)
	case first.Protocol != protocolVersion:
		return &LoadError{
			Code:    "protocol_version",
			Message: fmt.Sprintf("it speaks protocol %d; this worker speaks %d", first.Protocol, protocolVersion),
		}
	case first.Return != "" && first.Return != encodingLines && first.Return != encodingArrow:
		return violationf(`"return" in ready is %q; allowed are jsonl and arrow`, first.Return)
	}
	p.loadDuration = time.Since(p.started)
	p.acceptsArrow = slices.Contains(first.Accept, encodingArrow)
	p.checksRows = first.ChecksRows
	p.returnsArrow = first.Return == encodingArrow
	close(p.ready)
	return nil
}

// readNext reads the answer to the oldest batch.
func (p *Process) readNext(reader *bufio.Reader) error {
	header, err := readAnswer(reader)
	if err != nil {
		return err
	}
	if header.Type != "result" && header.Type != "error" {
		return violationf("a message of type %q where result or error must come", header.Type)
	}
	oldest := p.oldest()
	if oldest == nil {
		return violationf("an answer to batch %d, but no batch is outstanding", header.ID)
	}
	if header.ID != oldest.id {
		return violationf("an answer to batch %d where batch %d comes next", header.ID, oldest.id)
	}
	if header.Type == "error" {
		known := Failure{Scorer: p.spec.name(), Batch: oldest.id, Rows: oldest.rows, Stderr: p.stderr.String()}
		p.settle(Result{}, &BatchError{Failure: known, Code: header.Code, Message: header.Message})
		return nil
	}
	result, err := readResult(reader, header, oldest.rows, p.returnsArrow)
	if err == nil {
		p.settle(result, nil)
	}
	return err
}
