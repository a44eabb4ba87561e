package kafka

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

func fake(t *testing.T, options ...kfake.Opt) (*kfake.Cluster, *world) {
	t.Helper()
	cluster, err := kfake.NewCluster(options...)
	must(t, err)
	t.Cleanup(cluster.Close)
	return cluster, newWorld(t, cluster.ListenAddrs()...)
}

// threePartitions is a topic with two rows on each partition, and a group that has done one of each.
func threePartitions(t *testing.T) (*kfake.Cluster, *world, *Reader) {
	t.Helper()
	cluster, w := fake(t, kfake.NumBrokers(3))
	w.topic("t", 3)
	for partition := range int32(3) {
		w.produce("t", partition, 2)
	}
	w.commit("g", "t", 1, 1, 1)
	r := w.reader(Source{Topic: "t", Group: "g"})
	pending(t, w.right(r), 3, false, 3)
	return cluster, w, r
}

// K14: an answer that lacks a partition is no answer.
func TestK14PartialAnswers(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault kfake.Fault
		words []string
	}{
		{"end", kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "t", Partitions: []int32{1}, Err: kerr.NotLeaderForPartition, Count: -1},
			[]string{"partition 1 of topic t (of 3) could not be read", "NOT_LEADER"}},
		{"all ends", kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "t", Err: kerr.OffsetNotAvailable, Count: -1}, []string{"partition 0, 1, 2 of topic t (of 3)"}},
		{"commits", kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "g", Err: kerr.CoordinatorLoadInProgress, Count: -1}, []string{"ask for the commits of group g", "COORDINATOR_LOAD"}},
		{"topic", kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "t", Err: kerr.LeaderNotAvailable, Count: -1}, []string{"ask for topic t", "LEADER_NOT_AVAILABLE"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster, w, r := threePartitions(t)
			handle := cluster.Fault(c.fault)
			w.held(r, c.words...)
			handle.Remove()
			pending(t, w.right(r), 3, false, 3)
		})
	}
}

// K14: what is not in an answer at all.
func TestK14LeftOut(t *testing.T) {
	for _, key := range []int16{kmsg.ListOffsets.Int16(), kmsg.Metadata.Int16(), kmsg.OffsetFetch.Int16()} {
		t.Run(kmsg.NameForKey(key), func(t *testing.T) {
			cluster, w, r := threePartitions(t)
			cluster.ControlKey(key, func(request kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				empty := request.ResponseKind()
				if m, ok := empty.(*kmsg.MetadataResponse); ok {
					if len(request.(*kmsg.MetadataRequest).Topics) == 0 {
						return nil, nil, false // the client looks for brokers
					}
					m.Brokers = []kmsg.MetadataResponseBroker{}
				}
				return empty, nil, true
			})
			w.held(r)
		})
	}
}

// K14: the coordinator knows the commits of some partitions only.
func TestK14CommitOfOnePartition(t *testing.T) {
	cluster, w, r := threePartitions(t)
	cluster.ControlKey(kmsg.OffsetFetch.Int16(), func(request kmsg.Request) (kmsg.Response, error, bool) {
		answer := request.ResponseKind().(*kmsg.OffsetFetchResponse)
		group, topic, partition := kmsg.NewOffsetFetchResponseGroup(), kmsg.NewOffsetFetchResponseGroupTopic(), kmsg.NewOffsetFetchResponseGroupTopicPartition()
		partition.Partition, partition.Offset, partition.ErrorCode = 2, -1, kerr.UnknownServerError.Code
		group.Group, topic.Topic, topic.TopicID = "g", "t", cluster.TopicInfo("t").TopicID
		topic.Partitions = append(topic.Partitions, partition)
		group.Topics = append(group.Topics, topic)
		answer.Groups = append(answer.Groups, group)
		return answer, nil, true
	})
	w.held(r, "partition 2 of topic t: ask for the commits of group g: UNKNOWN_SERVER_ERROR", "nothing is now")
	pending(t, w.right(r), 3, false, 3)
}

// K16: which right is missing.
func TestK16Denied(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault kfake.Fault
		words string
	}{
		{"topic", kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "t", Err: kerr.TopicAuthorizationFailed, Count: -1}, "the user needs DESCRIBE on the topic"},
		{"offsets", kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "t", Err: kerr.TopicAuthorizationFailed, Count: -1}, "the user needs DESCRIBE on the topic"},
		{"group", kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "g", Err: kerr.GroupAuthorizationFailed, Count: -1}, "the user needs DESCRIBE on the group"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster, w, r := threePartitions(t)
			cluster.Fault(c.fault)
			w.held(r, c.words)
		})
	}
}

// K20: a round is a few requests to each broker, however many groups there are, and each has a deadline.
func TestK20RequestsOfARound(t *testing.T) {
	cluster, w := fake(t, kfake.NumBrokers(2))
	w.topic("t", 4)
	var sources []Source
	for _, group := range strings.Fields("a b c d e f g h i j k l m n o p") {
		w.commit(group, "t", 0, 0, 0, 0)
		sources = append(sources, Source{Topic: "t", Group: group})
	}
	r := w.reader(sources...)
	w.right(r)
	most := map[kmsg.Key]int{kmsg.Metadata: 1, kmsg.OffsetFetch: 2, kmsg.ListOffsets: 6, kmsg.DescribeConfigs: 0, kmsg.Fetch: 0, kmsg.DescribeShareGroupOffsets: 0, kmsg.FindCoordinator: 0}
	seen := map[kmsg.Key]*kfake.FaultHandle{}
	for key := range most {
		seen[key] = cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, TopLevel: false, Observe: true, Count: -1})
	}
	for range 3 {
		for _, b := range r.Read(t.Context(), now) {
			pending(t, b, 0, false, 0)
		}
	}
	for key, handle := range seen {
		if handle.Hits() > 3*most[key] {
			t.Errorf("%d requests %s in three rounds, want at most %d", handle.Hits(), key.Name(), 3*most[key])
		}
	}
}

