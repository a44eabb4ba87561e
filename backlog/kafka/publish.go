package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"nightshift.dev/nightshift/orchestrator"
)

// Bounds of what is produced and not acknowledged yet, over all ranges of a cluster, and of how long a record is tried.
const (
	publishBytes  = 8 << 20
	publishWithin = 20 * time.Second
)

// publishing is how a cluster's client produces: idempotent, with the acknowledgement of all replicas in sync, which are the client's defaults.
func publishing() []kgo.Opt {
	return []kgo.Opt{kgo.MaxBufferedBytes(publishBytes), kgo.RecordDeliveryTimeout(publishWithin), kgo.RequiredAcks(kgo.AllISRAcks())}
}

// Publish produces results to a topic and returns when all are acknowledged. The key of a row is the key of its record. A row that is too large is marked as
// refused.
func (c *Cluster) Publish(ctx context.Context, topic string, rows []orchestrator.Published) error {
	asked, cancel := context.WithTimeout(ctx, publishWithin+defaultTimeout)
	defer cancel()
	failed := make([]error, len(rows))
	answers := make(chan answer, len(rows)) // never full: the client may answer when nobody waits any more
	for i := range rows {
		c.client.Produce(asked, recordOf(topic, rows[i]), func(_ *kgo.Record, err error) { answers <- answer{i, err} })
	}
	for range rows {
		select {
		case got := <-answers:
			failed[got.row] = got.err
		case <-asked.Done(): // a record whose first answer was lost may not be given up by the client
			return errors.Join(ctx.Err(), notPublished(topic, asked.Err()))
		}
	}
	for i, err := range failed {
		if tooLarge(err) { // perhaps only the batch that it was in is, where the topic takes less than others do
			err = c.publishAlone(ctx, topic, &rows[i])
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return notPublished(topic, err)
		}
	}
	return nil
}

// answer is what became of a row's record.
type answer struct {
	row int
	err error
}

func notPublished(topic string, err error) error {
	return &orchestrator.SourceError{Code: orchestrator.SourceUnavailable, Source: "results on topic " + topic, Message: told(producing+topic, err)}
}

func tooLarge(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge)
}

// publishAlone sends a row in a batch of its own, and marks it as refused if that is too large.
func (c *Cluster) publishAlone(ctx context.Context, topic string, row *orchestrator.Published) error {
	asked, cancel := context.WithTimeout(ctx, publishWithin+defaultTimeout)
	defer cancel()
	err := c.client.ProduceSync(asked, recordOf(topic, *row)).FirstErr()
	if tooLarge(err) {
		row.Refused, err = fmt.Sprintf("its result is %d bytes; the topic does not take a record of that size, or it is above the 1,000,000 of a batch", len(row.Line)), nil
	}
	return err
}

func recordOf(topic string, row orchestrator.Published) *kgo.Record {
	record := &kgo.Record{Topic: topic, Value: row.Line}
	if row.Key != "" {
		record.Key = []byte(row.Key)
	}
	for _, one := range row.Headers() {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: one[0], Value: []byte(one[1])})
	}
	return record
}

// CheckResults refuses a topic that is not there.
func (c *Cluster) CheckResults(ctx context.Context, source orchestrator.KafkaSource, topic string) error {
	asked, cancel := context.WithTimeout(ctx, defaultTimeout)
	defer cancel()
	response, err := askTopic(asked, c.client, topic, false)
	from := sourceOf(source)
	switch {
	case err != nil:
		return from.settling(orchestrator.SourceUnavailable, told("ask for the topic of results "+topic, err))
	case len(response.Topics) != 1:
		return from.settling(orchestrator.SourceUnavailable, "the broker's answer has no topic "+topic)
	}
	switch err := kerr.ErrorForCode(response.Topics[0].ErrorCode); {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return from.settling(orchestrator.SourceRefused, "there is no topic "+topic+" for the results; make it, for example: kafka-topics.sh --create --topic "+topic)
	case err != nil:
		return from.settling(orchestrator.SourceUnavailable, told("ask for the topic of results "+topic, err))
	}
	return nil
}
