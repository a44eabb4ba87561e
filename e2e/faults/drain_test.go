package faults

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
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
  drain: {key: id, rollEvery: 2s%s}
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
		if _, err := fmt.Fprintf(file, drainedQueue, s.drain); err != nil {
			t.Fatal(err)
		}
	}
	in := install(t, s)
	js, err := jetstream.New(in.conn)
	if err != nil {
		t.Fatal(err)
	}
	in.makeStream(js, s.stream)
	return in, js
}

// makeStream makes the stream and its consumer.
func (in *installation) makeStream(js jetstream.JetStream, config jetstream.StreamConfig) {
	in.t.Helper()
	config.Name, config.Subjects, config.Replicas = "ROWS", []string{"rows.>"}, len(in.servers)
	stream, err := js.CreateStream(in.t.Context(), config)
	if err != nil {
		in.t.Fatal(err)
	}
	if _, err := stream.CreateConsumer(in.t.Context(), jetstream.ConsumerConfig{Durable: "scoring", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		in.t.Fatal(err)
	}
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
	return in.ended("drained", within)
}

// ended waits for the end of every job of a queue.
func (in *installation) ended(queue string, within time.Duration) (jobs []api.Job) {
	in.t.Helper()
	in.eventually("the standing jobs end", within, func() bool {
		jobs = in.jobsOf(queue)
		for _, job := range jobs {
			if !job.State.Final() {
				return false
			}
		}
		return len(jobs) > 0
	})
	return jobs
}

// jobsOf are the jobs of a queue, none while the service does not answer.
func (in *installation) jobsOf(queue string) []api.Job {
	answer, err := request[api.ListResponse](in, "jobs.list", map[string]any{"queue": queue})
	if err != nil {
		return nil
	}
	return answer.Jobs
}

// settled is up to where the consumer shows the stream to be scored.
func (in *installation) settled(js jetstream.JetStream) int {
	user, err := js.Consumer(in.t.Context(), "ROWS", "scoring")
	if err != nil {
		return -1
	}
	return int(user.CachedInfo().AckFloor.Stream)
}

// checkDrained finds each row of the stream once in the results of all standing jobs.
func (in *installation) checkDrained(jobs []api.Job, rows int) {
	in.t.Helper()
	seen := map[int]int{}
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
			in.gather(part.Result, seen)
		}
		in.checkStranded(in.job(job.ID), m)
	}
	for id := range rows {
		if seen[id] != 1 {
			in.t.Fatalf("row %d stands %d times in the results, want once; there are %d jobs", id, seen[id], len(jobs))
		}
	}
	in.checkCommits()
}

// gather counts the rows of a part.
func (in *installation) gather(part *orchestrator.ObjectRef, seen map[int]int) {
	in.t.Helper()
	for lines := bufio.NewScanner(bytes.NewReader(in.read(part.URI))); lines.Scan(); {
		var id, double int
		if _, err := fmt.Sscanf(lines.Text(), `{"id":"r%d","double":%d}`, &id, &double); err != nil || double != 2*id {
			in.t.Fatalf("%s: %s (%v)", filepath.Base(part.URI), lines.Text(), err)
		}
		seen[id]++
	}
}

func TestStreamIsDrained(t *testing.T) {
	t.Parallel()
	in, js := drain(t, setting{rows: 1, ack: 2 * time.Second, stream: jetstream.StreamConfig{Retention: jetstream.InterestPolicy}})
	in.publish(js, 0, 3000)
	in.drained(js, time.Minute)
	in.publish(js, 3000, 4000)
	jobs := in.drained(js, time.Minute)
	in.checkDrained(jobs, 4000)
}

// killOne kills a worker, the orchestrator, or whatever server the test says, which comes back.
func (in *installation) killOne(chance *rand.Rand, server func()) {
	in.t.Helper()
	switch chance.IntN(3) {
	case 0:
		in.signalOne(chance, in.workers(), syscall.SIGKILL)
	case 1:
		in.restartOrchestrator()
	default:
		server()
	}
}

