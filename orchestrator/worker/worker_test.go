package worker

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
	"nightshift.dev/nightshift/orchestrator/format"
	"nightshift.dev/nightshift/orchestrator/object"
	"nightshift.dev/nightshift/orchestrator/state"
)

// echo is a scorer without the host, so that these tests need python3 only: it answers {"double": 2n}, and raises its own load count in a file.
const echo = `
import json, sys
out = sys.stdout
json.loads(sys.stdin.readline())
out.write('{"type":"ready","protocol":1,"accept":["jsonl"],"return":"jsonl"}\n'); out.flush()
while True:
    line = sys.stdin.readline()
    if not line: break
    head = json.loads(line)
    if head["type"] != "batch": break
    rows = [json.loads(sys.stdin.readline()) for _ in range(head["rows"])]
    out.write(json.dumps({"type": "result", "id": head["id"], "encoding": "jsonl", "rows": len(rows)}) + "\n")
    for row in rows: out.write(json.dumps({"double": 2 * row["n"]}) + "\n")
    out.flush()
`

// bench is one job on a real store, ready for a worker.
type bench struct {
	t        *testing.T
	dir      string
	conn     *nats.Conn
	store    *state.Store
	job      orchestrator.Job
	messages Messages
}

func prepare(t *testing.T, change func(*orchestrator.Job, *orchestrator.ModelSnapshot)) *bench {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is missing: the scorer of this test is a Python program")
	}
	nc := embeddedtest.Connect(t, embeddedtest.Start(t))
	store, err := state.Create(t.Context(), nc, state.Config{AckWait: time.Second, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, dir: t.TempDir(), conn: nc, store: store}
	b.write("echo.py", echo)
	b.write("rows.jsonl", `{"id":"a","n":1}`+"\n"+`{"id":"b","n":2}`+"\n"+`{"id":"c","n":3}`+"\n")
	model := orchestrator.ModelSnapshot{
		Name: "echo", Digest: "d1", Command: []string{"python3", filepath.Join(b.dir, "echo.py")}, BatchRows: 2, MaxAttempts: 3, MaxLost: 2,
		ReadyTimeout: 20 * time.Second, BatchTimeout: 10 * time.Second, MaxRowBytes: 1 << 20,
	}
	b.job = orchestrator.Job{
		JobKey: orchestrator.JobKey{Tenant: "default", Queue: "echo", ID: "echo-1"}, Spec: orchestrator.JobSpec{Key: "id"}, State: orchestrator.JobRunning,
		Model: orchestrator.ModelRef{Name: "echo", Digest: "d1"}, OutputFormat: orchestrator.FormatJSONL,
		Output: "file://" + b.dir + "/out/", ReadRoots: []string{"file://" + b.dir}, WriteRoots: []string{"file://" + b.dir + "/out"},
	}
	if change != nil {
		change(&b.job, &model)
	}
	b.must(store.PutModel(t.Context(), model))
	_, err = store.CreateJob(t.Context(), b.job)
	b.must(err)
	b.must(store.OpenJob(t.Context(), b.job.JobKey))
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) write(name, content string) {
	b.t.Helper()
	b.must(os.WriteFile(filepath.Join(b.dir, name), []byte(content), 0o600))
}

// shard is the whole input as one shard.
func (b *bench) shard() orchestrator.Shard { return b.shardOf("rows.jsonl") }

func (b *bench) shardOf(name string) orchestrator.Shard {
	b.t.Helper()
	objects, err := object.New(object.Access{Read: b.job.ReadRoots})
	b.must(err)
	found, err := objects.Stat(b.t.Context(), "file://"+b.dir+"/"+name, "")
	b.must(err)
	return orchestrator.Shard{JobKey: b.job.JobKey, Kind: orchestrator.ShardScore, Object: found, Range: orchestrator.Range{End: found.Size}}
}

