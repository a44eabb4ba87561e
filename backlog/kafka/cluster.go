package kafka

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"nightshift.dev/nightshift/orchestrator"
)

// Cluster reads and settles ranges of the topics of one cluster, and publishes results to others. It is safe for concurrent use.
type Cluster struct{ client *kgo.Client }

// Open checks what it is given, and connects when it is first used.
func Open(connection Connection) (*Cluster, error) {
	if err := check(connection, nil); err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(connection.options(), publishing()...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	return &Cluster{client}, nil
}

// Close ends the connections.
func (c *Cluster) Close() { c.client.Close() }

// Range begins to read a range of the partition that an object of a standing job names.
func (c *Cluster) Range(ctx context.Context, source orchestrator.KafkaSource, uri string, part orchestrator.Range) (*Range, error) {
	partition, err := partitionOf(uri, source.Topic)
	if err != nil {
		return nil, err
	}
	return OpenRange(ctx, c.client, sourceOf(source), source.TopicID, partition, part)
}

// Settle commits the positions for the source's group.
func (c *Cluster) Settle(ctx context.Context, source orchestrator.KafkaSource, settled []orchestrator.Position) error {
	offsets := map[int32]int64{}
	for _, one := range settled {
		partition, err := partitionOf(one.URI, source.Topic)
		if err != nil {
			return err
		}
		offsets[partition] = one.Settled
	}
	return Settle(ctx, c.client, sourceOf(source), source.TopicID, offsets)
}

func sourceOf(source orchestrator.KafkaSource) Source {
	return Source{Topic: source.Topic, Group: source.Group, Isolation: source.Isolation}
}

// partitionOf reads what URI wrote.
func partitionOf(uri, topic string) (int32, error) {
	text, is := strings.CutPrefix(uri, URI(topic, 0)[:len(URI(topic, 0))-1])
	number, err := strconv.ParseInt(text, 10, 32)
	if !is || err != nil {
		return 0, fmt.Errorf("%s is no partition of topic %s", uri, topic)
	}
	return int32(number), nil
}
