package jetstream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"nightshift.dev/nightshift/orchestrator"
)

// Options bound what a Reader asks for. What is zero has the default.
type Options struct {
	PerSecond float64       // requests, 2,000: a server answers some 6,000 one after another
	AtOnce    int           // requests without an answer, 32: the server's queue of API requests never holds more from here
	Timeout   time.Duration // of each request, 2 s
	// Deaf is to make no doorbells, which are consumers in the user's streams.
	Deaf bool
}

func (o Options) withDefaults() Options {
	if o.PerSecond <= 0 {
		o.PerSecond = 2000
	}
	if o.AtOnce <= 0 {
		o.AtOnce = 32
	}
	if o.Timeout <= 0 {
		o.Timeout = 2 * time.Second
	}
	return o
}

// Reader reads the backlogs of consumers and remembers what the last answers said. Its methods may be called from several goroutines; readings come one after
// another.
type Reader struct {
	js      jetstream.JetStream
	options Options
	limiter *rate.Limiter
	sources []*watched
	streams map[string]*stream
	poison  *poison
	rings   chan string

	reading sync.Mutex // one reading at a time
	probing sync.Mutex // one look at the connection's last error at a time

	mu       sync.Mutex // of what follows
	now      time.Time  // of the reading that goes on
	refusals map[string]refusal

	life  context.Context // of the doorbells
	end   context.CancelFunc
	bells sync.WaitGroup
}

// watched is one source and what is remembered of it. It is used by one goroutine at a time.
type watched struct {
	source  Source
	stream  *stream
	known   *known // nil until something was read
	doubted time.Time
	oldest  oldest
	bell    bell
	drained drained

	// What ReadDue alone uses.
	next  time.Time // when it is read again
	rings bool      // its bell was armed when it was read
}

// known is what the last good reading said.
type known struct {
	counts
	tally
	reported orchestrator.Backlog
}

// New checks the sources and asks nothing yet.
func New(js jetstream.JetStream, sources []Source, options Options) (*Reader, error) {
	if err := checkAll(sources); err != nil {
		return nil, err
	}
	options = options.withDefaults()
	r := &Reader{
		js: js, options: options, limiter: rate.NewLimiter(rate.Limit(options.PerSecond), options.AtOnce), streams: map[string]*stream{},
		rings: make(chan string, len(sources)), refusals: map[string]refusal{},
	}
	r.life, r.end = context.WithCancel(context.Background())
	r.poison = newPoison(r)
	for _, source := range sources {
		if r.streams[source.Stream] == nil {
			r.streams[source.Stream] = &stream{name: source.Stream}
		}
		r.sources = append(r.sources, &watched{source: source, stream: r.streams[source.Stream]})
	}
	return r, nil
}

// Close ends the doorbells, removes their consumers, and stops listening to advisories.
func (r *Reader) Close() {
	r.end()
	r.bells.Wait()
	r.poison.close()
}

// Read reads the backlogs of the queues named, of all when none is, in the order of the sources. It always returns one for each; one that could not be read says
// why in its Err, and its counts are -1.
func (r *Reader) Read(ctx context.Context, now time.Time, queues ...string) []orchestrator.Backlog {
	var due []*watched
	for _, w := range r.sources {
		if len(queues) == 0 || slices.Contains(queues, w.source.Queue) {
			due = append(due, w)
		}
	}
	return r.readAll(ctx, due, now)
}

func (r *Reader) readAll(ctx context.Context, due []*watched, now time.Time) []orchestrator.Backlog {
	r.reading.Lock()
	defer r.reading.Unlock()
	r.mu.Lock()
	r.now = now
	r.mu.Unlock()
	backlogs := make([]orchestrator.Backlog, len(due))
	// It begins anywhere, so that a reading that has to end early does not always leave out the same.
	next, first := make(chan int), 0
	if len(due) > 0 {
		first = rand.IntN(len(due))
	}
	var workers sync.WaitGroup
	for range min(r.options.AtOnce, len(due)) {
		workers.Go(func() {
			for i := range next {
				backlogs[i] = r.readOne(ctx, due[i], now)
			}
		})
	}
	for i := range due {
		next <- (first + i) % len(due)
	}
	close(next)
	workers.Wait()
	return backlogs
}

func (r *Reader) readOne(ctx context.Context, w *watched, now time.Time) orchestrator.Backlog {
	if ctx.Err() != nil {
		return unknown(w.source, now, fmt.Sprintf("the reading had to end before it was asked: %v", ctx.Err()))
	}
	observe := r.observe
	if w.source.Drained {
		observe = r.observeDrained
	}
	backlog, err := observe(ctx, w, now)
	if err != nil {
		return unknown(w.source, now, sentence(w.source, err))
	}
	return backlog
}

// unknown is the backlog that could not be read.
func unknown(source Source, now time.Time, err string) orchestrator.Backlog {
	return orchestrator.Backlog{
		Queue: source.Queue, Reading: orchestrator.Reading{At: now, Source: source.String(), Err: err}, Method: method,
		Pending: -1, InFlight: -1, Redelivered: -1, Poisoned: -1, Arrived: -1, Settled: -1,
	}
}
