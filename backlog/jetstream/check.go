package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

// Check looks for what stands in the way of draining a consumer with this connection, and changes nothing. What arrives is due within a time, 0: unknown.
func Check(ctx context.Context, js jetstream.JetStream, from orchestrator.NATSSource, within time.Duration) []orchestrator.SourceFinding {
	if found := notEnabled(ctx, js); found != nil {
		return found
	}
	if missing := missingRights(js, alwaysNeeded(js, from)); len(missing) > 0 {
		return missing // what they hide is not known
	}
	source, err := Describe(ctx, js, from.Stream, from.Consumer)
	if err != nil {
		var said *orchestrator.SourceError
		if errors.As(err, &said) && said.Code == orchestrator.SourceChanged {
			return noStream(from)
		}
		return []orchestrator.SourceFinding{{Refused: true, Found: strings.TrimPrefix(err.Error(), nameOf(from)+": ")}}
	}
	_, info, err := sameStream(ctx, js, source)
	if err != nil {
		return []orchestrator.SourceFinding{{Refused: true, Found: err.Error()}}
	}
	needed := rightsOfRanges(js, source, info.Config.Retention)
	found := missingRights(js, needed)
	if info.Config.Retention != jetstream.WorkQueuePolicy {
		found = append(found, checkVersion(js.Conn().ConnectedServerVersion())...)
	}
	return append(found, checkKept(info, within)...)
}

func notEnabled(ctx context.Context, js jetstream.JetStream) []orchestrator.SourceFinding {
	if _, err := js.AccountInfo(ctx); errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
		return []orchestrator.SourceFinding{{Refused: true, Found: "JetStream is not enabled for this account", Next: "Switch it on (jetstream: enabled) for the account"}}
	}
	return nil
}

func noStream(from orchestrator.NATSSource) []orchestrator.SourceFinding {
	return []orchestrator.SourceFinding{{Refused: true, Found: "there is no stream " + from.Stream + " in this account", Next: "Make it, or correct the queue's nats.stream"}}
}

// alwaysNeeded are the rights without which nothing is known.
func alwaysNeeded(js jetstream.JetStream, source orchestrator.NATSSource) []string {
	return []string{apiSubject(js, "STREAM.INFO", source.Stream), apiSubject(js, "CONSUMER.INFO", source.Stream, source.Consumer)}
}

// rightsOfRanges are the subjects that reading ranges, and settling them, publish to.
func rightsOfRanges(js jetstream.JetStream, source orchestrator.NATSSource, retention jetstream.RetentionPolicy) []string {
	if retention == jetstream.WorkQueuePolicy {
		return []string{
			apiSubject(js, "DIRECT.GET", source.Stream), apiSubject(js, "STREAM.MSG.GET", source.Stream), apiSubject(js, "STREAM.PURGE", source.Stream),
		}
	}
	return append(rightsOfConsumers(js, source), apiSubject(js, "CONSUMER.RESET", source.Stream, source.Consumer))
}

// rightsOfConsumers are the subjects that making, reading and removing a consumer of ours publish to.
func rightsOfConsumers(js jetstream.JetStream, source orchestrator.NATSSource) []string {
	const ours = "nightshift-doctor" // in the place of a name that is made up for each reading
	create := apiSubject(js, "CONSUMER.CREATE", source.Stream, ours)
	if len(source.Subjects) == 1 {
		create += "." + source.Subjects[0]
	}
	return []string{create, apiSubject(js, "CONSUMER.MSG.NEXT", source.Stream, ours), apiSubject(js, "CONSUMER.DELETE", source.Stream, ours)}
}

// missingRights tries each subject with a request that no server does: its body is not what any request has, and it asks for a level of the API that there is
// not. A server refuses a publish before it answers the flush that follows.
func missingRights(js jetstream.JetStream, subjects []string) (found []orchestrator.SourceFinding) {
	conn := js.Conn()
	for _, subject := range subjects {
		message := &nats.Msg{Subject: subject, Data: []byte(`{"seq":"none","config":0}`), Header: nats.Header{"Nats-Required-Api-Level": {"1000000"}}}
		if err := errors.Join(conn.PublishMsg(message), conn.FlushTimeout(answerWithin)); err != nil {
			return append(found, orchestrator.SourceFinding{Refused: true, Found: fmt.Sprintf("the right to publish to %s cannot be tried: %v", subject, err)})
		}
		if err := conn.LastError(); errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), `"`+subject+`"`) {
			found = append(found, orchestrator.SourceFinding{
				Refused: true, Found: "the right to publish to " + subject + " is missing", Next: "Grant it to the user of the service and its workers",
			})
		}
	}
	return found
}

// checkVersion is of streams that are not work queues: their consumers are reset.
func checkVersion(version string) []orchestrator.SourceFinding {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil || major > 2 || major == 2 && minor >= 14 {
		return nil
	}
	return []orchestrator.SourceFinding{{
		Refused: true, Found: "nats-server " + version + " cannot reset a consumer, which then shows what is settled as pending", Next: "Upgrade to 2.14 or later",
	}}
}

// checkKept looks at what the stream may lose before it is scored.
func checkKept(info *jetstream.StreamInfo, within time.Duration) (found []orchestrator.SourceFinding) {
	config := info.Config
	warn := func(next, text string, values ...any) {
		found = append(found, orchestrator.SourceFinding{Found: fmt.Sprintf(text, values...), Next: next})
	}
	if config.MaxAge > 0 && config.MaxAge <= within {
		warn("Raise it: nats stream edit "+config.Name+" --max-age", "the stream deletes messages after %s, and they are due within %s: what is late is lost", config.MaxAge, within)
	}
	if config.Storage == jetstream.MemoryStorage {
		warn("Make it anew with file storage", "the stream is kept in memory: a server that restarts loses what was not scored")
	}
	if clustered(info) && config.Replicas <= 1 {
		warn("nats stream edit "+config.Name+" --replicas 3", "the stream has one replica in a cluster: while its server is away nothing is taken from it")
	}
	return found
}

// clustered says whether the stream's server is one of several.
func clustered(info *jetstream.StreamInfo) bool {
	return info.Cluster != nil && info.Cluster.Name != ""
}
