package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

const (
	method = "consumer info, answered by the consumer's leader"
	// doubtFor is how long rows that are missing without an explanation are held, before what the server says is believed.
	doubtFor = 30 * time.Second
)

// answer is what was asked for one reading.
type answer struct {
	counts
	config  jetstream.ConsumerConfig
	info    *jetstream.ConsumerInfo
	asked   time.Time             // when the answer was there
	stream  *jetstream.StreamInfo // nil: unknown
	unseen  error                 // why it is
	method  string
	upper   bool
	explain []string
}

// observe asks for one source, and more where the answer does not follow from the last reading.
func (r *Reader) observe(ctx context.Context, w *watched, now time.Time) (orchestrator.Backlog, error) {
	got := answer{method: method}
	if w.known != nil { // a stream that is asked before the consumer shows what was lost, one asked behind it how much there may be
		got.stream, got.unseen = r.streamSometimes(ctx, w.stream)
	}
	if err := r.askConsumer(ctx, w, &got); err != nil {
		return orchestrator.Backlog{}, err
	}
	if w.known != nil && shrunk(w.known.counts, got.counts) {
		// Removals are counted at once, arrivals a moment later, so the second answer often explains the first.
		got.stream, got.unseen = r.streamInfo(ctx, w.stream, got.asked)
		if err := r.askConsumer(ctx, w, &got); err != nil {
			return orchestrator.Backlog{}, err
		}
		if err := r.proveFall(ctx, w, &got, now); err != nil {
			return orchestrator.Backlog{}, err
		}
	}
	w.doubted = time.Time{}
	if w.known == nil || leap(w.known.counts, got.counts) {
		got.stream, got.unseen = r.streamInfo(ctx, w.stream, got.asked)
		r.proveLeap(ctx, w, &got)
	}
	if got.unseen != nil {
		got.explain = append(got.explain, "losses cannot be seen, nor the oldest row: "+got.unseen.Error())
	}
	return r.report(ctx, w, got, now), nil
}

// askConsumer asks for the consumer's info, and refuses an answer that cannot be the leader's.
func (r *Reader) askConsumer(ctx context.Context, w *watched, got *answer) error {
	err := r.ask(ctx, r.subject("CONSUMER.INFO", w.source.Stream, w.source.Consumer), true, func(ctx context.Context) error {
		consumer, err := r.js.Consumer(ctx, w.source.Stream, w.source.Consumer)
		if err == nil {
			got.info = consumer.CachedInfo()
		}
		return err
	})
	if err != nil {
		return err
	}
	got.counts, got.config, got.asked = countsOf(got.info), got.info.Config, time.Now()
	return refuse(w.known, got.counts)
}

// refuse says what is wrong with an answer that did not come from the leader, or is an old one.
func refuse(before *known, now counts) error {
	switch {
	case now.at.IsZero():
		return errors.New("the answer says not when it was given: not believed")
	case now.clustered && now.leader == "":
		return errors.New("the consumer has no leader at present: not believed")
	case before != nil && before.clustered && !now.clustered:
		return errors.New("the answer names no leader, the ones before did: not believed")
	case before != nil && now.leader == before.leader && now.created.Equal(before.created) && now.at.Before(before.at):
		return fmt.Errorf("the answer is older than the one before, by %s: not believed", before.at.Sub(now.at))
	}
	return nil
}

// shrunk is whether rows are gone that nothing explains.
func shrunk(before, now counts) bool {
	switch between(before, now) {
	case recreated, refiltered, putBack:
		return false
	}
	return missing(before, now) > 0
}

// most is how many rows may be pending by what the stream held a moment later.
func most(got answer) int64 {
	state := got.stream.State
	if state.LastSeq <= got.delivered {
		return 0
	}
	return int64(min(state.Msgs, state.LastSeq-got.delivered))
}

// proveFall counts what is pending anew, and takes the larger number. Where nobody lets it count, it holds for a while.
func (r *Reader) proveFall(ctx context.Context, w *watched, got *answer, now time.Time) error {
	if !shrunk(w.known.counts, got.counts) {
		return nil
	}
	counted, err := r.recount(ctx, w, *got)
	if err == nil {
		if counted > got.pending {
			got.correct(counted)
		}
		return nil
	}
	if w.doubted.IsZero() {
		w.doubted = now
	}
	lost := missing(w.known.counts, got.counts)
	if until := w.doubted.Add(doubtFor); now.Before(until) {
		return fmt.Errorf("%d rows are pending no more but were not delivered, and they could not be counted (%w): held until %s", lost, err, until.UTC().Format(time.RFC3339))
	}
	got.explain = append(got.explain, fmt.Sprintf("%d rows are pending no more but were not delivered; what became of them could not be found out (%v)", lost, err))
	return nil
}

