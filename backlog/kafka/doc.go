// Package kafka reads the backlogs of Kafka groups on topics: what is committed, and to where there is something to read.
//
// A Reader asks one cluster for many sources at once: a round is a few requests to each broker, however many groups there are, and each
// has a deadline. It imports the vocabulary of package orchestrator and franz-go only. docs/backlogs.md has the cases, numbered as the tests.
package kafka