// work runs a worker until the shard's message is gone from the stream.
func (b *bench) work(shard orchestrator.Shard) {
	b.t.Helper()
	b.must(b.store.PublishShards(b.t.Context(), []orchestrator.Shard{shard}))
	b.start()
	b.eventually("the shard is acknowledged", func() bool {
		numbers, err := b.store.PublishedShards(b.t.Context(), b.job.JobKey, shard.Epoch)
		return err == nil && len(numbers) == 0
	})
}

func (b *bench) start() {
	b.t.Helper()
	b.startWith(b.job)
}

// startWith starts a worker that is assigned to jobs.
func (b *bench) startWith(jobs ...orchestrator.Job) {
	b.t.Helper()
	config := settings()
	config.Messages = b.messages
	assignment := orchestrator.Assignment{Worker: config.ID, Epoch: 1}
	for _, job := range jobs {
		assignment.Jobs = append(assignment.Jobs, &orchestrator.Order{JobKey: job.JobKey, JobEpoch: job.Epoch, Model: job.Model})
	}
	b.startAs(config, assignment)
}

func settings() Config {
	return Config{ID: "w-0-1", Pool: "local", Host: "here", Grace: time.Second, Heartbeat: 100 * time.Millisecond, Orphan: time.Minute, Log: slog.New(slog.DiscardHandler)}
}

func (b *bench) startAs(config Config, assignment orchestrator.Assignment) {
	b.t.Helper()
	_, err := b.store.PutAssignment(b.t.Context(), assignment, 0)
	b.must(err)
	ctx, stop := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- New(config, b.store).Run(ctx) }()
	b.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.t.Errorf("worker ended with %v", err)
		}
	})
}

