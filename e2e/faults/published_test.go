package faults

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// results makes the stream that takes results. Its duplicate window is short, so that readers meet doubles.
func (in *installation) results(js jetstream.JetStream, window time.Duration) {
	in.t.Helper()
	_, err := js.CreateStream(in.t.Context(), jetstream.StreamConfig{Name: "SCORED", Subjects: []string{"scored.>"}, Replicas: len(in.servers), Duplicates: window})
	if err != nil {
		in.t.Fatal(err)
	}
}

// scored is one result as a reader sees it.
type scored struct {
	identity string
	attempt  string
	id       int
}

// readResults reads the whole stream of results, doubles included.
func (in *installation) readResults(js jetstream.JetStream) (all []scored) {
	in.t.Helper()
	var last uint64
	var reader jetstream.Consumer
	in.eventually("the results can be read", time.Minute, func() bool {
		stream, err := js.Stream(in.t.Context(), "SCORED")
		if err != nil {
			return false
		}
		last = stream.CachedInfo().State.LastSeq
		reader, err = js.OrderedConsumer(in.t.Context(), "SCORED", jetstream.OrderedConsumerConfig{})
		return err == nil
	})
	for at := uint64(0); at < last; {
		var message jetstream.Msg
		in.eventually("the next result comes", time.Minute, func() (has bool) {
			var err error
			message, err = reader.Next(jetstream.FetchMaxWait(5 * time.Second))
			return err == nil
		})
		about, err := message.Metadata()
		if err != nil {
			in.t.Fatal(err)
		}
		at = about.Sequence.Stream
		header := message.Headers()
		one := scored{identity: header.Get(orchestrator.HeaderShard) + "/" + header.Get(orchestrator.HeaderRow), attempt: header.Get(orchestrator.HeaderAttempt)}
		if one.id, err = scoredRow(message.Data()); err != nil || one.identity != header.Get(jetstream.MsgIDHeader) || one.attempt == "" {
			in.t.Fatalf("result %s with %v (%v)", message.Data(), header, err)
		}
		all = append(all, one)
	}
	return all
}

// scoredRow reads the number of a row, and looks at its score.
func scoredRow(line []byte) (id int, err error) {
	var double int
	if _, err := fmt.Sscanf(string(line), `{"id":"r%d","double":%d}`, &id, &double); err != nil {
		return 0, err
	}
	if double != 2*id {
		return 0, errors.New("it is not the double")
	}
	return id, nil
}

// checkPublished finds each row of the source once among the results, as a reader does who takes the first of each identity.
func (in *installation) checkPublished(jobs []api.Job, all []scored, rows int) {
	in.t.Helper()
	first, seen := map[string]bool{}, map[int]int{}
	for _, one := range all {
		if !first[one.identity] {
			seen[one.id]++
		}
		first[one.identity] = true
	}
	for id := range rows {
		if seen[id] != 1 {
			in.t.Fatalf("row %d stands %d times in the results, want once; %d results, %d jobs", id, seen[id], len(all), len(jobs))
		}
	}
	var done int64
	for _, job := range jobs {
		if job.State != orchestrator.JobSucceeded || job.Published == "" || job.Results != "" {
			in.t.Errorf("job %s ended %s (%+v), published to %q, results in %q", job.ID, job.State, job.Failure, job.Published, job.Results)
		}
		done += in.job(job.ID).Counts.RowsDone
	}
	if done != int64(rows) {
		in.t.Errorf("the jobs count %d rows, want %d", done, rows)
	}
	in.checkCommits()
	in.t.Logf("%d results, %d of them doubles, of %d jobs", len(all), len(all)-len(first), len(jobs))
}

// G11 to G14: results are published while workers, the orchestrator and the server are killed; a reader who takes the first of each identity has each row once.
func TestResultsArePublishedWhateverDies(t *testing.T) {
	in, js := drain(t, setting{rows: 1, ack: 2 * time.Second, pause: .02, drain: ", results: {subject: scored.rows}"})
	in.results(js, 100*time.Millisecond)
	chance := random(t)
	const rows, rounds = 16_000, 8
	for at := 0; at < rows; at += rows / rounds {
		in.publish(js, at, at+rows/rounds)
		in.eventually("a worker is at it", 30*time.Second, func() bool { return in.settled(js) > at/2 })
		in.killOne(chance, func() { in.killNATS(); in.startNATS() })
	}
	jobs := in.drained(js, 3*time.Minute)
	in.checkPublished(jobs, in.readResults(js), rows)
}
