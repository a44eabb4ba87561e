package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	natsjetstream "github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/backlog/jetstream"
	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/control"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/format"
)

// sources are what the queues of the documents drain.
type sources struct {
	js     natsjetstream.JetStream
	drains []document.Queue
	reader *jetstream.Reader
}

func newSources(nc *nats.Conn, drains []document.Queue) (*sources, error) {
	js, err := natsjetstream.New(nc)
	if err != nil {
		return nil, err
	}
	var read []jetstream.Source
	for _, queue := range drains {
		read = append(read, jetstream.Source{Queue: queue.Name, Stream: queue.Spec.NATS.Stream, Consumer: queue.Spec.NATS.Consumer, Drained: true})
	}
	reader, err := jetstream.New(js, read, jetstream.Options{})
	return &sources{js: js, drains: drains, reader: reader}, err
}

func (s *sources) queues() (names []orchestrator.QueueName) {
	for _, queue := range s.drains {
		names = append(names, orchestrator.QueueName{Tenant: queue.Spec.Tenant, Queue: queue.Name})
	}
	return names
}

// readers read the backlogs, one for each account and cluster.
func (s *sources) readers() []control.Backlogs {
	if len(s.drains) == 0 {
		return nil
	}
	return []control.Backlogs{s}
}

func (s *sources) find(name string) (document.Queue, error) {
	for _, queue := range s.drains {
		if queue.Name == name {
			return queue, nil
		}
	}
	return document.Queue{}, fmt.Errorf("queue %q drains no source", name)
}

// Begin implements dispatch.Sources.
func (s *sources) Begin(ctx context.Context, queue dispatch.Queue) (orchestrator.Source, []orchestrator.Position, error) {
	found, err := s.find(queue.Name)
	if err != nil {
		return orchestrator.Source{}, nil, err
	}
	from, begin, err := jetstream.Begin(ctx, s.js, found.Spec.NATS.Stream, found.Spec.NATS.Consumer)
	return orchestrator.Source{NATS: &from}, begin, err
}

// Settle implements dispatch.Sources.
func (s *sources) Settle(ctx context.Context, source orchestrator.Source, settled []orchestrator.Position) error {
	var failed error
	for _, one := range settled {
		failed = errors.Join(failed, jetstream.Settle(ctx, s.js, *source.NATS, one.Settled))
	}
	return failed
}

// messages implements worker.Messages.
type messages struct{ js natsjetstream.JetStream }

func newMessages(nc *nats.Conn) (messages, error) {
	js, err := natsjetstream.New(nc)
	return messages{js}, err
}

func (m messages) Open(ctx context.Context, source orchestrator.Source, from orchestrator.Object, part orchestrator.Range) (format.Messages, error) {
	if source.NATS == nil {
		return nil, &orchestrator.SourceError{Code: orchestrator.SourceChanged, Source: from.URI, Message: "this version reads JetStream only"}
	}
	return jetstream.OpenRange(ctx, m.js, *source.NATS, part)
}

// Read implements control.Backlogs.
func (s *sources) Read(ctx context.Context, now time.Time) []orchestrator.Backlog {
	list := s.reader.Read(ctx, now)
	for i := range list {
		for _, queue := range s.drains {
			if queue.Name == list[i].Queue {
				list[i].Tenant = queue.Spec.Tenant
			}
		}
	}
	return list
}

// Rings implements control.Backlogs.
func (s *sources) Rings() <-chan string { return s.reader.Ring() }

// close ends the doorbells.
func (s *sources) close() { s.reader.Close() }
