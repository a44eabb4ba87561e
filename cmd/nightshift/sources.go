package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	natsjetstream "github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/backlog/jetstream"
	"nightshift.dev/nightshift/backlog/kafka"
	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/control"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/format"
)

// The variables with which the service and its workers log in to Kafka.
const (
	kafkaUserVariable     = "NIGHTSHIFT_KAFKA_USER"
	kafkaPasswordVariable = "NIGHTSHIFT_KAFKA_PASSWORD"
	// kafkaSecretVariable names a folder with the files user and password, as a Secret of Kubernetes is mounted, instead of both.
	kafkaSecretVariable = "NIGHTSHIFT_KAFKA_SECRET"
)

// sources are what the queues of the documents drain.
type sources struct {
	*ranges
	drains   []document.Queue
	backlogs []control.Backlogs
	closes   []func()
	heard    func([]orchestrator.Backlog) // what is read
}

func newSources(nc *nats.Conn, drains []document.Queue, heard func([]orchestrator.Backlog)) (*sources, error) {
	ranges, err := newRanges(nc)
	if err != nil {
		return nil, err
	}
	s := &sources{ranges: ranges, drains: drains, heard: heard}
	if err := s.readStreams(); err != nil {
		return nil, err
	}
	return s, s.readTopics()
}

// readStreams makes the reader of all streams.
func (s *sources) readStreams() error {
	var read []jetstream.Source
	for _, queue := range s.drains {
		if from := queue.Spec.NATS; from != nil {
			read = append(read, jetstream.Source{Queue: queue.Name, Stream: from.Stream, Consumer: from.Consumer, Drained: !queue.Spec.External(), Ordered: queue.Spec.Drain.Order == document.OrderKey})
		}
	}
	if len(read) == 0 {
		return nil
	}
	reader, err := jetstream.New(s.js, read, jetstream.Options{})
	if err != nil {
		return err
	}
	s.closes = append(s.closes, reader.Close)
	s.backlogs = append(s.backlogs, reading{s.tenants(), reader.ReadDue, reader.Ring(), s.heard})
	return nil
}

// readTopics makes a reader for each cluster.
func (s *sources) readTopics() error {
	clusters := map[string][]kafka.Source{}
	at := map[string]orchestrator.KafkaSource{}
	for _, queue := range s.drains {
		if from := queue.Spec.Kafka; from != nil {
			source := kafkaSource(*from)
			key := clusterKey(source)
			at[key] = source
			clusters[key] = append(clusters[key], kafka.Source{Queue: queue.Name, Topic: from.Topic, Group: from.Group, Isolation: from.Isolation, Start: from.Start})
		}
	}
	for key, read := range clusters {
		reader, err := kafka.New(s.connection(at[key]), read)
		if err != nil {
			return err
		}
		s.closes = append(s.closes, reader.Close)
		s.backlogs = append(s.backlogs, reading{s.tenants(), reader.Round, reader.Ring(), s.heard})
	}
	return nil
}

// tenants are those of the queues.
func (s *sources) tenants() map[string]string {
	tenants := map[string]string{}
	for _, queue := range s.drains {
		tenants[queue.Name] = queue.Spec.Tenant
	}
	return tenants
}

func (s *sources) queues() (names []orchestrator.QueueName) {
	for _, queue := range s.drains {
		names = append(names, orchestrator.QueueName{Tenant: queue.Spec.Tenant, Queue: queue.Name})
	}
	return names
}

// close ends connections and doorbells.
func (s *sources) close() {
	for _, end := range s.closes {
		end()
	}
	s.ranges.close()
}

// Describe implements dispatch.Sources.
func (s *sources) Describe(ctx context.Context, queue dispatch.Queue, reading orchestrator.Backlog) (orchestrator.Source, error) {
	at := slices.IndexFunc(s.drains, func(one document.Queue) bool { return one.Name == queue.Name })
	if at < 0 {
		return orchestrator.Source{}, fmt.Errorf("queue %q drains no source", queue.Name)
	}
	if from := s.drains[at].Spec.Kafka; from != nil {
		source := kafkaSource(*from)
		source.TopicID = reading.Identity
		return orchestrator.Source{Kafka: &source}, s.checkTopic(ctx, source, queue.Results.Topic)
	}
	from := s.drains[at].Spec.NATS
	source, err := jetstream.Describe(ctx, s.js, from.Stream, from.Consumer)
	if err == nil && queue.Results.Subject != "" {
		err = jetstream.CheckResults(ctx, s.js, source, queue.Results.Subject)
	}
	return orchestrator.Source{NATS: &source}, err
}

// checkTopic looks for the topic that results go to, if they go to one.
func (s *sources) checkTopic(ctx context.Context, source orchestrator.KafkaSource, topic string) error {
	if topic == "" {
		return nil
	}
	cluster, err := s.cluster(source)
	if err != nil {
		return err
	}
	return cluster.CheckResults(ctx, source, topic)
}

