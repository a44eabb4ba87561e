package kafka

import (
	"fmt"
	"runtime"
	"testing"

	"nightshift.dev/nightshift/e2e/kafkatest"
)

// BenchmarkThousandGroups observes a thousand groups on a real broker with one core: ten topics of four partitions, each group with a lag
// somewhere of its own.
func BenchmarkThousandGroups(b *testing.B) {
	cluster := kafkatest.Start(b, 1, nil)
	w := newWorld(b, cluster.Addresses()...)
	for topic := range 10 {
		name := fmt.Sprintf("t%d", topic)
		w.topic(name, 4)
		for partition := range int32(4) {
			w.produce(name, partition, 101)
		}
	}
	var sources []Source
	for n := range 1000 {
		topic, group, at := fmt.Sprintf("t%d", n%10), fmt.Sprintf("g%d", n), int64(n/10)
		w.commit(group, topic, at, at, at, at)
		sources = append(sources, Source{Queue: group, Topic: topic, Group: group})
	}
	r := w.reader(sources...)
	r.Ring() // with doorbells
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	w.right(r)
	for name, moves := range map[string]bool{"still": false, "moving": true} {
		b.Run(name, func(b *testing.B) { observe(b, w, r, sources, moves) })
	}
}

// observe reads all groups; where they move, each has committed since the last reading.
func observe(b *testing.B, w *world, r *Reader, sources []Source, moves bool) {
	at := int64(0)
	for b.Loop() {
		if moves {
			b.StopTimer()
			at++
			for n, s := range sources {
				to := (at + int64(n/10)) % 100
				w.commit(s.Group, s.Topic, to, to, to, to)
			}
			b.StartTimer()
		}
		for _, got := range r.Read(b.Context(), now) {
			if got.Err != "" || got.Pending <= 0 {
				b.Fatalf("got %+v", got)
			}
		}
	}
	b.ReportMetric(float64(len(sources)), "groups")
}