func (b *bench) eventually(what string, holds func() bool) {
	b.t.Helper()
	for began := time.Now(); !holds(); time.Sleep(10 * time.Millisecond) { // a poll
		if time.Since(began) > 30*time.Second {
			b.t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// objects lists what lies in the job's parts folder.
func (b *bench) objects() (names []string) {
	entries, err := os.ReadDir(filepath.Join(b.dir, "out", "parts"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		b.t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func (b *bench) commit(shard orchestrator.Shard) orchestrator.Commit {
	b.t.Helper()
	commit, err := b.store.CommitOf(b.t.Context(), shard)
	b.must(err)
	return commit
}

func (b *bench) attempts(shard orchestrator.Shard) (kinds []orchestrator.AttemptKind) {
	events, _, err := b.store.Attempts(b.t.Context(), shard)
	b.must(err)
	for _, event := range events {
		kinds = append(kinds, event.Kind)
	}
	return kinds
}

func TestShardIsScoredAndCommitted(t *testing.T) {
	t.Parallel()
	b := prepare(t, nil)
	shard := b.shard()
	b.work(shard)
	commit := b.commit(shard)
	if commit.Outcome != orchestrator.OutcomeScored || commit.RowsIn != 3 || commit.RowsOK != 3 || commit.Result == nil || commit.Errors != nil {
		t.Fatalf("commit = %+v", commit)
	}
	data, err := os.ReadFile(strings.TrimPrefix(commit.Result.URI, "file://"))
	b.must(err)
	want := `{"id":"a","double": 2}` + "\n" + `{"id":"b","double": 4}` + "\n" + `{"id":"c","double": 6}` + "\n"
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("part (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]orchestrator.AttemptKind{orchestrator.AttemptStarted}, b.attempts(shard)); diff != "" {
		t.Errorf("attempts (-want +got)\n%s", diff)
	}
}

// C5, W5, W9: a shard that has a commit is only acknowledged.
func TestCommittedShardIsOnlyAcknowledged(t *testing.T) {
	t.Parallel()
	b := prepare(t, nil)
	shard := b.shard()
	b.must(b.store.Commit(t.Context(), shard, orchestrator.Commit{Attempt: "another"}))
	b.work(shard)
	if attempts, objects := b.attempts(shard), b.objects(); len(attempts)+len(objects) > 0 {
		t.Errorf("attempts %v, objects %v: want none of either", attempts, objects)
	}
}

// W11: a shard of an epoch that is over is only acknowledged.
func TestShardOfAClosedEpochIsOnlyAcknowledged(t *testing.T) {
	t.Parallel()
	b := prepare(t, func(job *orchestrator.Job, _ *orchestrator.ModelSnapshot) { job.Epoch = 1 })
	shard := b.shard()
	b.work(shard)
	if objects := b.objects(); len(objects) > 0 {
		t.Errorf("objects %v, want none", objects)
	}
	if _, err := b.store.CommitOf(t.Context(), shard); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("commit: %v, want none", err)
	}
}

// W11: a shard of a job that has ended is only acknowledged.
func TestShardOfAnEndedJobIsOnlyAcknowledged(t *testing.T) {
	t.Parallel()
	b := prepare(t, func(job *orchestrator.Job, _ *orchestrator.ModelSnapshot) { job.State = orchestrator.JobCancelled })
	shard := b.shard()
	b.work(shard)
	if attempts, objects := b.attempts(shard), b.objects(); len(attempts)+len(objects) > 0 {
		t.Errorf("attempts %v, objects %v: want none of either", attempts, objects)
	}
}

// W11: a job ends, and its sweep takes what an attempt still writes. The attempt gives up without a word of outputs that cannot be written.
func TestAttemptWhoseObjectsWereSwept(t *testing.T) {
	t.Parallel()
	b := prepare(t, func(_ *orchestrator.Job, model *orchestrator.ModelSnapshot) { model.BatchRows = 1 })
	b.write("echo.py", strings.Replace(echo, "    rows = ", `    import os, time
    while head["id"] == 2 and not os.path.exists(`+strconv.Quote(filepath.Join(b.dir, "go"))+`): time.sleep(.01)
    rows = `, 1))
	var blocked atomic.Bool
	watching, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- b.store.WatchPresence(watching, func(change state.PresenceChange) {
			blocked.Store(blocked.Load() || change.Presence.Blocked != nil)
		}, func() {})
	}()
	shard := b.shard()
	b.must(b.store.PublishShards(t.Context(), []orchestrator.Shard{shard}))
	b.start()
	b.eventually("the attempt writes", func() bool { return len(b.objects()) > 0 })
	job, revision, err := b.store.Job(t.Context(), b.job.JobKey)
	b.must(err)
	job.State = orchestrator.JobCancelled
	_, err = b.store.UpdateJob(t.Context(), job, revision)
	b.must(err)
	b.must(os.RemoveAll(filepath.Join(b.dir, "out", "parts")))
	b.write("go", "")
	b.eventually("the shard is acknowledged", func() bool {
		numbers, err := b.store.PublishedShards(t.Context(), b.job.JobKey, shard.Epoch)
		return err == nil && len(numbers) == 0
	})
	stop()
	<-ended
	if blocked.Load() {
		t.Error("the worker says that it is blocked")
	}
}

// W2, W14: another attempt's start is on record; this one's guarded start is refused first, then counted after it.
func TestStartAfterAnotherAttempt(t *testing.T) {
	t.Parallel()
	b := prepare(t, nil)
	shard := b.shard()
	_, err := b.store.RecordAttempt(t.Context(), shard, 0, orchestrator.AttemptEvent{Attempt: "lost", Kind: orchestrator.AttemptStarted})
	b.must(err)
	b.work(shard)
	if commit := b.commit(shard); commit.Attempts != 2 || commit.Outcome != orchestrator.OutcomeScored {
		t.Errorf("commit = %+v, want a second attempt that scored", commit)
	}
}

// Attempts are bounded: a shard whose code failed often enough is not scored again, and every row of it is in the error object.
func TestExhaustedShardFailsWithEveryRowNamed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		events []orchestrator.AttemptEvent
		code   string
	}{
		"code failures": {failures(3), "scorer_failed"},
		"lost machines": {starts(5), CodeMachineLost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := prepare(t, nil)
			shard := b.shard()
			var last uint64
			for _, event := range tc.events {
				at, err := b.store.RecordAttempt(t.Context(), shard, last, event)
				b.must(err)
				last = at
			}
			b.work(shard)
			commit := b.commit(shard)
			if commit.Outcome != orchestrator.OutcomeFailed || commit.Failure == nil || commit.Failure.Code != tc.code || commit.Failed != 3 {
				t.Fatalf("commit = %+v, failure %+v, want failed with %s", commit, commit.Failure, tc.code)
			}
			data, err := os.ReadFile(strings.TrimPrefix(commit.Errors.URI, "file://"))
			b.must(err)
			var keys []string
			for line := range strings.Lines(string(data)) {
				var problem orchestrator.RowError
				b.must(json.Unmarshal([]byte(line), &problem))
				keys = append(keys, fmt.Sprint(problem.Key, " ", problem.Code))
			}
			if diff := cmp.Diff([]string{"a " + tc.code, "b " + tc.code, "c " + tc.code}, keys); diff != "" {
				t.Errorf("error lines (-want +got)\n%s", diff)
			}
		})
	}
}

// A range that cannot be read to its end says so: the rows before that place are named, and one line, which is no row, stands for the rest.
func TestRangeThatCannotBeReadToItsEnd(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		file  string
		after func(*bench) // what happens to the file once the shard is made
		code  string
		lines []string // the ends of the error lines
	}{
		"nothing was read": {
			"rows.jsonl", func(b *bench) { b.write("rows.jsonl", "changed") }, object.CodeInputChanged,
			[]string{"; this line stands for all of the range from 0 to 51 (bytes), which could not be read"},
		},
		"two rows were read": {
			"rows.jsonl.gz", func(*bench) {}, format.CodeCorruptInput,
			[]string{"(corrupt_input): unexpected EOF", "(corrupt_input): unexpected EOF",
				"; this line stands for what follows after 2 rows of the range from 0 to 41 (compressed bytes), which could not be read"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := prepare(t, nil)
			b.write("rows.jsonl.gz", cutShort(t, `{"id":"a","n":1}`+"\n"+`{"id":"b","n":2}`+"\n"))
			shard := b.shardOf(tc.file)
			tc.after(b)
			b.work(shard)
			commit, rows := b.commit(shard), int64(len(tc.lines)-1)
			if commit.Outcome != orchestrator.OutcomeFailed || !commit.Unread || commit.Failure.Code != tc.code || commit.RowsIn != rows || commit.Failed != rows {
				t.Errorf("commit = %+v, failure %+v, want %d rows read, all failed, and the rest unread", commit, commit.Failure, rows)
			}
			data, err := os.ReadFile(strings.TrimPrefix(commit.Errors.URI, "file://"))
			b.must(err)
			lines := slices.Collect(strings.Lines(string(data)))
			if len(lines) != len(tc.lines) || commit.Errors.Rows != int64(len(lines)) {
				t.Fatalf("%d error lines, %d by the commit, want %d:\n%s", len(lines), commit.Errors.Rows, len(tc.lines), data)
			}
			for i, line := range lines {
				var problem orchestrator.RowError
				b.must(json.Unmarshal([]byte(line), &problem))
				if problem.Code != tc.code || !strings.HasSuffix(problem.Message, tc.lines[i]) {
					t.Errorf("error line %d is %s; want %s and a message that ends in %q", i, line, tc.code, tc.lines[i])
				}
			}
		})
	}
}

