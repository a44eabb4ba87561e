package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"nightshift.dev/nightshift/orchestrator"
)

const (
	rangeBytes  = 2 << 20  // of one answer, at most; a larger batch comes whole. 8 MiB cost a quarter more CPU: what is decoded leaves the cache
	leastBytes  = 64 << 10 // of one answer
	guessBytes  = 128      // of a record, before any was read
	rangeWaitMs = 500
	stuckAfter  = 10 * time.Second // without any progress the broker counts as unavailable
)

// Range reads the records of one range of a partition, without a group and without a reset of offsets. It ends by position: behind markers of transactions,
// aborted records and holes of compaction, too. It is used by one goroutine.
type Range struct {
	ctx       context.Context
	client    *kgo.Client
	source    Source
	id        topicID
	partition int32
	leader    int32 // -1: has to be asked for
	next, end int64
	records   []*kgo.Record
	size      int64     // bytes of a record in the log, as the last answer had it
	moved     time.Time // when next last moved
	last      error     // of the last request that failed
}

// OpenRange begins to read offsets of a partition, of a topic with this identity. ctx governs all reading until Close.
func OpenRange(ctx context.Context, client *kgo.Client, source Source, identity string, partition int32, part orchestrator.Range) (*Range, error) {
	r := &Range{ctx: ctx, client: client, source: source, partition: partition, leader: -1, size: guessBytes, next: part.Start, end: part.End, moved: time.Now()}
	if err := r.findLeader(); err != nil {
		return nil, err
	}
	if r.id.text() != identity {
		return nil, r.changed("it was made again: its records are others than those that were recorded")
	}
	return r, nil
}

// Next gives io.EOF once everything before the end was read or is not there.
func (r *Range) Next() (orchestrator.Message, error) {
	for r.next < r.end {
		if len(r.records) == 0 {
			lost, err := r.fetch()
			if err != nil {
				return orchestrator.Message{}, err
			}
			if lost.LostTo > 0 {
				return lost, nil
			}
			continue
		}
		record := r.records[0]
		r.records = r.records[1:]
		if record.Offset >= r.end {
			r.next = r.end
			break
		}
		if record.Offset >= r.next {
			r.next = record.Offset + 1
			return orchestrator.Message{Position: record.Offset, Payload: record.Value}, nil
		}
	}
	return orchestrator.Message{}, io.EOF
}

// Close ends the reading; the client is the caller's.
func (r *Range) Close() error { return nil }

// fetch asks the leader for what follows. What retention has deleted is lost.
func (r *Range) fetch() (lost orchestrator.Message, err error) {
	if r.ctx.Err() != nil {
		return lost, r.ctx.Err()
	}
	if time.Since(r.moved) > stuckAfter {
		return lost, r.unavailable(errors.Join(fmt.Errorf("nothing came from offset %d on within %s", r.next, stuckAfter), r.last))
	}
	if r.leader < 0 {
		if err := r.findLeader(); err != nil {
			return lost, err
		}
	}
	got, err := r.ask()
	if err != nil {
		if r.ctx.Err() != nil {
			return lost, r.ctx.Err()
		}
		r.leader, r.last = -1, err // it may be gone
		return lost, wait(r.ctx, 100*time.Millisecond)
	}
	switch failed := kerr.ErrorForCode(got.ErrorCode); {
	case errors.Is(failed, kerr.OffsetOutOfRange):
		return r.lost()
	case errors.Is(failed, kerr.UnknownTopicID), errors.Is(failed, kerr.InconsistentTopicID), errors.Is(failed, kerr.UnknownTopicOrPartition):
		return lost, r.changed("it is gone")
	case failed != nil && kerr.IsRetriable(failed):
		r.leader, r.last = -1, failed
		return lost, wait(r.ctx, 100*time.Millisecond)
	case failed != nil:
		return lost, r.unavailable(errors.New(told("look at records of topic "+r.source.Topic, failed)))
	}
	return lost, r.take(got)
}

func (r *Range) ask() (*kmsg.FetchResponseTopicPartition, error) {
	request := kmsg.NewPtrFetchRequest()
	most := int32(min(max((r.end-r.next)*r.size, leastBytes), rangeBytes)) // what lies behind the range would be read in vain
	request.MaxWaitMillis, request.MinBytes, request.MaxBytes, request.SessionEpoch = rangeWaitMs, 1, most, -1
	if r.source.committedOnly() {
		request.IsolationLevel = 1
	}
	topic, partition := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	topic.Topic, topic.TopicID = r.source.Topic, r.id
	partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = r.partition, r.next, most
	topic.Partitions = append(topic.Partitions, partition)
	request.Topics = append(request.Topics, topic)
	ctx, cancel := context.WithTimeout(r.ctx, defaultTimeout)
	defer cancel()
	answer, err := r.client.Broker(int(r.leader)).RetriableRequest(ctx, request)
	if err != nil {
		return nil, err
	}
	response := answer.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
		return nil, err
	}
	if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return nil, errors.New("the broker's answer has no such partition")
	}
	return &response.Topics[0].Partitions[0], nil
}

