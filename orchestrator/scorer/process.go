package scorer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// window is how many batches may be outstanding: one is being scored, the others wait in pipes or are being answered.
	window = 4
	// drainTimeout bounds the wait for what a dead scorer still has in its pipes. Only a process that left the group, and
	// keeps a pipe open, uses all of it.
	drainTimeout = time.Second
	// killTimeout bounds the wait for a killed process. Only one that hangs inside the kernel uses all of it.
	killTimeout = 10 * time.Second
)

// Process is a scorer that runs. Its methods may be called from several goroutines.
type Process struct {
	spec     Spec
	child    *child
	started  time.Time
	stderr   tail
	memory   meter
	kills    int64         // for want of memory, by the kernel, before the scorer was started
	outgoing chan message  // to the writer; it never blocks, because room bounds the batches in it
	room     chan struct{} // holds one token per outstanding batch
	cause    chan error    // why the scorer must die; the first counts
	ready    chan struct{} // closed by the reader when the scorer is ready
	drained  chan struct{} // closed when the reader ends
	relayed  chan struct{} // closed when standard error has ended
	over     chan struct{} // closed when the scorer is dead and every batch has its answer

	dying atomic.Bool // set with the first cause, or when the process has ended

	// Set by the reader before it closes ready.
	loadDuration time.Duration
	acceptsArrow bool
	checksRows   bool
	returnsArrow bool

	mu       sync.Mutex
	queue    []*Pending // outstanding batches, oldest first
	lastID   int64
	deadline time.Time // when the oldest batch becomes a hang
	alarm    *time.Timer
	stopping bool
	dead     error // set once: why there is no more scorer
}

// message is a header line with its line break, and what follows it. After the last one the scorer's input ends.
type message struct {
	header, payload []byte
	last            bool
}

