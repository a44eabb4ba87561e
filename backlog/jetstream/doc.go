// Package jetstream reads the backlogs of JetStream consumers: one request per consumer and reading, answered by the consumer's leader, and more only where
// an answer does not follow from the one before. What is unknown is an error, never zero. docs/backlogs.md numbers the cases; the tests carry the numbers.
//
// A Reader also hears bursts: a doorbell is a one-message pull on an ephemeral consumer of its own, which the server answers as soon as something arrives.
// It consumes nothing of the consumers that it reads.
//
// A stream that is drained is read by ranges (OpenRange), and its consumer only shows how far it is settled (Begin, Settle); docs/draining.md.
//
// It imports orchestrator, nats.go and golang.org/x/time/rate.
package jetstream
