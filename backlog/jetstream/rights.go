package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// retryRefused is how long a subject that was refused is not asked again: each refusal costs a whole deadline, because servers do not answer one.
const retryRefused = 30 * time.Second

type refusal struct {
	until time.Time
	err   error
}

// ask does one request within the limits of the reader. Subject is what the request is published on; probe says that an empty message on it does nothing.
func (r *Reader) ask(ctx context.Context, subject string, probe bool, request func(context.Context) error) error {
	if err := r.refused(subject); err != nil {
		return err
	}
	if err := r.limiter.Wait(ctx); err != nil {
		return fmt.Errorf("not asked in time: %w", err)
	}
	bounded, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	err := request(bounded)
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout) {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("no answer on %s before the reading had to end: %w", subject, ctx.Err())
	}
	if denied := r.denied(subject, probe); denied != nil {
		r.refuse(subject, denied)
		return denied
	}
	return fmt.Errorf("no answer within %s on %s: its leader is lost or unreachable", r.options.Timeout, subject)
}

// denied is why a server was silent. It refuses a publish by an error on the connection, which is not tied to a request; so the same publish is
// repeated alone, and what the connection says right after is about it.
func (r *Reader) denied(subject string, probe bool) error {
	conn := r.js.Conn()
	if probe {
		r.probing.Lock()
		defer r.probing.Unlock()
	}
	if probe && conn.Publish(subject, nil) != nil || conn.FlushTimeout(r.options.Timeout) != nil {
		return nil
	}
	err := conn.LastError()
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return nil
	}
	if strings.Contains(err.Error(), "Subscription to") {
		return fmt.Errorf("answers cannot be received: %w: grant the right to subscribe to it", err)
	}
	if !strings.Contains(err.Error(), `"`+strings.TrimSuffix(subject, "*")) {
		return nil
	}
	return fmt.Errorf("the right to publish to %s is missing: grant it to the user of this connection", subject)
}

func (r *Reader) refuse(subject string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusals[subject] = refusal{r.now.Add(retryRefused), err}
}

func (r *Reader) refused(subject string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, is := r.refusals[subject]; is && r.now.Before(known.until) {
		return known.err
	}
	return nil
}

func (r *Reader) subject(parts ...string) string { return apiSubject(r.js, parts...) }

// apiSubject is where a request of the JetStream API goes, under the domain or prefix of the connection.
func apiSubject(js jetstream.JetStream, parts ...string) string {
	options := js.Options()
	prefix := options.APIPrefix
	if options.Domain != "" {
		prefix = "$JS." + options.Domain + ".API"
	}
	if prefix == "" {
		prefix = "$JS.API"
	}
	return strings.TrimSuffix(prefix, ".") + "." + strings.Join(parts, ".")
}

// Rights are the subjects that a reader publishes to for a source. The first is needed; without the others less is known, and the readings say what.
func Rights(source Source) []string {
	return []string{
		"$JS.API.CONSUMER.INFO." + source.Stream + "." + source.Consumer, // what waits
		"$JS.API.STREAM.INFO." + source.Stream,                           // losses
		"$JS.API.STREAM.MSG.GET." + source.Stream,                        // the oldest row
		"$JS.API.DIRECT.GET." + source.Stream,                            // the same, of a stream that allows it
		"$JS.API.CONSUMER.CREATE." + source.Stream + ".*",                // new counts, and doorbells
		"$JS.API.CONSUMER.DELETE." + source.Stream + ".*",
		"$JS.API.CONSUMER.MSG.NEXT." + source.Stream + ".*",
		"$JS.API.STREAM.NAMES", // rows given up
		"$JS.API.STREAM.CREATE." + PoisonStream,
		"$JS.API.CONSUMER.CREATE." + PoisonStream + ".>",
		"$JS.API.CONSUMER.DELETE." + PoisonStream + ".*",
		"$JS.API.CONSUMER.INFO." + PoisonStream + ".*",
		"$JS.API.CONSUMER.MSG.NEXT." + PoisonStream + ".*",
	}
}

// sentence says what an error means for a source, and what to do.
func sentence(source Source, err error) string {
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return fmt.Sprintf("stream %s has no consumer %s: how much waits for it is unknown; make it, or correct the queue's source", source.Stream, source.Consumer)
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return fmt.Sprintf("there is no stream %s in this account: make it, or correct the queue's source", source.Stream)
	case errors.Is(err, jetstream.ErrNotPullConsumer):
		return fmt.Sprintf("consumer %s pushes (it has a deliver subject): workers pull; make a pull consumer without one", source.Consumer)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), errors.Is(err, nats.ErrNoResponders):
		return "nobody answers for JetStream: it is not enabled for this account, or all its servers are gone"
	}
	return err.Error()
}
