package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// keys is how many keys the rows of an ordered queue have. Each key has its rows numbered.
const keys = 7

func orderedRow(i int) string {
	return fmt.Sprintf(`{"id":"r%07d","n":%d,"stream":"k%d","nth":%d}`, i, i, i%keys, i/keys)
}

// checkOrder reads what the scorers have noted, one batch after another over all workers: no row of a key is scored before all that came before it. A row may be scored
// again by who takes over.
func (in *installation) checkOrder(rows int) {
	in.t.Helper()
	log, err := os.ReadFile(filepath.Join(in.dir, "scored.log"))
	if err != nil {
		in.t.Fatal(err)
	}
	next, again, total := map[string]int{}, 0, 0
	for line := range strings.Lines(string(log)) {
		var key string
		var nth int
		if _, err := fmt.Sscanf(line, "%s %d", &key, &nth); err != nil {
			in.t.Fatalf("%q: %v", line, err)
		}
		switch at := next[key]; {
		case nth == at:
			next[key]++
			total++
		case nth > at:
			in.t.Fatalf("row %d of key %s is scored before row %d", nth, key, at)
		default:
			again++
		}
	}
	if total != rows {
		in.t.Errorf("%d rows were scored, want %d", total, rows)
	}
	in.t.Logf("%d rows were scored again", again)
}

var orderFilters = []string{"rows.0", "rows.1", "rows.2"}

// drainInOrder installs a queue that drains a stream in order, in three partitions, and publishes its results.
func drainInOrder(t *testing.T, s setting) (*installation, jetstream.JetStream) {
	t.Helper()
	s.rows, s.hold, s.drain = 1, true, ", order: key, results: {subject: scored.rows}"
	in, js := drain(t, s)
	in.results(js, 100*time.Millisecond)
	if _, err := js.UpdateConsumer(t.Context(), "ROWS", jetstream.ConsumerConfig{Durable: "scoring", AckPolicy: jetstream.AckExplicitPolicy, FilterSubjects: orderFilters}); err != nil {
		t.Fatal(err)
	}
	in.orchestrator = in.startOrchestrator("state")
	return in, js
}

func (in *installation) publishInOrder(js jetstream.JetStream, from, to int) {
	in.t.Helper()
	for i := from; i < to; i++ {
		message := &nats.Msg{Subject: orderFilters[i%keys%len(orderFilters)], Data: []byte(orderedRow(i)), Header: nats.Header{"Nats-Msg-Id": {fmt.Sprint(i)}}}
		in.eventually("a row is stored", 30*time.Second, func() bool {
			_, err := js.PublishMsg(in.t.Context(), message)
			return err == nil
		})
	}
}

// G15, G16: the rows of each key are scored in their order, one shard of a partition after another, while workers, the orchestrator and the server are killed. The
// partitions are the filters of the consumer.
func TestOrderIsKeptWhateverDies(t *testing.T) {
	in, js := drainInOrder(t, setting{ack: 2 * time.Second, pause: .05})
	chance := random(t)
	const rows, rounds = 12_000, 8
	for at := 0; at < rows; at += rows / rounds {
		in.publishInOrder(js, at, at+rows/rounds)
		in.eventually("a worker is at it", time.Minute, func() bool { return in.settled(js) > at/2 })
		in.killOne(chance, func() { in.killNATS(); in.startNATS() })
	}
	jobs := in.drained(js, 4*time.Minute)
	in.checkPublished(jobs, in.readResults(js), rows)
	in.checkOrder(rows)
}

// G11 to G13, G15, G16: the same on three servers that keep every stream together: leaders are killed, one is cut off, all are restarted.
func TestThreeServersKeepTheOrder(t *testing.T) {
	in, js := drainInOrder(t, setting{ack: 3 * time.Second, pause: .1, servers: 3})
	chance := random(t)
	const rows = 4_000
	at := 0
	for _, what := range inAnyOrder(chance) {
		in.publishInOrder(js, at, at+rows/len(troubles))
		at += rows / len(troubles)
		t.Logf("%d rows are published, up to %d are settled: %s", at, in.settled(js), what)
		troubles[what](in, chance)
	}
	jobs := in.drained(js, 4*time.Minute)
	in.checkPublished(jobs, in.readResults(js), at)
	in.checkOrder(at)
}
