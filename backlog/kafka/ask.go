package kafka

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// topicID tells a topic from a later one of the same name.
type topicID [16]byte

func (t topicID) text() string { return hex.EncodeToString(t[:]) }

func parseTopicID(text string) (id topicID, err error) {
	bytes, err := hex.DecodeString(text)
	if err != nil || len(bytes) != len(id) {
		return id, fmt.Errorf("%q is no identity of a topic", text)
	}
	return topicID(bytes), nil
}

type spot struct {
	topic     string
	partition int32
}

// topicAnswer is a topic as the cluster knows it now.
type topicAnswer struct {
	id      topicID
	leaders []int32 // by partition; -1: none
	err     string
}

// offsetAnswer is what one request for an offset gave. Where there is none, nobody has answered.
type offsetAnswer struct {
	offset int64
	lag    int64 // as the broker counts it, for share groups; -1: it does not
	err    string
}

type groupAnswer struct {
	offsets map[spot]offsetAnswer
	err     string
}

// answers is all of one round.
type answers struct {
	err     string // of the whole cluster
	topics  map[string]topicAnswer
	commits map[string]groupAnswer
	shares  map[string]groupAnswer
	starts  map[spot]offsetAnswer
	stables map[spot]offsetAnswer // last stable offsets
	highs   map[spot]offsetAnswer // high watermarks
}

const (
	atStart = -2
	atEnd   = -1
)

// ask makes one round. Commits are asked for before ends, so that no end is older than a commit, and high watermarks before last stable
// offsets, so that only an open transaction lets these be smaller.
func (r *Reader) ask(ctx context.Context) answers {
	var a answers
	var topics, groups []string
	for _, s := range r.sources {
		topics, groups = append(topics, s.Topic), append(groups, s.Group)
	}
	var wait sync.WaitGroup
	wait.Go(func() { a.topics, a.err = r.askTopics(ctx, distinct(topics)) })
	wait.Go(func() { a.commits = r.askCommits(ctx, distinct(groups)) })
	wait.Wait()
	if a.err != "" {
		return a
	}
	shares := r.maybeShares(a.commits)
	wait.Go(func() { a.shares = r.askShares(ctx, shares) })
	wait.Go(func() { a.starts = r.askOffsets(ctx, a.topics, atStart, 0) })
	wait.Go(func() {
		a.highs = r.askOffsets(ctx, a.topics, atEnd, 0)
		a.stables = r.askOffsets(ctx, a.topics, atEnd, 1)
	})
	wait.Wait()
	return a
}

