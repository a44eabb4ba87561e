package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// PoisonStream keeps what servers say once, and to nobody else, when a row has reached its most deliveries; so that it is known who did while nobody was there.
	PoisonStream = "NIGHTSHIFT_POISON"
	gaveUp       = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES."

	poisonPerConsumer = 10_000
	poisonBytes       = 64 << 20
	poisonAge         = 30 * 24 * time.Hour
	poisonWait        = time.Second // for what was said before we came
)

// poison counts the rows that were given up: of each consumer the sequences, and when.
type poison struct {
	r *Reader

	starting sync.Mutex // one start of listening at a time
	mu       sync.Mutex // of what follows
	heard    map[string]map[uint64]time.Time
	streams  map[string]jetstream.ConsumeContext // by the stream of advisories that is listened to
	listens  map[string]bool                     // by source
	failed   map[string]refusal                  // by source
}

func newPoison(r *Reader) *poison {
	return &poison{r: r, heard: map[string]map[uint64]time.Time{}, streams: map[string]jetstream.ConsumeContext{}, listens: map[string]bool{}, failed: map[string]refusal{}}
}

func (p *poison) close() {
	p.mu.Lock()
	streams := p.streams
	p.streams = map[string]jetstream.ConsumeContext{}
	p.mu.Unlock()
	for _, listening := range streams {
		listening.Stop()
		<-listening.Closed()
	}
}

// count is how many rows of a consumer are given up and still in the stream. The advisories name them. The server's count of redelivered rows, which are either in
// flight or given up, and in the stream, bounds them: it knows of those that nobody heard, and of those that were deleted since.
func (p *poison) count(ctx context.Context, source Source, got answer) (int64, error) {
	if got.config.MaxDeliver <= 0 {
		return 0, nil
	}
	replicas := 1
	if got.stream != nil {
		replicas = got.stream.Config.Replicas
	}
	err := p.listen(ctx, source, replicas)
	heard := p.still(source, got)
	if got.config.MaxDeliver == 1 { // nothing is ever redelivered
		return heard, err
	}
	return min(max(heard, got.redelivered-got.inFlight), got.redelivered), err
}

// still counts the rows heard of that have not been removed or put back since, and are not of a consumer of the same name before.
func (p *poison) still(source Source, got answer) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := uint64(0)
	if got.stream != nil {
		first = got.stream.State.FirstSeq
	}
	heard := p.heard[source.String()]
	for sequence, at := range heard {
		if sequence < first || sequence > got.delivered || at.Before(got.created) {
			delete(heard, sequence)
		}
	}
	return int64(len(heard))
}

// behind is the first sequence from one on that was not given up.
func (p *poison) behind(source Source, sequence uint64) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	heard := p.heard[source.String()]
	for {
		if _, is := heard[sequence]; !is {
			return sequence
		}
		sequence++
	}
}

// listen has the advisories of a source heard, also those that came before.
func (p *poison) listen(ctx context.Context, source Source, replicas int) error {
	p.starting.Lock()
	defer p.starting.Unlock()
	name, now := source.String(), time.Now()
	p.mu.Lock()
	listens, failed := p.listens[name], p.failed[name]
	p.mu.Unlock()
	if listens || now.Before(failed.until) {
		return failed.err
	}
	err := p.start(ctx, source, replicas)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listens[name], p.failed[name] = err == nil, refusal{}
	if err != nil {
		p.failed[name] = refusal{now.Add(retryRefused), err}
	}
	return err
}

func (p *poison) start(ctx context.Context, source Source, replicas int) error {
	stream, err := p.captured(ctx, source, replicas)
	if err != nil {
		return err
	}
	p.mu.Lock()
	_, listening := p.streams[stream]
	p.mu.Unlock()
	if listening {
		return nil
	}
	return p.follow(ctx, stream)
}

// captured is the stream that has the advisories of a source: one of the user's, else ours, which is made, as safe as the source.
func (p *poison) captured(ctx context.Context, source Source, replicas int) (string, error) {
	var name string
	err := p.r.ask(ctx, p.r.subject("STREAM.NAMES"), true, func(ctx context.Context) error {
		var err error
		name, err = p.r.js.StreamNameBySubject(ctx, gaveUp+source.Stream+"."+source.Consumer)
		return err
	})
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return name, err
	}
	err = p.r.ask(ctx, p.r.subject("STREAM.CREATE", PoisonStream), true, func(ctx context.Context) error {
		_, err := p.r.js.CreateStream(ctx, jetstream.StreamConfig{
			Name: PoisonStream, Description: "advisories of rows that reached their most deliveries", Subjects: []string{gaveUp + "*.*"},
			MaxMsgsPerSubject: poisonPerConsumer, MaxBytes: poisonBytes, MaxAge: poisonAge, Discard: jetstream.DiscardOld, Replicas: replicas,
		})
		return err
	})
	return PoisonStream, err
}

// follow reads a stream of advisories from its beginning, and on. It waits for what is there already.
func (p *poison) follow(ctx context.Context, stream string) error {
	var consumer jetstream.Consumer
	err := p.r.ask(ctx, p.r.subject("CONSUMER.CREATE", stream, "*"), false, func(ctx context.Context) error {
		var err error
		consumer, err = p.r.js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{gaveUp + "*.*"}})
		return err
	})
	if err != nil {
		return err
	}
	left := consumer.CachedInfo().NumPending
	read := make(chan struct{})
	if left == 0 {
		close(read)
	}
	listening, err := consumer.Consume(func(message jetstream.Msg) {
		p.hear(message.Data())
		if left--; left == 0 {
			close(read)
		}
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.streams[stream] = listening
	p.mu.Unlock()
	select {
	case <-read:
	case <-ctx.Done():
	case <-time.After(poisonWait):
	}
	return nil
}

// advisory is the part of io.nats.jetstream.advisory.v1.max_deliver that counts.
type advisory struct {
	Stream    string    `json:"stream"`
	Consumer  string    `json:"consumer"`
	Sequence  uint64    `json:"stream_seq"`
	Timestamp time.Time `json:"timestamp"`
}

func (p *poison) hear(message []byte) {
	var said advisory
	if json.Unmarshal(message, &said) != nil || said.Sequence == 0 {
		return
	}
	name := Source{Stream: said.Stream, Consumer: said.Consumer}.String()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.heard[name] == nil {
		p.heard[name] = map[uint64]time.Time{}
	}
	if len(p.heard[name]) < poisonPerConsumer {
		p.heard[name][said.Sequence] = said.Timestamp
	}
}
