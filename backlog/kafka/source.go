package kafka

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Source is a group on a topic, and the queue that it fills.
type Source struct {
	Queue     string
	Topic     string
	Group     string
	Isolation string // ReadCommitted, which is the default, or ReadUncommitted: as its consumers read
	Start     string // Earliest, which is the default, or Latest: where a group begins that never committed
	// Committed says that somebody remembers commits of the group: where there is none now, it has expired.
	Committed bool
	Share     bool // a share group (KIP-932)
}

// The values of Isolation and Start.
const (
	ReadCommitted   = "read_committed"
	ReadUncommitted = "read_uncommitted"
	Earliest        = "earliest"
	Latest          = "latest"
)

func (s Source) name() string { return "kafka " + s.Topic + "/" + s.Group }

// URI names a partition of a topic.
func URI(topic string, partition int32) string { return fmt.Sprintf("kafka://%s/%d", topic, partition) }

func (s Source) committedOnly() bool { return s.Isolation != ReadUncommitted }

// Connection says how to reach a cluster.
type Connection struct {
	Brokers []string // host:port of some of its brokers
	TLS     *tls.Config
	SASL    *SASL
	Timeout time.Duration // of each request; default five seconds
}

// SASL is how to log in.
type SASL struct {
	Mechanism string // Plain, Scram256 or Scram512
	User      string
	Password  string
}

// The mechanisms of SASL.
const (
	Plain    = "PLAIN"
	Scram256 = "SCRAM-SHA-256"
	Scram512 = "SCRAM-SHA-512"
)

const (
	defaultTimeout = 5 * time.Second
	retries        = 2 // of a request within a round; the next round is the better retry
)

func (c Connection) timeout() time.Duration {
	if c.Timeout > 0 {
		return c.Timeout
	}
	return defaultTimeout
}

func (c Connection) options() []kgo.Opt {
	options := []kgo.Opt{kgo.SeedBrokers(c.Brokers...), kgo.ClientID("nightshift"), kgo.RequestRetries(retries), kgo.DialTimeout(c.timeout())}
	if c.TLS != nil {
		options = append(options, kgo.DialTLSConfig(c.TLS))
	}
	if c.SASL != nil {
		options = append(options, kgo.SASL(c.SASL.mechanism()))
	}
	return options
}

func (s SASL) mechanism() sasl.Mechanism {
	switch s.Mechanism {
	case Scram256:
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha256Mechanism()
	case Scram512:
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha512Mechanism()
	default:
		return plain.Auth{User: s.User, Pass: s.Password}.AsMechanism()
	}
}

// check tells all that is wrong at once.
func check(connection Connection, sources []Source) error {
	var wrong []error
	if len(connection.Brokers) == 0 {
		wrong = append(wrong, errors.New("brokers: none is named; name one or more as host:port"))
	}
	if s := connection.SASL; s != nil {
		wrong = append(wrong, oneOf("sasl.mechanism", s.Mechanism, Plain, Scram256, Scram512))
		wrong = append(wrong, set("sasl.user", s.User), set("sasl.password", s.Password))
	}
	seen := map[[3]string]bool{}
	for i, s := range sources {
		at := fmt.Sprintf("source %d (%s): ", i+1, s.name())
		wrong = append(wrong, set(at+"queue", s.Queue), set(at+"topic", s.Topic), set(at+"group", s.Group))
		wrong = append(wrong, oneOf(at+"isolation", s.Isolation, "", ReadCommitted, ReadUncommitted), oneOf(at+"start", s.Start, "", Earliest, Latest))
		key := [3]string{s.Queue, s.Topic, s.Group}
		if seen[key] {
			wrong = append(wrong, fmt.Errorf("%squeue %q has it twice; name it once", at, s.Queue))
		}
		seen[key] = true
	}
	return errors.Join(wrong...)
}

func set(field, value string) error {
	if value == "" {
		return fmt.Errorf("%s: is empty; set it", field)
	}
	return nil
}

func oneOf(field, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	allowed = slices.DeleteFunc(slices.Clone(allowed), func(s string) bool { return s == "" })
	return fmt.Errorf("%s: %q is not one of %s", field, value, strings.Join(allowed, ", "))
}