// Settle implements dispatch.Sources.
func (s *sources) Settle(ctx context.Context, source orchestrator.Source, settled []orchestrator.Position) error {
	if source.Kafka != nil {
		cluster, err := s.cluster(*source.Kafka)
		if err != nil {
			return err
		}
		return cluster.Settle(ctx, *source.Kafka, settled)
	}
	return jetstream.Settle(ctx, s.js, *source.NATS, settled)
}

// reading implements control.Backlogs.
type reading struct {
	tenants map[string]string // by queue
	read    func(ctx context.Context, now time.Time) ([]orchestrator.Backlog, time.Duration)
	rings   <-chan string
	heard   func([]orchestrator.Backlog)
}

func (r reading) Read(ctx context.Context, now time.Time) ([]orchestrator.Backlog, time.Duration) {
	list, next := r.read(ctx, now)
	for i := range list {
		list[i].Tenant = r.tenants[list[i].Queue]
	}
	r.heard(list)
	return list, next
}

func (r reading) Rings() <-chan string { return r.rings }

// ranges implements worker.Messages.
type ranges struct {
	js             natsjetstream.JetStream
	user, password string

	mu       sync.Mutex
	clusters map[string]*kafka.Cluster
}

// newRanges takes the secrets of Kafka out of the environment: scorers have no use for them.
func newRanges(nc *nats.Conn) (*ranges, error) {
	r, err := topicRanges()
	if err != nil {
		return nil, err
	}
	r.js, err = natsjetstream.New(nc)
	return r, err
}

// topicRanges are without streams.
func topicRanges() (*ranges, error) {
	user, password, err := kafkaLogin(os.Getenv)
	return &ranges{user: user, password: password, clusters: map[string]*kafka.Cluster{}}, err
}

// longestSecret bounds what is read of a secret's file.
const longestSecret = 64 << 10

// kafkaLogin is who logs in to Kafka: by variables, or by the files of a folder.
func kafkaLogin(getenv func(string) string) (user, password string, err error) {
	folder := getenv(kafkaSecretVariable)
	if folder == "" {
		return getenv(kafkaUserVariable), getenv(kafkaPasswordVariable), nil
	}
	if getenv(kafkaUserVariable) != "" || getenv(kafkaPasswordVariable) != "" {
		return "", "", fmt.Errorf("%s is set beside %s or %s; allowed: the folder, or the other two", kafkaSecretVariable, kafkaUserVariable, kafkaPasswordVariable)
	}
	read := func(name string) string {
		file, opened := os.Open(filepath.Join(folder, name)) //nolint:gosec // whoever runs the service says where its secrets are
		if opened != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", kafkaSecretVariable, opened))
			return ""
		}
		defer func() { _ = file.Close() }() // only read
		text, failed := io.ReadAll(io.LimitReader(file, longestSecret))
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", kafkaSecretVariable, failed))
		}
		return strings.TrimRight(string(text), "\r\n")
	}
	user, password = read("user"), read("password")
	return user, password, err
}

func (r *ranges) Open(ctx context.Context, source orchestrator.Source, from orchestrator.Object, part orchestrator.Range) (format.Messages, error) {
	switch {
	case source.NATS != nil:
		return jetstream.OpenRange(ctx, r.js, jetstream.PartitionOf(*source.NATS, from.URI), part)
	case source.Kafka != nil:
		cluster, err := r.cluster(*source.Kafka)
		if err != nil {
			return nil, err
		}
		return cluster.Range(ctx, *source.Kafka, from.URI, part)
	}
	return nil, &orchestrator.SourceError{Code: orchestrator.SourceChanged, Source: from.URI, Message: "this version knows no such source"}
}

func (r *ranges) Publish(ctx context.Context, source orchestrator.Source, to orchestrator.ResultsTo, rows []orchestrator.Published) error {
	if to.Subject != "" {
		return jetstream.Publish(ctx, r.js, to.Subject, rows)
	}
	cluster, err := r.cluster(*source.Kafka)
	if err != nil {
		return err
	}
	return cluster.Publish(ctx, to.Topic, rows)
}

// cluster connects once to each.
func (r *ranges) cluster(source orchestrator.KafkaSource) (*kafka.Cluster, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := clusterKey(source)
	if known := r.clusters[key]; known != nil {
		return known, nil
	}
	opened, err := kafka.Open(r.connection(source))
	if err == nil {
		r.clusters[key] = opened
	}
	return opened, err
}

func (r *ranges) connection(source orchestrator.KafkaSource) kafka.Connection {
	connection := kafka.Connection{Brokers: source.Brokers}
	if source.TLS {
		connection.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if source.SASL != "" {
		connection.SASL = &kafka.SASL{Mechanism: source.SASL, User: r.user, Password: r.password}
	}
	return connection
}

func (r *ranges) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.clusters {
		one.Close()
	}
}

func kafkaSource(from document.KafkaGroup) orchestrator.KafkaSource {
	return orchestrator.KafkaSource{Brokers: from.Brokers, Topic: from.Topic, Group: from.Group, Isolation: from.Isolation, TLS: from.TLS, SASL: from.SASL}
}

func clusterKey(source orchestrator.KafkaSource) string {
	return fmt.Sprint(strings.Join(source.Brokers, ","), source.TLS, source.SASL)
}
