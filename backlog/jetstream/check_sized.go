package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

// CheckSized looks for what stands in the way of sizing a pool by what waits for a consumer, which others use, and changes nothing. What arrives is due within a time, 0: unknown.
func CheckSized(ctx context.Context, js jetstream.JetStream, from orchestrator.NATSSource, within time.Duration) []orchestrator.SourceFinding {
	if found := notEnabled(ctx, js); found != nil {
		return found
	}
	if missing := missingRights(js, []string{apiSubject(js, "CONSUMER.INFO", from.Stream, from.Consumer)}); len(missing) > 0 {
		return missing // without it nothing is known
	}
	user, err := js.Consumer(ctx, from.Stream, from.Consumer)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return noStream(from)
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return []orchestrator.SourceFinding{{
			Refused: true, Found: "there is no such consumer", Next: "Make it, or correct the queue's nats.consumer: nats consumer add " + from.Stream + " " + from.Consumer + " --pull --deliver all --ack explicit",
		}}
	case errors.Is(err, jetstream.ErrNotPullConsumer):
		return []orchestrator.SourceFinding{{Refused: true, Found: "the consumer pushes", Next: "Make it a pull consumer"}}
	case err != nil:
		return []orchestrator.SourceFinding{{Refused: true, Found: err.Error()}}
	}
	found := checkConsumer(user.CachedInfo().Config)
	if missing := missingRights(js, []string{apiSubject(js, "STREAM.INFO", from.Stream)}); len(missing) > 0 {
		return append(found, lessKnown(missing, "what the stream loses is not seen")...)
	}
	stream, err := js.Stream(ctx, from.Stream)
	if err != nil {
		return append(found, orchestrator.SourceFinding{Refused: true, Found: err.Error()})
	}
	from.Subjects = filtersOf(user.CachedInfo().Config)
	return append(append(found, usefulRights(js, from, stream.CachedInfo())...), checkKept(stream.CachedInfo(), within)...)
}

// checkConsumer looks at what makes counts of a consumer mean nothing.
func checkConsumer(config jetstream.ConsumerConfig) (found []orchestrator.SourceFinding) {
	refuse := func(next, text string, values ...any) {
		found = append(found, orchestrator.SourceFinding{Refused: true, Found: fmt.Sprintf(text, values...), Next: next})
	}
	switch config.AckPolicy {
	case jetstream.AckNonePolicy:
		refuse("Make it with --ack explicit", "the consumer takes no acknowledgements: what is handed out counts as done, and whoever works on it may be ended")
	case jetstream.AckAllPolicy:
		refuse("Make it with --ack explicit", "an acknowledgement of the consumer is one of all messages before it, also of those that others work on")
	}
	if config.InactiveThreshold > 0 || config.Durable == "" {
		refuse("Make it with a durable name, and without an inactive threshold", "the server deletes the consumer when nobody has pulled for %s, as while the pool is at zero", config.InactiveThreshold)
	}
	return found
}

// usefulRights are those without which less is known.
func usefulRights(js jetstream.JetStream, from orchestrator.NATSSource, info *jetstream.StreamInfo) []orchestrator.SourceFinding {
	get := "STREAM.MSG.GET"
	if info.Config.AllowDirect {
		get = "DIRECT.GET"
	}
	found := lessKnown(missingRights(js, []string{apiSubject(js, get, from.Stream)}), "when the oldest message came is not known")
	if info.Config.Retention == jetstream.WorkQueuePolicy { // takes no second consumer
		return found
	}
	return append(found, lessKnown(missingRights(js, rightsOfConsumers(js, from)), "a burst is seen at the next reading, and doubtful counts are not counted again")...)
}

// lessKnown are missing rights that do not stand in the way.
func lessKnown(missing []orchestrator.SourceFinding, what string) []orchestrator.SourceFinding {
	for i := range missing {
		missing[i].Refused = false
		missing[i].Found += ": " + what
	}
	return missing
}