func distinct(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

func (r *Reader) askTopics(ctx context.Context, topics []string) (map[string]topicAnswer, string) {
	request := kmsg.NewPtrMetadataRequest()
	for _, name := range topics {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		request.Topics = append(request.Topics, topic)
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	response, err := request.RequestWith(ctx, r.client)
	if err != nil {
		return nil, told("ask for topics", err)
	}
	all := map[string]topicAnswer{}
	for _, t := range response.Topics {
		if t.Topic == nil {
			continue
		}
		all[*t.Topic] = topicOf(t)
	}
	return all, ""
}

func topicOf(t kmsg.MetadataResponseTopic) topicAnswer {
	name := *t.Topic
	if err := code(t.ErrorCode); err != nil {
		if err == kerr.UnknownTopicOrPartition {
			return topicAnswer{err: fmt.Sprintf("topic %s does not exist", name)}
		}
		return topicAnswer{err: told("ask for topic "+name, err)}
	}
	leaders := make([]int32, len(t.Partitions))
	for _, p := range t.Partitions {
		if int(p.Partition) >= len(leaders) {
			return topicAnswer{err: fmt.Sprintf("topic %s: the broker told partition %d of %d", name, p.Partition, len(leaders))}
		}
		leaders[p.Partition] = p.Leader
	}
	return topicAnswer{id: t.TopicID, leaders: leaders}
}

// askOffsets asks each leader once, for all of its partitions.
func (r *Reader) askOffsets(ctx context.Context, topics map[string]topicAnswer, at int64, isolation int8) map[spot]offsetAnswer {
	byLeader := map[int32]map[string][]int32{}
	for name, t := range topics {
		for partition, leader := range t.leaders {
			if leader < 0 {
				continue
			}
			if byLeader[leader] == nil {
				byLeader[leader] = map[string][]int32{}
			}
			byLeader[leader][name] = append(byLeader[leader][name], int32(partition))
		}
	}
	all := map[spot]offsetAnswer{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for leader, of := range byLeader {
		wait.Go(func() {
			got := r.askLeader(ctx, leader, of, at, isolation)
			mu.Lock()
			defer mu.Unlock()
			for where, answer := range got {
				all[where] = answer
			}
		})
	}
	wait.Wait()
	return all
}

func (r *Reader) askLeader(ctx context.Context, leader int32, of map[string][]int32, at int64, isolation int8) map[spot]offsetAnswer {
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID, request.IsolationLevel = -1, isolation
	for name, partitions := range of {
		topic := kmsg.NewListOffsetsRequestTopic()
		topic.Topic = name
		for _, p := range partitions {
			partition := kmsg.NewListOffsetsRequestTopicPartition()
			partition.Partition, partition.Timestamp = p, at
			topic.Partitions = append(topic.Partitions, partition)
		}
		request.Topics = append(request.Topics, topic)
	}
	doing := fmt.Sprintf("ask broker %d for offsets", leader)
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	all := map[spot]offsetAnswer{}
	answer, err := r.client.Broker(int(leader)).RetriableRequest(ctx, request)
	if err != nil {
		for name, partitions := range of {
			for _, p := range partitions {
				all[spot{name, p}] = offsetAnswer{err: told(doing, err)}
			}
		}
		return all
	}
	for _, t := range answer.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			all[spot{t.Topic, p.Partition}] = offsetAnswer{offset: p.Offset, err: told(doing, code(p.ErrorCode))}
		}
	}
	return all
}

// askCommits asks each coordinator once, for all of its groups.
func (r *Reader) askCommits(ctx context.Context, groups []string) map[string]groupAnswer {
	request := kmsg.NewPtrOffsetFetchRequest()
	for _, name := range groups {
		group := kmsg.NewOffsetFetchRequestGroup()
		group.Group = name
		request.Groups = append(request.Groups, group)
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	all := map[string]groupAnswer{}
	for _, shard := range r.client.RequestSharded(ctx, request) {
		if shard.Err != nil {
			for _, g := range shard.Req.(*kmsg.OffsetFetchRequest).Groups {
				all[g.Group] = groupAnswer{err: told("ask for the commits of group "+g.Group, shard.Err)}
			}
			continue
		}
		for _, g := range shard.Resp.(*kmsg.OffsetFetchResponse).Groups {
			all[g.Group] = commitsOf(g)
		}
	}
	return all
}

func commitsOf(g kmsg.OffsetFetchResponseGroup) groupAnswer {
	doing := "ask for the commits of group " + g.Group
	if err := code(g.ErrorCode); err != nil && err != kerr.GroupIDNotFound { // a group that nobody knows has no commits
		return groupAnswer{err: told(doing, err)}
	}
	offsets := map[spot]offsetAnswer{}
	for _, t := range g.Topics {
		for _, p := range t.Partitions {
			if err := code(p.ErrorCode); err != nil || p.Offset >= 0 {
				offsets[spot{t.Topic, p.Partition}] = offsetAnswer{offset: p.Offset, lag: -1, err: told(doing, err)}
			}
		}
	}
	return groupAnswer{offsets: offsets}
}

// maybeShares are the groups that are said to be share groups, and those without any commit, which may be.
func (r *Reader) maybeShares(commits map[string]groupAnswer) []string {
	var groups []string
	for _, s := range r.sources {
		g := commits[s.Group]
		if s.Share || g.err == "" && len(g.offsets) == 0 {
			groups = append(groups, s.Group)
		}
	}
	return distinct(groups)
}

func (r *Reader) askShares(ctx context.Context, groups []string) map[string]groupAnswer {
	all := map[string]groupAnswer{}
	if len(groups) == 0 {
		return all
	}
	request := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
	for _, name := range groups {
		group := kmsg.NewDescribeShareGroupOffsetsRequestGroup()
		group.GroupID = name
		request.Groups = append(request.Groups, group)
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	for _, shard := range r.client.RequestSharded(ctx, request) {
		if shard.Err != nil {
			for _, g := range shard.Req.(*kmsg.DescribeShareGroupOffsetsRequest).Groups {
				all[g.GroupID] = groupAnswer{err: told("ask for the offsets of share group "+g.GroupID+" (which needs Kafka 4.1 or later)", shard.Err)}
			}
			continue
		}
		for _, g := range shard.Resp.(*kmsg.DescribeShareGroupOffsetsResponse).Groups {
			all[g.GroupID] = sharesOf(g)
		}
	}
	return all
}

func sharesOf(g kmsg.DescribeShareGroupOffsetsResponseGroup) groupAnswer {
	doing := "ask for the offsets of share group " + g.GroupID
	if err := code(g.ErrorCode); err != nil {
		return groupAnswer{err: told(doing, err)}
	}
	offsets := map[spot]offsetAnswer{}
	for _, t := range g.Topics {
		for _, p := range t.Partitions {
			if err := code(p.ErrorCode); err != nil || p.StartOffset >= 0 {
				offsets[spot{t.Topic, p.Partition}] = offsetAnswer{offset: p.StartOffset, lag: p.Lag, err: told(doing, err)}
			}
		}
	}
	return groupAnswer{offsets: offsets}
}