// G1 to G6, G10: a stream is drained while its workers, the orchestrator and the server are killed.
func TestStreamIsDrainedWhateverDies(t *testing.T) {
	for name, config := range map[string]jetstream.StreamConfig{"limits": {}, "work queue": {Retention: jetstream.WorkQueuePolicy, AllowDirect: true}} {
		t.Run(name, func(t *testing.T) { t.Parallel(); drainWhateverDies(t, config) })
	}
}

func drainWhateverDies(t *testing.T, config jetstream.StreamConfig) {
	in, js := drain(t, setting{rows: 1, ack: 2 * time.Second, pause: .02, stream: config})
	chance := random(t)
	const rows, rounds = 16_000, 8
	for at := 0; at < rows; at += rows / rounds {
		in.publish(js, at, at+rows/rounds)
		in.eventually("a worker is at it", 30*time.Second, func() bool { return in.settled(js) > at/2 })
		in.killOne(chance, func() { in.killNATS(); in.startNATS() })
	}
	in.checkDrained(in.drained(js, 3*time.Minute), rows)
}

// G8: the stream is made again while it is drained. What was not read is in the error file, and the new one is drained from its beginning.
func TestStreamThatIsMadeAgainIsDrained(t *testing.T) {
	t.Parallel()
	in, js := drain(t, setting{rows: 1, ack: 2 * time.Second, pause: .05, hold: true})
	in.publish(js, 0, 20_000)
	in.orchestrator = in.startOrchestrator("state")
	in.eventually("some of it is scored", 30*time.Second, func() bool { return in.settled(js) > 1000 })
	if err := js.DeleteStream(t.Context(), "ROWS"); err != nil {
		t.Fatal(err)
	}
	in.makeStream(js, jetstream.StreamConfig{})
	in.publish(js, 20_000, 21_000)
	found, unread := map[int]int{}, 0
	for _, job := range in.drained(js, time.Minute) {
		m := in.manifest(in.job(job.ID))
		for _, part := range m.Parts {
			if part.Unread {
				unread++
			}
			if part.Result != nil {
				in.gather(part.Result, found)
			}
		}
	}
	old := 0
	for id, times := range found {
		if times != 1 {
			t.Errorf("row %d stands %d times in the results", id, times)
		}
		if id < 20_000 {
			old++
		}
	}
	if len(found)-old != 1000 || old < 1000 || old == 20_000 || unread == 0 {
		t.Errorf("%d rows of the old stream and %d of the new one are scored, %d ranges are said to be unread; want some, 1000 and some", old, len(found)-old, unread)
	}
}

// G9, G18: the stream's limits delete messages before they are read; the error file says which. What was gone before anything was drained is one range.
func TestLostMessagesAreReported(t *testing.T) {
	t.Parallel()
	in, js := drain(t, setting{rows: 1, ack: 2 * time.Second, stream: jetstream.StreamConfig{MaxMsgs: 500}, hold: true})
	in.publish(js, 0, 2000)
	in.orchestrator = in.startOrchestrator("state")
	jobs := in.drained(js, time.Minute)
	job := in.job(jobs[len(jobs)-1].ID)
	m := in.manifest(job)
	if job.State != orchestrator.JobPartiallyFailed || m.Totals.Errors == nil || m.Totals.Counts.RowsDone != 500 {
		t.Fatalf("job %s with %+v; want the last 500 rows, and an error file", job.State, m.Totals)
	}
	if m.Totals.Errors.Rows != 1 {
		t.Errorf("%d lines of the error file, want one", m.Totals.Errors.Rows)
	}
	var lost int64
	for line := range strings.Lines(string(in.read(m.Totals.Errors.URI))) {
		var problem orchestrator.RowError
		if err := json.Unmarshal([]byte(line), &problem); err != nil {
			t.Fatal(err)
		}
		var from, to int64
		if _, err := fmt.Sscanf(problem.Message, "the source has deleted the messages from %d to %d", &from, &to); err != nil || problem.Code != "messages_lost" || from != lost+1 {
			t.Fatalf("%s after %d (%v)", line, lost, err)
		}
		lost = to
	}
	if lost != 1500 {
		t.Errorf("messages up to %d are said to be lost, want 1500", lost)
	}
}