// take keeps the records of an answer, and goes on behind what it holds besides.
func (r *Range) take(got *kmsg.FetchResponseTopicPartition) error {
	isolation := kgo.ReadUncommitted()
	if r.source.committedOnly() {
		isolation = kgo.ReadCommitted()
	}
	options := kgo.ProcessFetchPartitionOpts{Topic: r.source.Topic, Partition: r.partition, Offset: r.next, IsolationLevel: isolation}
	found, behind := kgo.ProcessFetchPartition(options, got, kgo.DefaultDecompressor(), nil)
	if found.Err != nil && len(found.Records) == 0 {
		return r.unavailable(found.Err)
	}
	r.records = found.Records
	if len(r.records) > 0 {
		r.size = int64(len(got.RecordBatches)/len(r.records)) + 1
	}
	if len(r.records) > 0 || behind > r.next {
		r.moved = time.Now()
	}
	if len(r.records) == 0 {
		r.next = max(r.next, behind)
	}
	return nil
}

// lost goes on where the log begins now. A range behind the log's end is of a log that was cut back.
func (r *Range) lost() (orchestrator.Message, error) {
	start, err := r.logStart()
	if err != nil {
		return orchestrator.Message{}, r.unavailable(err)
	}
	if start <= r.next {
		return orchestrator.Message{}, r.unavailable(fmt.Errorf("the leader does not know offset %d, and begins at %d", r.next, start))
	}
	from, to := r.next, min(start, r.end)
	r.next, r.moved = to, time.Now()
	return orchestrator.Message{Position: from, LostTo: to}, nil
}

// logStart is the first offset that is still there.
func (r *Range) logStart() (int64, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	topic, partition := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	topic.Topic, partition.Partition, partition.Timestamp = r.source.Topic, r.partition, atStart
	topic.Partitions = append(topic.Partitions, partition)
	request.Topics, request.ReplicaID = append(request.Topics, topic), -1
	ctx, cancel := context.WithTimeout(r.ctx, defaultTimeout)
	defer cancel()
	answer, err := r.client.Broker(int(r.leader)).RetriableRequest(ctx, request)
	if err != nil {
		return 0, err
	}
	response := answer.(*kmsg.ListOffsetsResponse)
	if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return 0, errors.New("the broker's answer has no such partition")
	}
	found := response.Topics[0].Partitions[0]
	return found.Offset, kerr.ErrorForCode(found.ErrorCode)
}

// askTopic asks for a topic, and for what the user may do with it where that is wished.
func askTopic(ctx context.Context, client *kgo.Client, name string, rights bool) (*kmsg.MetadataResponse, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.IncludeTopicAuthorizedOperations = rights
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr(name)
	request.Topics = append(request.Topics, topic)
	return request.RequestWith(ctx, client)
}

// findLeader asks for the topic's identity and for who leads the partition now.
func (r *Range) findLeader() error {
	ctx, cancel := context.WithTimeout(r.ctx, defaultTimeout)
	defer cancel()
	response, err := askTopic(ctx, r.client, r.source.Topic, false)
	switch {
	case r.ctx.Err() != nil:
		return r.ctx.Err()
	case err != nil:
		return r.unavailable(err)
	case len(response.Topics) != 1:
		return r.unavailable(errors.New("the broker's answer has no such topic"))
	}
	found := response.Topics[0]
	if err := kerr.ErrorForCode(found.ErrorCode); errors.Is(err, kerr.UnknownTopicOrPartition) {
		return r.changed("it is gone")
	} else if err != nil {
		return r.unavailable(errors.New(told("ask for topic "+r.source.Topic, err)))
	}
	if r.leader = -1; r.id != (topicID{}) && r.id != found.TopicID {
		return r.changed("it was made again while it was read")
	}
	r.id = found.TopicID
	for _, one := range found.Partitions {
		if one.Partition == r.partition && one.Leader >= 0 && kerr.ErrorForCode(one.ErrorCode) == nil {
			r.leader = one.Leader
		}
	}
	if r.leader < 0 {
		return r.unavailable(fmt.Errorf("partition %d has no leader at present", r.partition))
	}
	return nil
}

func (r *Range) unavailable(err error) error {
	return &orchestrator.SourceError{Code: orchestrator.SourceUnavailable, Source: r.source.name(), Message: err.Error()}
}

func (r *Range) changed(why string) error {
	return &orchestrator.SourceError{Code: orchestrator.SourceChanged, Source: r.source.name(), Message: "topic " + r.source.Topic + ": " + why}
}

// wait gives the context's error, if it ends before.
func wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
