package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	backlog "nightshift.dev/nightshift/backlog/jetstream"
	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/format"
	"nightshift.dev/nightshift/orchestrator/state"
)

// streams reads and publishes as the program does.
type streams struct{ js jetstream.JetStream }

func (s streams) Open(ctx context.Context, source orchestrator.Source, _ orchestrator.Object, part orchestrator.Range) (format.Messages, error) {
	return backlog.OpenRange(ctx, s.js, *source.NATS, part)
}

func (s streams) Publish(ctx context.Context, _ orchestrator.Source, to orchestrator.ResultsTo, rows []orchestrator.Published) error {
	return backlog.Publish(ctx, s.js, to.Subject, rows)
}

// drains is a standing job on a stream of so many rows, {"id":"r1","n":1} and so on.
func drains(t *testing.T, rows int, change func(*orchestrator.Standing, *orchestrator.ModelSnapshot)) (*bench, orchestrator.Shard) {
	t.Helper()
	b := prepare(t, func(job *orchestrator.Job, model *orchestrator.ModelSnapshot) {
		job.Standing = &orchestrator.Standing{Source: orchestrator.Source{NATS: &orchestrator.NATSSource{Stream: "ROWS", Consumer: "scoring"}}}
		change(job.Standing, model)
	})
	js, err := jetstream.New(b.conn)
	b.must(err)
	b.messages = streams{js}
	for name, subject := range map[string]string{"ROWS": "rows", "SCORED": "scored"} {
		_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subject}})
		b.must(err)
	}
	for n := 1; n <= rows; n++ {
		_, err := js.Publish(t.Context(), "rows", fmt.Appendf(nil, `{"id":"r%d","n":%d}`, n, n))
		b.must(err)
	}
	object := orchestrator.Object{URI: backlog.URI("ROWS"), Start: 1, Size: int64(rows), Format: orchestrator.FormatMessages}
	return b, orchestrator.Shard{JobKey: b.job.JobKey, Number: 7, Kind: orchestrator.ShardScore, Object: object, Range: orchestrator.Range{Start: 1, End: int64(rows) + 1}}
}

func intoSubject(standing *orchestrator.Standing, _ *orchestrator.ModelSnapshot) {
	standing.Results = orchestrator.ResultsTo{Subject: "scored"}
}

// stored are the results on the subject.
func (b *bench) stored() (list []string) {
	b.t.Helper()
	stream, err := b.messages.(streams).js.Stream(b.t.Context(), "SCORED")
	b.must(err)
	for at := uint64(1); at <= stream.CachedInfo().State.LastSeq; at++ {
		message, err := stream.GetMsg(b.t.Context(), at)
		b.must(err)
		list = append(list, fmt.Sprintf("%s %s", message.Header.Get("Nats-Msg-Id"), message.Data))
	}
	return list
}

// G11, G12, G14: an attempt publishes and is never heard of again; the next one publishes the same, under the same identities, and commits no part.
func TestAttemptsPublishTheSame(t *testing.T) {
	t.Parallel()
	b, shard := drains(t, 3, intoSubject)
	lost := b.attemptOn(shard, "lost")
	t.Cleanup(lost.session.stop)
	_, err := lost.execute(t.Context(), func() {})
	b.must(err)
	want := []string{`echo-1/7/1 {"id":"r1","double": 2}`, `echo-1/7/2 {"id":"r2","double": 4}`, `echo-1/7/3 {"id":"r3","double": 6}`}
	if diff := cmp.Diff(want, b.stored()); diff != "" {
		t.Fatalf("published (-want +got)\n%s", diff)
	}
	b.work(shard)
	if commit := b.commit(shard); commit.Attempt == "lost" || commit.RowsOK != 3 || commit.Result != nil || commit.Errors != nil {
		t.Errorf("commit = %+v", commit)
	}
	if diff := cmp.Diff(want, b.stored()); diff != "" {
		t.Errorf("published twice (-want +got)\n%s", diff)
	}
	if objects := b.objects(); len(objects) > 0 {
		t.Errorf("objects %v, want none", objects)
	}
}

// G13: the stream that takes results is full. The shard is handed back, and published once there is room.
func TestFullResultsHandTheShardBack(t *testing.T) {
	t.Parallel()
	b, shard := drains(t, 3, intoSubject)
	js := b.messages.(streams).js
	config := jetstream.StreamConfig{Name: "SCORED", Subjects: []string{"scored"}, MaxMsgs: 2, Discard: jetstream.DiscardNew}
	_, err := js.UpdateStream(t.Context(), config)
	b.must(err)
	b.must(b.store.PublishShards(t.Context(), []orchestrator.Shard{shard}))
	b.start()
	b.eventually("an attempt says that it is blocked", func() bool {
		kinds := b.attempts(shard)
		return len(kinds) > 1 && kinds[1] == orchestrator.AttemptBlocked
	})
	if _, err := b.store.CommitOf(t.Context(), shard); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("commit: %v, want none", err)
	}
	config.MaxMsgs = 100
	_, err = js.UpdateStream(t.Context(), config)
	b.must(err)
	b.eventually("the shard is committed", func() bool {
		_, err := b.store.CommitOf(t.Context(), shard)
		return err == nil
	})
	if got := b.stored(); len(got) != 3 {
		t.Errorf("published %v, want each row once", got)
	}
}

