package kafka

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"nightshift.dev/nightshift/orchestrator"
)

// heard waits for a ring, and gives the queue.
func heard(t *testing.T, rings <-chan string) string {
	t.Helper()
	select {
	case queue := <-rings:
		return queue
	case <-time.After(20 * time.Second):
		t.Fatal("nothing rang")
		return ""
	}
}

// silent says that nothing has rung after brokers have answered requests that were held at these ends.
func silent(t *testing.T, r *Reader) {
	t.Helper()
	for _, b := range r.bells {
		b.mu.Lock()
		marks := b.marks
		b.mu.Unlock()
		for leader, all := range marks {
			if rang, err := b.hold(leader, all, bellRest); err != nil || len(rang) > 0 {
				t.Errorf("something rings: %v %v", rang, err)
			}
		}
	}
	if n := len(r.rings); n > 0 {
		t.Errorf("%d rings of nothing", n)
	}
}

// K36, K37: the first record rings, for each queue of the topic once, and so does what came after the reading.
func TestK36FirstRecordRings(t *testing.T) {
	_, w := fake(t)
	firstRecordRings(t, w)
}

func firstRecordRings(t *testing.T, w *world) {
	w.topic("k36", 2)
	w.topic("k36-quiet", 1)
	r := w.reader(Source{Queue: "a", Topic: "k36", Group: "a"}, Source{Queue: "b", Topic: "k36", Group: "b"}, Source{Queue: "quiet", Topic: "k36-quiet", Group: "c"})
	rings := r.Ring()
	pending(t, w.right(r), 0, false, 0)
	silent(t, r)
	w.produce("k36", 1, 1)
	if both := heard(t, rings) + heard(t, rings); both != "ab" && both != "ba" {
		t.Errorf("%q rang", both)
	}

	w.until(r, "one", func(got orchestrator.Backlog) bool { return got.Pending == 1 })
	silent(t, r)
	w.produce("k36", 0, 1) // behind a backlog, too
	heard(t, rings)
}

// K37: rings of before a reading are forgotten by it.
func TestK37ReadingForgetsRings(t *testing.T) {
	_, w := fake(t)
	w.topic("t", 1)
	r := w.reader(Source{Topic: "t", Group: "g"})
	rings := r.Ring()
	w.right(r)
	w.produce("t", 0, 1)
	must(t, eventuallyNil(t, func() error {
		if len(rings) == 0 {
			return fmt.Errorf("nothing rang")
		}
		return nil
	}))
	w.right(r)
	silent(t, r)
}

// K38: who reads what is committed hears the end of a transaction, others its first record.
func openTransactionRings(t *testing.T, w *world) {
	w.topic("k38", 1)
	committed := w.reader(Source{Queue: "committed", Topic: "k38", Group: "g"})
	all := w.reader(Source{Queue: "all", Topic: "k38", Group: "g", Isolation: ReadUncommitted})
	ends, begins := committed.Ring(), all.Ring()
	w.right(committed)
	w.right(all)
	end := w.transaction("k38", "k38", 0, 1)
	heard(t, begins)
	silent(t, committed)
	end(true)
	heard(t, ends)
}

// K39: a queue that rings again and again does so ever more seldom, and one that was quiet does so at once.
func TestK39Rests(t *testing.T) {
	at, one := now, rest{}
	for i, want := range []time.Duration{bellRest, 2 * bellRest, 4 * bellRest, 8 * bellRest, 16 * bellRest, 32 * bellRest, bellRestMost, bellRestMost} {
		if one = one.next(at); one.long != want || one.until.Sub(at) != want {
			t.Errorf("rest %d is %v", i, one)
		}
		at = one.until.Add(bellQuiet - 1)
	}
	if one = one.next(at.Add(1)); one.long != bellRest {
		t.Errorf("after a quiet second: %v", one)
	}
	b := &bell{rests: map[string]rest{"tired": {now.Add(time.Second), 0}}}
	b.marks = map[int32][]mark{1: {{at: spot{"t", 0}, queues: []string{"tired"}}, {at: spot{"u", 0}, queues: []string{"tired", "other"}}}}
	marks, hold := b.awake(1, now)
	if len(marks) != 1 || fmt.Sprint(marks[0].queues) != "[other]" || hold != time.Second {
		t.Errorf("listens to %v for %s", marks, hold)
	}
	if marks, hold = b.awake(1, now.Add(time.Second)); len(marks) != 2 || hold != bellWait {
		t.Errorf("after the rest it listens to %v for %s", marks, hold)
	}
}

// K40: a partition that is refused is left out for a while, and the others ring.
func TestK40RefusedPartitionIsLeftOut(t *testing.T) {
	_, w := fake(t, kfake.NumBrokers(1))
	w.topic("gone", 1)
	w.topic("t", 1)
	r := w.reader(Source{Topic: "t", Group: "g"})
	b, leader := r.bells[1], int32(0)
	var marks []mark
	for _, topic := range []string{"gone", "t"} {
		response, err := askTopic(t.Context(), w.client, topic, false)
		must(t, err)
		leader = response.Topics[0].Partitions[0].Leader
		marks = append(marks, mark{at: spot{topic, 0}, id: response.Topics[0].TopicID, queues: []string{topic}})
	}
	_, err := w.admin.DeleteTopics(t.Context(), "gone")
	must(t, err)
	b.marks = map[int32][]mark{leader: marks}
	if rang, err := b.hold(leader, marks, bellRest); err != nil || len(rang) > 0 {
		t.Fatalf("%v %v", rang, err)
	}
	left, _ := b.awake(leader, time.Now())
	if len(left) != 1 || left[0].at.topic != "t" {
		t.Errorf("listens to %v", left)
	}
	if left, _ = b.awake(leader, time.Now().Add(bellRefused)); len(left) != 2 {
		t.Errorf("is never asked for again: %v", left)
	}
}

// K41: a request is bounded, and what is empty is watched first.
func TestK41BoundedRequest(t *testing.T) {
	const partitions = bellMost + 10
	source := Source{Queue: "q", Topic: "t", Group: "g"}
	f := finding{}
	for n := range int32(partitions) {
		f.parts = append(f.parts, part{partition: n, settled: int64(n % 2), end: 1}) // every other one is empty
	}
	a := answers{topics: map[string]topicAnswer{"t": {leaders: make([]int32, partitions)}}}
	b := &bell{marks: marksOf([]Source{source}, a, []finding{f}, 1)}
	marks, _ := b.awake(0, now)
	if len(marks) != bellMost {
		t.Fatalf("%d partitions in a request", len(marks))
	}
	for i, one := range marks {
		if i < partitions/2 && one.at.partition%2 == 0 {
			t.Fatalf("partition %d has a backlog, and is number %d of %d", one.at.partition, i, partitions)
		}
	}
	if others := marksOf([]Source{source}, a, []finding{f}, 0); len(others) > 0 {
		t.Errorf("of another isolation: %v", others)
	}
}

// K42: a bell whose broker was killed rings when it is back.
func killedBrokerRings(t *testing.T, w *world) {
	w.topic("k42", 1)
	r := w.reader(Source{Topic: "k42", Group: "g"})
	rings := r.Ring()
	w.right(r)
	w.cluster.Brokers[0].Kill()
	w.cluster.Brokers[0].Restart(t)
	w.right(r)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	must(t, w.client.ProduceSync(ctx, &kgo.Record{Topic: "k42", Value: []byte("v")}).FirstErr())
	heard(t, rings)
}
