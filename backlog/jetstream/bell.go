package jetstream

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	bellFor       = 5 * time.Minute  // of one pull; a reading arms it again
	bellHeartbeat = 30 * time.Second // a bell whose server is gone is noticed after two of them
	bellGroup     = "bell"
	burst         = 100 // rows, at least, behind a backlog that is not empty
)

// bell is a one-message pull on a consumer of our own that begins behind the last row handed out. It rings when a first row arrives where none
// was pending, else when there is more than twice as much.
type bell struct {
	mu     sync.Mutex
	pull   jetstream.MessageBatch // nil: not armed
	rings  int64                  // at so many pending
	stop   context.CancelFunc
	rang   uint64    // the last row that rang: no row rings twice
	broken time.Time // not tried again before
}

// Ring names the queues to which something has come, each at most once between two readings. It is never closed.
func (r *Reader) Ring() <-chan string { return r.rings }

// Rings says whether a queue's doorbell is armed. Where it is not, bursts are seen by reading only.
func (r *Reader) Rings(queue string) bool {
	for _, w := range r.sources {
		if w.source.Queue == queue {
			return w.bell.armed()
		}
	}
	return false
}

func (b *bell) armed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pull != nil
}

// arm makes a doorbell that fits a reading. It begins where the reading ended: what has come since rings at once.
func (r *Reader) arm(ctx context.Context, w *watched, got answer) {
	at, may := ringsAt(got)
	b := &w.bell
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pull != nil && (!may || at == 1 && b.rings > 1 || at < b.rings/2) {
		b.stop() // it would ring too late now
		b.pull = nil
	}
	if r.options.Deaf || !may || b.pull != nil || time.Now().Before(b.broken) || r.life.Err() != nil {
		return
	}
	start := got.delivered
	if at == 1 {
		start = max(start, b.rang)
	}
	consumer, err := r.makeConsumer(ctx, w.source.Stream, bellConfig(got, start, at))
	if err != nil {
		b.broken = time.Now().Add(retryRefused)
		return
	}
	life, stop := context.WithTimeout(r.life, bellFor)
	pull := []jetstream.FetchOpt{jetstream.FetchContext(life), jetstream.FetchHeartbeat(bellHeartbeat)}
	if at > 1 {
		pull = append(pull, jetstream.FetchPriorityGroup(bellGroup), jetstream.FetchMinPending(at))
	}
	batch, err := consumer.Fetch(1, pull...)
	if err != nil || r.denied(r.subject("CONSUMER.MSG.NEXT", w.source.Stream, "*"), false) != nil {
		stop()
		b.broken = time.Now().Add(retryRefused)
		return
	}
	b.pull, b.rings, b.stop = batch, at, stop
	r.bells.Go(func() { r.hear(life, stop, w, consumer.CachedInfo().Name, batch) })
}

// ringsAt is how much has to be pending for the bell to ring, and whether the stream allows a second consumer beside the one that is read.
func ringsAt(got answer) (int64, bool) {
	at := int64(1)
	if got.pending > 0 {
		at = 2*got.pending + burst
	}
	if got.stream == nil || !hasRoom(got.stream) || got.config.DeliverPolicy == jetstream.DeliverLastPerSubjectPolicy {
		return at, false
	}
	switch got.stream.Config.Retention {
	case jetstream.LimitsPolicy:
		return at, true
	case jetstream.InterestPolicy: // it keeps rows while our consumer has not had them: none while it waits for the first, unless publishers are refused for it
		return at, at == 1 && got.stream.Config.Discard == jetstream.DiscardOld
	}
	return at, false // a work queue has one consumer for each row
}

// hasRoom is whether there is a bell for every consumer without the stream's limit of consumers coming near.
func hasRoom(stream *jetstream.StreamInfo) bool {
	most := stream.Config.MaxConsumers
	if most <= 0 {
		most = 1000 // a server's own limit
	}
	return stream.State.Consumers <= most/2
}

func bellConfig(got answer, start uint64, at int64) jetstream.ConsumerConfig {
	config := jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: start + 1, HeadersOnly: true,
		FilterSubjects: got.filters,
	}
	if at > 1 {
		config.PriorityPolicy, config.PriorityGroups = jetstream.PriorityPolicyOverflow, []string{bellGroup}
	}
	return config
}

// hear waits for the message, and removes the consumer.
func (r *Reader) hear(life context.Context, stop context.CancelFunc, w *watched, name string, batch jetstream.MessageBatch) {
	defer stop()
	rang := uint64(0)
	for message := range batch.Messages() {
		if data, err := message.Metadata(); err == nil {
			rang = data.Sequence.Stream
		}
	}
	w.bell.mu.Lock()
	if w.bell.pull == batch { // else another is armed already
		w.bell.pull = nil
	}
	w.bell.rang = max(w.bell.rang, rang)
	w.bell.mu.Unlock()
	if rang > 0 {
		select {
		case r.rings <- w.source.Queue:
		default: // as many rings wait as there are queues
		}
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(life), r.options.Timeout)
	defer cancel()
	r.deleteConsumer(ending, w.source.Stream, name)
}