// A result that the broker does not take is an error of its row, and no other's.
func TestResultThatIsNotTaken(t *testing.T) {
	t.Parallel()
	b, shard := drains(t, 3, intoSubject)
	js := b.messages.(streams).js
	_, err := js.UpdateStream(t.Context(), jetstream.StreamConfig{Name: "SCORED", Subjects: []string{"scored"}, MaxMsgSize: 1000})
	b.must(err)
	b.write("echo.py", strings.Replace(echo, `{"double": 2 * row["n"]}`, `{"double": 2 * row["n"], "text": "x" * (2000 if row["n"] == 2 else 1)}`, 1))
	b.work(shard)
	commit := b.commit(shard)
	if commit.Outcome != orchestrator.OutcomeScored || commit.RowsOK != 2 || commit.Failed != 1 || len(b.stored()) != 2 {
		t.Fatalf("commit = %+v, %d results", commit, len(b.stored()))
	}
	data, err := os.ReadFile(strings.TrimPrefix(commit.Errors.URI, "file://"))
	b.must(err)
	if line := string(data); !strings.Contains(line, `"key":"r2"`) || !strings.Contains(line, `"offset":2,"code":"`+CodeNotPublished) {
		t.Errorf("error line %s", line)
	}
}

// Results of a long shard do not gather without bound: it begins to publish before it is scored.
func TestLongShardIsPublishedInPieces(t *testing.T) {
	t.Parallel()
	b, shard := drains(t, 16, intoSubject)
	b.write("echo.py", strings.Replace(echo, "    out.write(", `    import os, time
    while any(row["n"] == 16 for row in rows) and not os.path.exists(`+strconv.Quote(filepath.Join(b.dir, "go"))+`): time.sleep(.01)
    out.write(`, 1))
	source, err := os.ReadFile(filepath.Join(b.dir, "echo.py"))
	b.must(err)
	b.write("echo.py", strings.Replace(string(source), `{"double": 2 * row["n"]}`, `{"double": 2 * row["n"], "text": "x" * 900_000}`, 1))
	b.must(b.store.PublishShards(t.Context(), []orchestrator.Shard{shard}))
	b.start()
	b.eventually("some results are published", func() bool { return b.messageCount() >= gatheredBytes/1_000_000 })
	if _, err := b.store.CommitOf(t.Context(), shard); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("commit: %v, want none", err)
	}
	b.write("go", "")
	b.eventually("all are, and the shard is committed", func() bool {
		commit, err := b.store.CommitOf(t.Context(), shard)
		return err == nil && commit.RowsOK == 16 && b.messageCount() == 16
	})
}

func (b *bench) messageCount() int {
	stream, err := b.messages.(streams).js.Stream(b.t.Context(), "SCORED")
	b.must(err)
	return int(stream.CachedInfo().State.Msgs)
}

// A retry publishes the rows that had failed, and no other.
func TestRetryPublishesWhatHadFailed(t *testing.T) {
	t.Parallel()
	b, shard := drains(t, 3, intoSubject)
	b.must(os.MkdirAll(filepath.Join(b.dir, "out"), 0o755))
	line := `{"object":"nats://ROWS","offset":2,"code":"x","message":"y","attempts":1}` + "\n"
	b.write("out/errors.jsonl", line)
	shard.Base = &orchestrator.Commit{
		Number: shard.Number, Attempt: "before", Outcome: orchestrator.OutcomeScored, RowsIn: 3, RowsOK: 2, Failed: 1,
		Errors: &orchestrator.ObjectRef{URI: "file://" + b.dir + "/out/errors.jsonl", Bytes: int64(len(line)), Rows: 1},
	}
	b.work(shard)
	if commit := b.commit(shard); commit.RowsIn != 3 || commit.RowsOK != 3 || commit.Failed != 0 {
		t.Errorf("commit = %+v", commit)
	}
	if diff := cmp.Diff([]string{`echo-1/7/2 {"id":"r2","double": 4}`}, b.stored()); diff != "" {
		t.Errorf("published (-want +got)\n%s", diff)
	}
}

// G15: rows that are scored in their order are so also when a batch fails and is scored again in parts.
func TestBatchThatFailsIsScoredBeforeTheNext(t *testing.T) {
	t.Parallel()
	b, shard := drains(t, 20, func(standing *orchestrator.Standing, model *orchestrator.ModelSnapshot) {
		standing.Ordered, model.BatchRows = true, 4
	})
	noted := filepath.Join(b.dir, "noted")
	b.write("echo.py", strings.Replace(echo, "    out.write(", `    if head["rows"] > 1 and any(row["n"] == 5 for row in rows):
        out.write(json.dumps({"type": "error", "id": head["id"], "message": "told to"}) + "\n"); out.flush(); continue
    with open(`+strconv.Quote(noted)+`, "a") as log: log.write("".join(" %d" % row["n"] for row in rows))
    out.write(`, 1))
	b.work(shard)
	if commit := b.commit(shard); commit.RowsOK != 20 {
		t.Fatalf("commit = %+v, %v", commit, commit.Failure)
	}
	data, err := os.ReadFile(noted)
	b.must(err)
	var want strings.Builder
	for n := range 20 {
		fmt.Fprintf(&want, " %d", n+1)
	}
	if diff := cmp.Diff(want.String(), string(data)); diff != "" {
		t.Errorf("scored (-want +got)\n%s", diff)
	}
}
