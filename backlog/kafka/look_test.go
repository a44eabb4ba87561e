package kafka

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// largeBatches has more partitions with a batch that exceeds what a look takes of one than are asked for alone in a round.
func largeBatches(t *testing.T, w *world) {
	const partitions = mostAlone + 4
	w.topic("k23", partitions)
	large := make([]byte, 5*lookBytes)
	_, _ = rand.NewChaCha8([32]byte{}).Read(large) // which no compression makes small
	var offsets []int64
	for partition := range int32(partitions) {
		record := &kgo.Record{Topic: "k23", Partition: partition, Value: large, Timestamp: born}
		must(t, w.client.ProduceSync(t.Context(), record).FirstErr())
		offsets = append(offsets, 0)
	}
	w.commit("g23", "k23", offsets...)
	r := w.reader(Source{Topic: "k23", Group: "g23"})
	if b := w.right(r); b.Pending != partitions {
		t.Errorf("a batch that was too large reads as nothing: %+v", b)
	}
	b := r.first(t.Context())
	if b.Oldest.IsZero() {
		t.Errorf("not all were looked at in two rounds: %+v", b)
	}
	pending(t, b, partitions, false, partitions)
}

// K23: groups take turns where more of them move than are looked at in a round.
func TestK23LooksTakeTurns(t *testing.T) {
	const groups = mostLooks + 44
	_, w := fake(t)
	w.topic("t", 1)
	w.produce("t", 0, 2*groups+2)
	var sources []Source
	for n := range groups {
		sources = append(sources, Source{Topic: "t", Group: fmt.Sprintf("g%d", n)})
	}
	r := w.reader(sources...)
	for round := range int64(2) {
		for n, s := range sources {
			w.commit(s.Group, "t", int64(n)+round*groups)
		}
		known := map[bool]int{}
		all := r.Read(t.Context(), now)
		for n, b := range all {
			if b.Err != "" || b.Pending != 2*groups+2-int64(n)-round*groups {
				t.Fatalf("got %+v", b)
			}
			if known[!b.Oldest.IsZero()]++; b.UpperBound != b.Oldest.IsZero() {
				t.Errorf("what was not looked at is an upper bound: %+v", b)
			}
		}
		if round == 0 && known[true] != mostLooks {
			t.Errorf("%d groups were looked at, want %d", known[true], mostLooks)
		}
		if last := all[groups-1]; round == 1 && last.Oldest.IsZero() {
			t.Errorf("it was not the last one's turn: %+v", last)
		}
	}
}

// K3: two groups on a topic that read with another isolation each; and transactions are seen by their first record.
func TestK3IsolationOfEachSource(t *testing.T) {
	_, w := fake(t)
	w.topic("t", 1)
	w.transaction("a", "t", 0, 3)(false)
	w.transaction("b", "t", 0, 2)(true)
	w.commit("g", "t", 0)
	w.commit("h", "t", 4)
	r := w.reader(Source{Topic: "t", Group: "g", Isolation: ReadUncommitted}, Source{Topic: "t", Group: "g", Queue: "other"})
	w.right(r)
	all := r.Read(t.Context(), now)
	pending(t, all[0], 7, true, 1)
	pending(t, all[1], 3, true, 1)
	pending(t, w.right(w.reader(Source{Topic: "t", Group: "h"})), 3, true, 1)
}

// K18: what members have settled behind the start offset is no lag.
func TestK18LagOfTheBroker(t *testing.T) {
	r := &Reader{}
	b := r.count(Source{Share: true}, finding{parts: []part{{settled: 2, end: 10, lag: 3}, {partition: 1, settled: 2, end: 10, lag: -1}}})
	if b.Pending != 11 || b.MostWorkers != 0 {
		t.Errorf("got %+v", b)
	}
}

// K11: a commit that is still told after its topic was made again.
func TestK11CommitOfTheEarlierTopic(t *testing.T) {
	m := memory{parts: map[int32]seen{}}
	at := spot{"t", 0}
	told := func(id byte, commit int64) finding {
		one := map[spot]offsetAnswer{at: {offset: 50}}
		return m.judge(Source{Topic: "t", Group: "g"}, answers{
			topics:  map[string]topicAnswer{"t": {id: topicID{id}, leaders: []int32{1}}},
			commits: map[string]groupAnswer{"g": {offsets: map[spot]offsetAnswer{at: {offset: commit, lag: -1}}}},
			starts:  map[spot]offsetAnswer{at: {}}, stables: one, highs: one,
		}, now)
	}
	for _, c := range []struct {
		id     byte
		commit int64
		held   bool
	}{{1, 20, false}, {2, 20, true}, {2, 20, true}, {2, 5, false}, {2, 20, false}} {
		if got := told(c.id, c.commit); (got.err != "") != c.held {
			t.Errorf("topic %d, commit %d: %+v", c.id, c.commit, got)
		}
	}
}

// K3: a broker that has nothing to give is believed the second time, and not while it throttles.
func TestK3NothingToGive(t *testing.T) {
	cluster, w := fake(t)
	w.topic("t", 1)
	w.produce("t", 0, 3)
	w.commit("g", "t", 1)
	var throttle atomic.Int32
	throttle.Store(1)
	cluster.ControlKey(kmsg.Fetch.Int16(), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		asked, answer := request.(*kmsg.FetchRequest), request.ResponseKind().(*kmsg.FetchResponse)
		topic, partition := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
		topic.Topic, topic.TopicID = asked.Topics[0].Topic, asked.Topics[0].TopicID
		topic.Partitions = append(topic.Partitions, partition)
		answer.Topics, answer.ThrottleMillis = append(answer.Topics, topic), throttle.Load()
		return answer, nil, true
	})
	r := w.reader(Source{Topic: "t", Group: "g"})
	for range 3 {
		pending(t, w.right(r), 2, true, 1)
	}
	throttle.Store(0)
	pending(t, w.right(r), 2, true, 1)
	pending(t, w.right(r), 0, false, 0)
}
