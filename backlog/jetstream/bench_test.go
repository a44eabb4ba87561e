package jetstream

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// thousand makes ten streams with a hundred consumers each, and rows for each of them.
func (w *world) thousand(rows int) []Source {
	w.Helper()
	var sources []Source
	for s := range 10 {
		name := fmt.Sprintf("T%d", s)
		stream, err := w.js.CreateStream(w.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}})
		must(w, err)
		for c := range 100 {
			consumer := fmt.Sprintf("C%d", c)
			subject := fmt.Sprintf("%s.%d", name, c)
			_, err := stream.CreateConsumer(w.Context(), jetstream.ConsumerConfig{Durable: consumer, FilterSubject: subject})
			must(w, err)
			sources = append(sources, Source{Queue: name + consumer, Stream: name, Consumer: consumer})
			w.publish(subject, rows)
		}
	}
	return sources
}

// BenchmarkJ33Consumers reads 1,000 consumers of ten streams with one core for reader and server together, a thousand rows waiting in each stream.
func BenchmarkJ33Consumers(b *testing.B) {
	w := start(b, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	sources := w.thousand(10)
	for _, c := range []struct {
		name    string
		options Options
	}{
		{"defaults", Options{Deaf: true}},
		{"no limit", Options{Deaf: true, PerSecond: 1e9}},
	} {
		b.Run(c.name, func(b *testing.B) {
			reader := w.readerOf(w.js, c.options, sources...)
			reader.Read(b.Context(), time.Now())
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			var took []time.Duration
			for b.Loop() {
				begun := time.Now()
				for _, backlog := range reader.Read(b.Context(), time.Now()) {
					if backlog.Err != "" || backlog.Pending != 10 {
						b.Fatalf("%+v", backlog)
					}
				}
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2].Seconds(), "s-p50")
			b.ReportMetric(took[len(took)-1].Seconds(), "s-at-most")
		})
	}
	b.Run("queue", func(b *testing.B) { // requests that the server has not answered, as a liar in between counts them
		l := w.lie()
		reader := w.readerOf(l.js, Options{Deaf: true}, sources...)
		for b.Loop() {
			reader.Read(b.Context(), time.Now())
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		b.ReportMetric(float64(l.most), "unanswered-at-most")
	})
}

// BenchmarkJ33Burst measures from a publish to the ring, of a queue among 1,000 whose bells are armed.
func BenchmarkJ33Burst(b *testing.B) {
	w := start(b, jetstream.StreamConfig{}, jetstream.ConsumerConfig{FilterSubject: "S.x"})
	reader := w.readerOf(w.js, Options{}, append(w.thousand(0), source)...)
	begun := time.Now()
	reader.Read(b.Context(), time.Now())
	b.Logf("1,001 bells are armed within %s", time.Since(begun))
	var took []time.Duration
	for b.Loop() {
		published := time.Now()
		must(b, w.conn.Publish("S.x", nil))
		<-reader.Ring()
		took = append(took, time.Since(published))
		b.StopTimer()
		must(b, w.stream.Purge(b.Context()))
		for !reader.Rings("fraud") || reader.Read(b.Context(), time.Now(), "fraud")[0].Pending != 0 {
			reader.Read(b.Context(), time.Now(), "fraud")
		}
		b.StartTimer()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "us-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "us-p99")
}