// K20: a broker that does not answer holds a round up for no longer than the deadlines.
func TestK20Deadline(t *testing.T) {
	cluster, w, _ := threePartitions(t)
	r, err := New(Connection{Brokers: w.brokers, Timeout: 200 * time.Millisecond}, []Source{{Queue: "q", Topic: "t", Group: "g"}})
	must(t, err)
	defer r.Close()
	w.right(r)
	release := make(chan struct{})
	defer close(release)
	cluster.ControlKey(kmsg.ListOffsets.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		cluster.SleepControl(func() { <-release })
		return nil, nil, false
	})
	began := time.Now()
	w.held(r, "no answer in time")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("a round took %s", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	unknown(t, r.first(ctx), "ask for topics")
}

// K21: an end that goes back is not believed for a while.
func TestK21EndWentBack(t *testing.T) {
	cluster, w, r := threePartitions(t)
	cluster.ControlKey(kmsg.ListOffsets.Int16(), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		asked := request.(*kmsg.ListOffsetsRequest)
		answer := asked.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, at := range asked.Topics {
			topic := kmsg.NewListOffsetsResponseTopic()
			topic.Topic = at.Topic
			for _, p := range at.Partitions {
				partition := kmsg.NewListOffsetsResponseTopicPartition()
				partition.Partition, partition.Offset = p.Partition, 1
				if p.Timestamp == atStart {
					partition.Offset = 0
				}
				topic.Partitions = append(topic.Partitions, partition)
			}
			answer.Topics = append(answer.Topics, topic)
		}
		return answer, nil, true
	})
	w.held(r, "the end of partition 0 of topic t went back from 2 to 1")
	unknown(t, r.Read(t.Context(), now.Add(holdCut-1))[0], "went back")
	if b := r.Read(t.Context(), now.Add(holdCut))[0]; b.Err != "" || b.Pending != 0 {
		t.Errorf("a log that was cut is never believed again: %+v", b)
	}
}

// K22: what may not be looked at counts as an upper bound.
func TestK22RightsToLookAreMissing(t *testing.T) {
	cluster, w := fake(t)
	w.topic("t", 1)
	w.produce("t", 0, 3)
	w.commit("g", "t", 1)
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "t", Err: kerr.TopicAuthorizationFailed, Count: -1})
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Resource: "t", Err: kerr.TopicAuthorizationFailed, Count: -1})
	b := w.right(w.reader(Source{Topic: "t", Group: "g"}))
	pending(t, b, 2, true, 1)
	noted(t, b, "the user needs READ on the topic")
	noted(t, b, "it may be compacted")
	if !b.Oldest.IsZero() {
		t.Errorf("nobody knows the oldest: %+v", b)
	}
}

// K18: a broker that does not know share groups.
func TestK18BrokerWithoutShareGroups(t *testing.T) {
	_, w := fake(t, kfake.MaxVersions(kversion.V3_9_0()))
	w.topic("t", 1)
	w.produce("t", 0, 3)
	r := w.reader(Source{Topic: "t", Group: "s", Share: true})
	w.held(r, "share group s", "Kafka 4.1")
	pending(t, w.right(w.reader(Source{Topic: "t", Group: "never"})), 3, false, 1)
}

// K14: a broker that does not know yet of partitions that were added.
func TestK14FewerPartitionsThanBefore(t *testing.T) {
	cluster, w, r := threePartitions(t)
	cluster.ControlKey(kmsg.Metadata.Int16(), func(request kmsg.Request) (kmsg.Response, error, bool) {
		topics := request.(*kmsg.MetadataRequest).Topics
		if len(topics) == 0 {
			return nil, nil, false // the client looks for brokers
		}
		cluster.KeepControl()
		answer := request.ResponseKind().(*kmsg.MetadataResponse)
		topic, partition := kmsg.NewMetadataResponseTopic(), kmsg.NewMetadataResponseTopicPartition()
		topic.Topic, topic.TopicID = kmsg.StringPtr("t"), cluster.TopicInfo("t").TopicID
		partition.Leader = cluster.LeaderFor("t", 0)
		topic.Partitions = append(topic.Partitions, partition)
		answer.Topics = append(answer.Topics, topic)
		return answer, nil, true
	})
	w.held(r, "the broker told 1 partitions of 3")
}

// K2: rows that arrive while a round asks are no open transaction.
func TestK2BusyTopicHasNoTransaction(t *testing.T) {
	cluster, w := fake(t)
	w.topic("t", 1)
	w.produce("t", 0, 1)
	w.commit("g", "t", 0)
	r := w.reader(Source{Topic: "t", Group: "g"})
	pending(t, w.right(r), 1, false, 1)
	asked := make(chan struct{}, 1)
	arrived := make(chan struct{})
	cluster.ControlKey(kmsg.ListOffsets.Int16(), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if of := request.(*kmsg.ListOffsetsRequest); of.Topics[0].Partitions[0].Timestamp == atEnd {
			select {
			case asked <- struct{}{}:
				return nil, nil, false // the first of the two
			default: // the second comes after a row
				cluster.SleepControl(func() { <-arrived })
			}
		}
		return nil, nil, false
	})
	go func() {
		defer close(arrived)
		w.client.ProduceSync(context.Background(), &kgo.Record{Topic: "t", Value: []byte("late"), Timestamp: born})
	}()
	b := w.right(r)
	pending(t, b, b.Pending, false, 1)
	if len(b.Notes) > 0 {
		t.Errorf("got notes %q", b.Notes)
	}
}