// cutShort is a compressed object that ends in the middle, after some rows.
func cutShort(t *testing.T, rows string) string {
	var out strings.Builder
	writer := gzip.NewWriter(&out)
	if _, err := writer.Write([]byte(rows)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func failures(count int) (events []orchestrator.AttemptEvent) {
	for i := range count {
		id := fmt.Sprint("f", i)
		failure := &orchestrator.Failure{Code: "scorer_failed", Message: "told to"}
		events = append(events, orchestrator.AttemptEvent{Attempt: id, Kind: orchestrator.AttemptStarted}, orchestrator.AttemptEvent{Attempt: id, Kind: orchestrator.AttemptFailed, Failure: failure})
	}
	return events
}

func starts(count int) (events []orchestrator.AttemptEvent) {
	for i := range count {
		events = append(events, orchestrator.AttemptEvent{Attempt: fmt.Sprint("s", i), Kind: orchestrator.AttemptStarted})
	}
	return events
}

// attemptOn makes an attempt by hand, for the steps whose failures lie in an answer that is lost.
func (b *bench) attemptOn(shard orchestrator.Shard, id string) *attempt {
	w := New(Config{ID: "w-0-9", Log: slog.New(slog.DiscardHandler), Messages: b.messages}, b.store)
	known, err := w.jobs.of(b.t.Context(), shard)
	b.must(err)
	return &attempt{worker: w, id: id, shard: shard, jobContext: known}
}

// W6, W7, N2: what became of a commit is learned from the leader: one's own is a win however often it is sent; another's is a loss.
func TestCommitIsResolvedByTheLeader(t *testing.T) {
	t.Parallel()
	b := prepare(t, nil)
	shard := b.shard()
	mine := b.attemptOn(shard, "mine")
	for try := range 2 {
		if won, err := mine.commit(t.Context(), orchestrator.Commit{Attempt: "mine"}); err != nil || !won {
			t.Errorf("try %d of my commit: won %v, %v", try, won, err)
		}
	}
	if won, err := b.attemptOn(shard, "yours").commit(t.Context(), orchestrator.Commit{Attempt: "yours"}); err != nil || won {
		t.Errorf("another attempt's commit: won %v, %v; want a loss", won, err)
	}
}

// D4: a full commit stream hands the shard back without its objects; when there is room, the shard is scored.
func TestFullStoreHandsTheShardBack(t *testing.T) {
	t.Parallel()
	b := prepare(t, nil)
	other := b.shard()
	for i := range 100_000 {
		junk := other
		junk.JobKey.ID, junk.Number = "junk", i
		err := b.store.Commit(t.Context(), junk, orchestrator.Commit{Attempt: strings.Repeat("x", 40_000)})
		if errors.Is(err, state.ErrFull) {
			break
		}
		b.must(err)
	}
	for i := range 100_000 { // the last bytes
		junk := other
		junk.JobKey.ID, junk.Number = "crumb", i
		err := b.store.Commit(t.Context(), junk, orchestrator.Commit{})
		if errors.Is(err, state.ErrFull) {
			break
		}
		b.must(err)
	}
	shard := b.shard()
	b.must(b.store.PublishShards(t.Context(), []orchestrator.Shard{shard}))
	b.start()
	b.eventually("an attempt says that it is blocked", func() bool {
		kinds := b.attempts(shard)
		return len(kinds) > 1 && kinds[1] == orchestrator.AttemptBlocked
	})
	if objects := b.objects(); len(objects) > 0 {
		t.Errorf("objects %v stay behind", objects)
	}
	junk := orchestrator.JobKey{Tenant: "default", Queue: "echo", ID: "junk"}
	b.must(b.store.ForgetWork(t.Context(), junk))
	b.eventually("the shard is committed", func() bool {
		_, err := b.store.CommitOf(t.Context(), shard)
		return err == nil
	})
}

// W12: a worker that is told to end finishes what it holds.
func TestWorkerFinishesWhatItHolds(t *testing.T) {
	t.Parallel()
	b := prepare(t, nil)
	shard := b.shard()
	b.must(b.store.PublishShards(t.Context(), []orchestrator.Shard{shard}))
	config := Config{ID: "w-0-2", Pool: "local", Grace: 20 * time.Second, Heartbeat: 100 * time.Millisecond, Orphan: time.Minute, Log: slog.New(slog.DiscardHandler)}
	order := &orchestrator.Order{JobKey: b.job.JobKey, Model: b.job.Model}
	_, err := b.store.PutAssignment(t.Context(), orchestrator.Assignment{Worker: config.ID, Epoch: 1, Jobs: []*orchestrator.Order{order}}, 0)
	b.must(err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- New(config, b.store).Run(ctx) }()
	b.eventually("the attempt has started", func() bool { return len(b.attempts(shard)) > 0 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if commit := b.commit(shard); commit.Outcome != orchestrator.OutcomeScored {
		t.Errorf("commit = %+v", commit)
	}
}
