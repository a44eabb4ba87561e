package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"nightshift.dev/nightshift/orchestrator"
)

// Settle commits offsets for a group that has no members: each partition's first offset that is not settled, never one below what is committed. A group with
// members is somebody's who commits by itself; the broker refuses, and the refusal says so.
func Settle(ctx context.Context, client *kgo.Client, source Source, identity string, settled map[int32]int64) error {
	id, err := parseTopicID(identity)
	if err != nil {
		return source.settling(orchestrator.SourceChanged, err.Error())
	}
	have, err := committed(ctx, client, source, id, settled)
	if err != nil {
		return err
	}
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Group, request.Generation = source.Group, -1
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic, topic.TopicID = source.Topic, id
	for partition, offset := range settled {
		if offset <= have[partition] {
			continue
		}
		one := kmsg.NewOffsetCommitRequestTopicPartition()
		one.Partition, one.Offset = partition, offset
		topic.Partitions = append(topic.Partitions, one)
	}
	if len(topic.Partitions) == 0 {
		return nil
	}
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return source.settling(orchestrator.SourceUnavailable, told("commit offsets", err))
	}
	for _, topic := range response.Topics {
		for _, one := range topic.Partitions {
			if err := kerr.ErrorForCode(one.ErrorCode); err != nil {
				return source.commitRefused(one.Partition, err)
			}
		}
	}
	return nil
}

func (s Source) commitRefused(partition int32, err error) error {
	if errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.IllegalGeneration) || errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.StaleMemberEpoch) {
		return s.settling(orchestrator.SourceRefused, fmt.Sprintf("group %s has members: somebody consumes with it, which has to be ours alone; nothing is committed for it", s.Group))
	}
	return s.settling(orchestrator.SourceUnavailable, told(fmt.Sprintf("commit offsets of partition %d", partition), err))
}

func (s Source) settling(code, why string) error {
	return &orchestrator.SourceError{Code: code, Source: s.name(), Message: why}
}

// committed are the offsets that the group has; -1: none.
func committed(ctx context.Context, client *kgo.Client, source Source, id topicID, of map[int32]int64) (map[int32]int64, error) {
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Group, request.RequireStable = source.Group, true
	topic := kmsg.NewOffsetFetchRequestTopic()
	topic.Topic = source.Topic
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = source.Group
	inGroup := kmsg.NewOffsetFetchRequestGroupTopic()
	inGroup.Topic, inGroup.TopicID = source.Topic, id
	for partition := range of {
		topic.Partitions, inGroup.Partitions = append(topic.Partitions, partition), append(inGroup.Partitions, partition)
	}
	request.Topics, group.Topics = append(request.Topics, topic), append(group.Topics, inGroup)
	request.Groups = append(request.Groups, group)
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, source.settling(orchestrator.SourceUnavailable, told("read committed offsets", err))
	}
	found := map[int32]int64{}
	for _, group := range response.Groups {
		if err := kerr.ErrorForCode(group.ErrorCode); err != nil {
			return nil, source.settling(orchestrator.SourceUnavailable, told("read committed offsets", err))
		}
		for _, topic := range group.Topics {
			for _, one := range topic.Partitions {
				if err := kerr.ErrorForCode(one.ErrorCode); err != nil {
					return nil, source.settling(orchestrator.SourceUnavailable, told("read committed offsets", err))
				}
				found[one.Partition] = one.Offset
			}
		}
	}
	return found, nil
}