// proveLeap holds a number that rose by far against what the stream holds.
func (r *Reader) proveLeap(ctx context.Context, w *watched, got *answer) {
	if got.stream == nil || got.pending <= most(*got) {
		return
	}
	counted, err := r.recount(ctx, w, *got)
	if err == nil {
		got.correct(counted)
		return
	}
	got.explain = append(got.explain, fmt.Sprintf("the server says that %d rows are pending, but the stream holds %d at most: those stand; they could not be counted (%v)",
		got.pending, most(*got), err))
	got.pending, got.upper = most(*got), true
}

// correct takes a new count for the server's counter.
func (a *answer) correct(counted int64) {
	a.explain = append(a.explain, fmt.Sprintf("the server says that %d rows are pending, a new count says %d: the count stands", a.pending, counted))
	a.method, a.pending = "consumer info, and a new count where it was wrong", counted
}

// report makes the backlog of an answer that is believed, and remembers it.
func (r *Reader) report(ctx context.Context, w *watched, got answer, now time.Time) orchestrator.Backlog {
	poisoned, err := r.poison.count(ctx, w.source, got)
	b := orchestrator.Backlog{
		Queue: w.source.Queue, Reading: orchestrator.Reading{At: now, Source: w.source.String()}, Method: got.method,
		Pending: got.pending, InFlight: got.inFlight, Redelivered: min(got.inFlight, max(0, got.redelivered-max(0, poisoned))), Poisoned: poisoned,
		UpperBound: got.upper, MostWorkers: mostWorkers(got.config, w.source.Batch), Notes: got.explain,
	}
	b.Notes = append(b.Notes, notes(w.known, got)...)
	sum, lost := tallyOf(w, got)
	if lost != "" {
		b.Notes = append(b.Notes, lost)
	}
	b.Notes = append(b.Notes, states(got)...)
	if err != nil {
		b.Notes = append(b.Notes, "rows given up may be more: "+err.Error())
	}
	b.Oldest, err = r.findOldest(ctx, w, got)
	if err != nil {
		b.Notes = append(b.Notes, "the oldest row is unknown: "+err.Error())
	}
	b.Arrived = sum.arrived
	b.Settled = sum.arrived - b.Pending - b.InFlight - max(0, b.Poisoned)
	if w.known != nil { // both only rise
		b.Arrived = max(b.Arrived, w.known.reported.Arrived)
		b.Settled = max(b.Settled, w.known.reported.Settled)
	}
	w.known = &known{counts: got.counts, tally: sum, reported: b}
	r.arm(ctx, w, got)
	return b
}

// tallyOf adds an answer to what was read before.
func tallyOf(w *watched, got answer) (tally, string) {
	stream := held{oldest: w.oldest.sequence}
	if got.stream != nil {
		stream.first, stream.last = got.stream.State.FirstSeq, got.stream.State.LastSeq
	}
	if w.known == nil {
		return beginTally(got.counts, stream), ""
	}
	return w.known.next(w.known.counts, got.counts, stream)
}

// notes says what happened to the consumer since the last reading.
func notes(before *known, got answer) []string {
	if before == nil {
		return nil
	}
	switch between(before.counts, got.counts) {
	case recreated:
		return []string{fmt.Sprintf("the consumer was deleted and made again at %s: %d rows waited or were in flight before, %d do now",
			got.created.UTC().Format(time.RFC3339), before.unsettled(), got.unsettled())}
	case refiltered:
		return []string{fmt.Sprintf("the consumer's filter was changed from %s to %s: %d rows waited or were in flight before, %d do now",
			filterNames(before.filters), filterNames(got.filters), before.unsettled(), got.unsettled())}
	case putBack:
		return []string{fmt.Sprintf("the consumer was put back from sequence %d to %d: rows are handed out again", before.delivered, got.delivered)}
	}
	return nil
}

func filterNames(filters []string) string {
	if len(filters) == 0 {
		return "none"
	}
	return strings.Join(filters, ", ")
}

// states says what of the consumer's state keeps rows from being done.
func states(got answer) []string {
	var said []string
	if got.info.Paused {
		said = append(said, fmt.Sprintf("the consumer is paused for another %s: nothing is handed out", got.info.PauseRemaining.Round(time.Second)))
	}
	if got.inFlight > 0 && got.info.NumWaiting == 0 {
		said = append(said, "nobody pulls: rows in flight whose worker is gone stay so until somebody does")
	}
	if got.config.AckPolicy == jetstream.AckNonePolicy {
		said = append(said, "the consumer asks for no acknowledgements: what is handed out counts as done")
	}
	return said
}

// mostWorkers is how many workers find rows to hold: MaxAckPending is shared by all of them.
func mostWorkers(config jetstream.ConsumerConfig, batch int) int {
	if config.PriorityPolicy == jetstream.PriorityPolicyPinned {
		return max(1, len(config.PriorityGroups))
	}
	if config.MaxAckPending <= 0 || config.AckPolicy == jetstream.AckNonePolicy {
		return 0
	}
	batch = max(batch, 1)
	return (config.MaxAckPending + batch - 1) / batch
}