// Start starts a scorer and returns when it is ready. The context bounds the start only; the scorer lives until Stop, Kill or
// a failure. The error is a LoadError, except where the spec itself is wrong.
func Start(ctx context.Context, spec Spec) (*Process, error) {
	spec = spec.withDefaults()
	if err := spec.check(); err != nil {
		return nil, fmt.Errorf("start scorer: %w", err)
	}
	if spec.limit() > 0 && residentBytes(os.Getpid()) == 0 {
		return nil, fmt.Errorf("start scorer %s: a limit of %d bytes: memory cannot be read from /proc on this machine", spec.name(), spec.limit())
	}
	hello, err := spec.hello()
	if err != nil {
		return nil, fmt.Errorf("start scorer %s: %w", spec.name(), err)
	}
	started := time.Now()
	child, err := spawn(spec)
	if err != nil {
		return nil, &LoadError{Failure: Failure{Scorer: spec.name()}, Code: "not_started", Message: err.Error(), Cause: err}
	}
	p := newProcess(spec, child, started)
	p.outgoing <- message{header: hello}
	go p.supervise()
	go p.read()
	go p.write()
	go p.relay()
	go p.watchMemory()
	if err := p.awaitReady(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

func newProcess(spec Spec, child *child, started time.Time) *Process {
	p := &Process{
		spec: spec, child: child, started: started, kills: kernelKills(spec.root),
		outgoing: make(chan message, window+2), // also hello and stop
		room:     make(chan struct{}, window),
		cause:    make(chan error, 1),
		ready:    make(chan struct{}),
		drained:  make(chan struct{}),
		relayed:  make(chan struct{}),
		over:     make(chan struct{}),
	}
	p.memory.group = child.pid
	p.alarm = time.AfterFunc(time.Hour, p.checkHang)
	p.alarm.Stop()
	return p
}

func (p *Process) awaitReady(ctx context.Context) error {
	timer := time.NewTimer(p.spec.ReadyTimeout)
	defer timer.Stop()
	select {
	case <-p.ready:
		return nil
	case <-p.over:
	case <-timer.C:
		p.fail(&LoadError{Code: "load_timeout", Message: fmt.Sprintf("it was not ready within %s and was killed", p.spec.ReadyTimeout)})
	case <-ctx.Done():
		p.fail(&LoadError{Code: "cancelled", Message: ctx.Err().Error(), Cause: context.Cause(ctx)})
	}
	<-p.over
	err := p.failure()
	if end := death(nil); errors.As(err, &end) && !errors.As(err, new(*LoadError)) {
		load := &LoadError{Code: "load_died", Message: end.what(), Cause: err}
		load.complete(Failure{Scorer: p.spec.name(), Stderr: p.stderr.String()})
		return load
	}
	return err
}

// LoadDuration is the time from start to ready.
func (p *Process) LoadDuration() time.Duration { return p.loadDuration }

// AcceptsArrow says whether the scorer reads Arrow batches. Others get records as JSON lines.
func (p *Process) AcceptsArrow() bool { return p.acceptsArrow }

// ChecksRows says whether lines that are no rows may be sent: the scorer answers each with an error of its row (case 2).
func (p *Process) ChecksRows() bool { return p.checksRows }

// PeakMemory is the most bytes that the scorer's process group was seen to hold. For the first process the kernel keeps the
// count, so nothing between two samples is missed but what came in the last quarter of a second of its life.
func (p *Process) PeakMemory() int64 { return p.memory.peak.Load() }

// PID is the process id of the scorer, which is also the id of its process group.
func (p *Process) PID() int { return p.child.pid }

// Alive reports whether the scorer can be given batches.
func (p *Process) Alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.dying.Load() && !p.stopping
}

// Stop lets the scorer answer what is outstanding and end. It kills it after the stop timeout, or when the context ends, and
// says so in its error. A scorer that is dead already is no error.
func (p *Process) Stop(ctx context.Context) error {
	p.mu.Lock()
	before := p.dead
	if before == nil && !p.stopping {
		p.stopping = true
		p.outgoing <- message{header: []byte(`{"type":"stop"}` + "\n"), last: true}
	}
	p.mu.Unlock()
	if before != nil {
		<-p.over
		return nil
	}
	timer := time.NewTimer(p.spec.StopTimeout)
	defer timer.Stop()
	var forced error
	select {
	case <-p.over:
	case <-timer.C:
		forced = fmt.Errorf("it did not end within %s and was killed", p.spec.StopTimeout)
	case <-ctx.Done():
		forced = fmt.Errorf("it was killed: %w", context.Cause(ctx))
	}
	if forced != nil {
		p.Kill()
	} else if err := p.failure(); !errors.Is(err, ErrStopped) {
		forced = err
	}
	if forced != nil {
		return fmt.Errorf("stop scorer %s: %w", p.spec.name(), forced)
	}
	return nil
}

// Kill ends the scorer at once. Outstanding batches fail with ErrStopped. It returns when the process is gone.
func (p *Process) Kill() {
	p.fail(ErrStopped)
	<-p.over
}

// fail makes the supervisor end the scorer. Only the first cause counts.
func (p *Process) fail(cause error) {
	p.dying.Store(true)
	select {
	case p.cause <- cause:
	default:
	}
}

// failure is why there is no more scorer.
func (p *Process) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// supervise waits for a cause of death or for the end of the process, and then winds everything up.
func (p *Process) supervise() {
	defer close(p.over)
	var cause error
	select {
	case cause = <-p.cause:
	case <-p.child.exited:
		p.dying.Store(true)
		cause = p.ended()
	}
	p.child.kill()
	p.child.ended(killTimeout)
	_ = p.child.stdin.Close() // Frees a writer that waits for a reader of the pipe.
	deadline := time.Now().Add(drainTimeout)
	_ = p.child.stdout.SetReadDeadline(deadline)
	_ = p.child.stderr.SetReadDeadline(deadline)
	<-p.drained
	<-p.relayed
	p.child.closePipes()
	p.bury(cause)
}

// ended lets the reader take what an ended scorer left in its pipe, and returns why it ended.
func (p *Process) ended() error {
	_ = p.child.stdout.SetReadDeadline(time.Now().Add(drainTimeout))
	<-p.drained
	select {
	case cause := <-p.cause:
		return cause
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	end := crash(p.child.status())
	if end.Signal == syscall.SIGKILL && kernelKills(p.spec.root) > p.kills {
		return &MemoryError{Limit: p.spec.limit(), Used: p.PeakMemory(), Kernel: true}
	}
	if p.stopping && len(p.queue) == 0 && end.ExitCode == 0 {
		return ErrStopped
	}
	return end
}

// bury gives the cause its Failure and fails every outstanding batch with it.
func (p *Process) bury(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := Failure{Scorer: p.spec.name(), Stderr: p.stderr.String()}
	if len(p.queue) > 0 {
		known.Batch, known.Rows = p.queue[0].id, p.queue[0].rows
	}
	if unfinished := death(nil); errors.As(cause, &unfinished) {
		unfinished.complete(known)
	}
	p.dead = cause
	p.alarm.Stop()
	for _, pending := range p.queue {
		pending.finish(Result{}, cause)
	}
	p.queue = nil
}

func (p *Process) relay() {
	defer close(p.relayed)
	p.stderr.relay(p.child.stderr, p.spec.Log)
}

func (p *Process) watchMemory() {
	if used, limit := p.memory.watch(p.child.exited, p.spec.limit); used > 0 {
		p.fail(&MemoryError{Limit: limit, Used: used})
	}
}

// write sends messages to the scorer until it is dead.
func (p *Process) write() {
	for {
		select {
		case <-p.over:
			return
		case next := <-p.outgoing:
			_, err := p.child.stdin.Write(next.header)
			if err == nil {
				_, err = p.child.stdin.Write(next.payload)
			}
			if next.last {
				_ = p.child.stdin.Close()
			}
			if err != nil {
				if !p.child.ended(drainTimeout) {
					p.fail(&ProtocolError{Problem: "it closed its standard input but did not end"})
				}
				return
			}
		}
	}
}

// batchHeader is the header of a batch (case 4).
type batchHeader struct {
	Type     string `json:"type"`
	ID       int64  `json:"id"`
	Encoding string `json:"encoding"`
	Rows     int    `json:"rows"`
	Bytes    int    `json:"bytes"`
}

func (h batchHeader) line() []byte {
	line, _ := json.Marshal(h) // A struct of numbers and strings cannot fail.
	return append(line, '\n')
}
