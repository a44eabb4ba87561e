package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"nightshift.dev/nightshift/backlog/jetstream"
	"nightshift.dev/nightshift/backlog/kafka"
	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document"
)

// sourceWithin bounds the looks at one source.
const sourceWithin = 30 * time.Second

// examineSources looks at what queues drain, or size a pool by, with the rights of this connection and of the variables for Kafka.
func (p *program) examineSources(ctx context.Context, e *examination, queues []document.Queue) error {
	look, err := topicRanges()
	if err != nil {
		e.say(checkFail, "source", "who logs in to Kafka is not known: "+err.Error(), "")
		return nil
	}
	if slices.ContainsFunc(queues, func(queue document.Queue) bool { return queue.Spec.NATS != nil }) {
		client, err := p.client()
		if err != nil {
			e.say(checkFail, "source", "streams cannot be looked at: "+err.Error(), "")
			return nil
		}
		defer client.close()
		if look, err = newRanges(client.conn); err != nil {
			return err
		}
	}
	for _, queue := range queues {
		if queue.Spec.Source != document.SourceJobs {
			look.examine(ctx, e, queue)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// examine reports what is found about a queue's source.
func (r *ranges) examine(ctx context.Context, e *examination, queue document.Queue) {
	ctx, cancel := context.WithTimeout(ctx, sourceWithin)
	defer cancel()
	name, found := r.checkSource(ctx, queue)
	for _, one := range found {
		verdict := checkWarn
		if one.Refused {
			verdict = checkFail
		}
		e.say(verdict, "source", fmt.Sprintf("queue %s: %s: %s", queue.Name, name, one.Found), one.Next)
	}
	if len(found) == 0 {
		can := "can be drained"
		if queue.Spec.External() {
			can = "can be read"
		}
		e.say(checkOK, "source", fmt.Sprintf("queue %s: %s %s", queue.Name, name, can), "")
	}
}

func (r *ranges) checkSource(ctx context.Context, queue document.Queue) (name string, found []orchestrator.SourceFinding) {
	within := queue.Spec.Objective.FinishWithin
	checkStream, checkTopic := jetstream.Check, kafka.Check
	if queue.Spec.External() {
		checkStream, checkTopic = jetstream.CheckSized, kafka.CheckSized
	}
	if from := queue.Spec.NATS; from != nil {
		return "nats " + from.Stream + "/" + from.Consumer, checkStream(ctx, r.js, orchestrator.NATSSource{Stream: from.Stream, Consumer: from.Consumer}, within)
	}
	from := queue.Spec.Kafka
	source := kafka.Source{Queue: queue.Name, Topic: from.Topic, Group: from.Group, Isolation: from.Isolation, Start: from.Start}
	name = "kafka " + from.Topic + "/" + from.Group
	if from.SASL != "" && (r.user == "" || r.password == "") {
		return name, []orchestrator.SourceFinding{{
			Refused: true, Found: "sasl is " + from.SASL + ", and there is no user or no password here", Next: "Set " + kafkaUserVariable + " and " + kafkaPasswordVariable + ", or " + kafkaSecretVariable,
		}}
	}
	return name, checkTopic(ctx, r.connection(kafkaSource(*from)), source, within)
}
