package faults

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// drainedQueue is a queue that drains a stream, in standing jobs of two seconds.
const drainedQueue = `---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: drained}
spec:
  source: nats
  nats: {stream: ROWS, consumer: scoring}
  model: echo
  pools: [local]
  output: {root: drained}
  drain: {key: id, rollEvery: 2s}
  objective: {finishWithin: 1s}
`

// drain installs a queue that drains a stream.
func drain(t *testing.T, s setting) (*installation, jetstream.JetStream) {
	t.Helper()
	s.before = func(dir string) {
		file, err := os.OpenFile(filepath.Join(dir, "docs.yaml"), os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		if _, err := file.WriteString(drainedQueue); err != nil {
			t.Fatal(err)
		}
	}
	in := install(t, s)
	js, err := jetstream.New(in.conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ROWS", Subjects: []string{"rows.>"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "scoring", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	return in, js
}

// publish puts rows into the stream, again and again while the server is away; a message that was stored twice is one all the same.
func (in *installation) publish(js jetstream.JetStream, from, to int) {
	in.t.Helper()
	for i := from; i < to; i++ {
		message := &nats.Msg{Subject: "rows.all", Data: []byte(plainRow(i)), Header: nats.Header{"Nats-Msg-Id": {fmt.Sprint(i)}}}
		in.eventually("a row is stored", 30*time.Second, func() bool {
			_, err := js.PublishMsg(in.t.Context(), message)
			return err == nil
		})
	}
}

// drained waits until every message is settled, and all standing jobs have ended.
func (in *installation) drained(js jetstream.JetStream, within time.Duration) (jobs []api.Job) {
	in.t.Helper()
	in.eventually("the consumer shows nothing pending", within, func() bool {
		user, err := js.Consumer(in.t.Context(), "ROWS", "scoring")
		return err == nil && user.CachedInfo().NumPending == 0 && user.CachedInfo().NumAckPending == 0
	})
	in.eventually("the standing jobs end", within, func() bool {
		answer, err := request[api.ListResponse](in, "jobs.list", map[string]any{"queue": "drained"})
		if err != nil {
			return false
		}
		jobs = answer.Jobs
		for _, job := range jobs {
			if !job.State.Final() {
				return false
			}
		}
		return len(jobs) > 0
	})
	return jobs
}

// checkDrained finds each row of the stream once in the results of all standing jobs.
func (in *installation) checkDrained(jobs []api.Job, rows int) {
	in.t.Helper()
	seen := make([]int, rows)
	for _, job := range jobs {
		if job.State != orchestrator.JobSucceeded {
			in.t.Errorf("job %s ended %s (%+v)", job.ID, job.State, job.Failure)
			continue
		}
		m := in.manifest(in.job(job.ID))
		for _, part := range m.Parts {
			if part.Result == nil {
				continue
			}
			for lines := bufio.NewScanner(bytes.NewReader(in.read(part.Result.URI))); lines.Scan(); {
				var id, double int
				if _, err := fmt.Sscanf(lines.Text(), `{"id":"r%d","double":%d}`, &id, &double); err != nil || double != 2*id || id >= rows {
					in.t.Fatalf("%s: %s (%v)", filepath.Base(part.Result.URI), lines.Text(), err)
				}
				seen[id]++
			}
		}
		in.checkStranded(in.job(job.ID), m)
	}
	for id, times := range seen {
		if times != 1 {
			in.t.Fatalf("row %d stands %d times in the results, want once; there are %d jobs", id, times, len(jobs))
		}
	}
	in.checkCommits()
}

func TestStreamIsDrained(t *testing.T) {
	t.Parallel()
	in, js := drain(t, setting{rows: 1, ack: 2 * time.Second})
	in.publish(js, 0, 3000)
	in.drained(js, time.Minute)
	in.publish(js, 3000, 4000)
	jobs := in.drained(js, time.Minute)
	in.checkDrained(jobs, 4000)
}

// A stream is drained while its workers, the orchestrator and the server are killed (G1 to G6).
func TestStreamIsDrainedWhateverDies(t *testing.T) {
	t.Parallel()
	in, js := drain(t, setting{rows: 1, ack: 2 * time.Second, pause: .02})
	chance := random(t)
	const rows = 12_000
	for at := 0; at < rows; at += rows / 8 {
		in.publish(js, at, at+rows/8)
		switch chance.IntN(3) {
		case 0:
			in.signalOne(chance, in.workers(), syscall.SIGKILL)
		case 1:
			in.restartOrchestrator()
		case 2:
			in.killNATS()
			in.startNATS()
		}
	}
	in.checkDrained(in.drained(js, 3*time.Minute), rows)
}
