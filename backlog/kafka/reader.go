package kafka

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"nightshift.dev/nightshift/orchestrator"
)

// Reader reads the backlogs of sources on one cluster. It remembers earlier readings, for some mistakes are seen only between two.
type Reader struct {
	client  *kgo.Client
	timeout time.Duration
	sources []Source

	mu       sync.Mutex
	memories []memory // by source
	looks    map[lookKey]look
	policies map[string]policy // by topic
	next     int               // source whose looks are taken first
	consumed map[string]ratio

	rings chan string
	heard bool           // somebody listens for rings
	bells map[int8]*bell // by isolation
	stop  context.CancelFunc
}

// New checks what it is given, and connects when it first reads.
func New(connection Connection, sources []Source) (*Reader, error) {
	if err := check(connection, sources); err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(connection.options()...)
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	r := &Reader{client: client, timeout: connection.timeout(), sources: sources, memories: make([]memory, len(sources))}
	r.looks, r.policies, r.consumed = map[lookKey]look{}, map[string]policy{}, map[string]ratio{}
	for i, s := range sources {
		r.memories[i] = memory{hadCommits: s.Committed, parts: map[int32]seen{}}
	}
	return r, r.makeBells(connection)
}

// Close ends the connections.
func (r *Reader) Close() {
	r.stop()
	for _, b := range r.bells {
		b.close()
	}
	r.client.Close()
}

// Read makes one round. It gives one backlog for each source, in their order; one that could not be read has an error and counts of -1.
func (r *Reader) Read(ctx context.Context, now time.Time) []orchestrator.Backlog {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silence()
	a := r.ask(ctx)
	found := make([]finding, len(r.sources))
	for i, s := range r.sources {
		found[i] = r.memories[i].judge(s, a, now)
	}
	if a.err == "" {
		r.askPolicies(ctx, a, now)
		r.look(ctx, a, found)
		r.arm(a, found)
	}
	all := make([]orchestrator.Backlog, len(r.sources))
	for i, s := range r.sources {
		all[i] = r.count(s, found[i])
		all[i].At = now
	}
	return all
}

const (
	roundSoon  = 500 * time.Millisecond
	roundLater = 2 * time.Second
)

// Round is Read, and says when to read again: soon while a source is empty or not known, later when records wait in all of them.
func (r *Reader) Round(ctx context.Context, now time.Time) ([]orchestrator.Backlog, time.Duration) {
	all := r.Read(ctx, now)
	if slices.ContainsFunc(all, func(one orchestrator.Backlog) bool { return one.Err != "" || one.Pending <= 0 }) {
		return all, roundSoon
	}
	return all, roundLater
}

// Consumed tells how many rows somebody found on how many offsets of a queue's topics: what stands between them is not there any more, or is no row.
func (r *Reader) Consumed(queue string, rows, offsets int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := r.consumed[queue]
	r.consumed[queue] = ratio{sum.rows + rows, sum.offsets + offsets}
}
