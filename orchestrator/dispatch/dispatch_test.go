package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
	"nightshift.dev/nightshift/orchestrator/object"
	"nightshift.dev/nightshift/orchestrator/planner"
	"nightshift.dev/nightshift/orchestrator/state"
)

// office is a dispatcher on a real store, with one queue whose roots lie in a folder of the test.
type office struct {
	t     *testing.T
	dir   string
	store *state.Store
	*Dispatcher
	queue  Queue
	events []string
}

func (o *office) Queue(tenant, name string) (Queue, bool) {
	return o.queue, tenant == "default" && name == "echo"
}

func (o *office) Snapshot(string, map[string]any) (orchestrator.ModelSnapshot, error) {
	return orchestrator.ModelSnapshot{Name: "echo", Digest: "d1", BatchRows: 2}, nil
}

func (o *office) Price(string) orchestrator.Money {
	return orchestrator.Money{Micros: 3_600_000, Currency: "EUR"}
}

func (o *office) Announce(_ context.Context, job orchestrator.Job) error {
	o.events = append(o.events, string(job.State))
	return nil
}

func open(t *testing.T, maxBytes int64) *office {
	t.Helper()
	nc := embeddedtest.Connect(t, embeddedtest.Start(t))
	store, err := state.Create(t.Context(), nc, state.Config{AckWait: time.Second, MaxBytes: maxBytes})
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, dir: t.TempDir(), store: store}
	o.queue = Queue{
		Name: "echo", Tenant: "default", ReadRoots: []string{"file://" + o.dir}, WriteRoots: []string{"file://" + o.dir + "/out/"},
		Output: "file://" + o.dir + "/out/", OutputFormat: orchestrator.FormatJSONL, MaxObjects: 100, MaxQueued: 1000, FinishedJobs: 10, KeepFinished: time.Hour, KeepKeys: time.Hour,
	}
	o.write("rows.jsonl", strings.Repeat(`{"id":"a","n":1}`+"\n", 10))
	o.Dispatcher = o.fresh()
	return o
}

// fresh is a dispatcher that knows nothing yet, as after a restart.
func (o *office) fresh() *Dispatcher {
	return New(Config{
		Store: o.store, Catalog: o, Events: o, Log: slog.New(slog.DiscardHandler), Wake: func() {},
		Estimate: func(request planner.Request) orchestrator.Estimate {
			return planner.Estimate(request, orchestrator.Observation{}, orchestrator.Policy{}, time.Unix(0, 0))
		},
	})
}

// live runs the dispatcher until the test ends.
func (o *office) live() {
	o.t.Helper()
	ctx, stop := context.WithCancel(o.t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = o.Run(ctx) }()
	o.t.Cleanup(func() { stop(); <-ended })
	<-o.Ready()
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) write(name, content string) {
	o.t.Helper()
	path := filepath.Join(o.dir, name)
	o.must(os.MkdirAll(filepath.Dir(path), 0o755))
	o.must(os.WriteFile(path, []byte(content), 0o600))
}

func (o *office) submission(key string) Submission {
	return Submission{
		Tenant: "default", Queue: "echo", Digest: "content", IdempotencyKey: key,
		Spec: orchestrator.JobSpec{Input: []string{"file://" + o.dir + "/rows.jsonl"}, Key: "id"},
	}
}

func (o *office) submit(key string) orchestrator.Job {
	o.t.Helper()
	job, _, err := o.Submit(o.t.Context(), o.submission(key))
	o.must(err)
	return job
}

// plan opens a job and asks for shards of two rows.
func (o *office) plan(job orchestrator.Job) {
	o.Apply(orchestrator.Plan{Open: []orchestrator.JobKey{job.JobKey}, Jobs: []orchestrator.JobPlan{{JobKey: job.JobKey, ShardRows: 2, Ahead: 16}}}, nil)
}

func (o *office) eventually(what string, holds func() bool) {
	o.t.Helper()
	for began := time.Now(); !holds(); time.Sleep(10 * time.Millisecond) { // a poll
		if time.Since(began) > 30*time.Second {
			o.t.Fatalf("not within 30 s: %s", what)
		}
	}
}

func (o *office) published(job orchestrator.Job) []int {
	numbers, err := o.store.PublishedShards(o.t.Context(), job.JobKey, job.Epoch)
	o.must(err)
	slices.Sort(numbers)
	return numbers
}

// awaitShards plans again and again, as control does, until so many shards lie in the stream.
func (o *office) awaitShards(job orchestrator.Job, count int) {
	o.t.Helper()
	o.eventually(fmt.Sprintf("%d shards are published", count), func() bool {
		o.plan(job)
		return len(o.published(job)) == count
	})
}

// settle commits a shard as a worker would, with a part that holds its two rows.
func (o *office) settle(job orchestrator.Job, number int) {
	o.t.Helper()
	o.settleWith(job, number, func(*orchestrator.Commit) {})
}

// settleWith changes the commit before it is stored.
func (o *office) settleWith(job orchestrator.Job, number int, change func(*orchestrator.Commit)) {
	o.t.Helper()
	name := fmt.Sprintf("out/%s/parts/%06d-w.jsonl", job.ID, number)
	o.write(name, "{}\n{}\n")
	shard := orchestrator.Shard{JobKey: job.JobKey, Epoch: job.Epoch, Number: number}
	commit := orchestrator.Commit{
		Epoch: job.Epoch, Number: number, Attempt: fmt.Sprint("w", number), Pool: "local", Outcome: orchestrator.OutcomeScored, RowsIn: 2, RowsOK: 2,
		Seconds: 1, Started: time.Unix(100, 0).UTC(), Finished: time.Unix(int64(101+number), 0).UTC(),
		Result: &orchestrator.ObjectRef{URI: "file://" + o.dir + "/" + name, Rows: 2, Bytes: 6, SHA256: "x"},
	}
	change(&commit)
	o.must(o.store.Commit(o.t.Context(), shard, commit))
}

func (o *office) state(job orchestrator.Job) orchestrator.JobState {
	found, err := o.Find("default", job.ID)
	o.must(err)
	return found.State
}

func TestJobGoesFromSubmitToManifest(t *testing.T) {
	t.Parallel()
	o := open(t, 0)
	o.live()
	job := o.submit("k")
	o.awaitShards(job, 5)
	for number := range 5 {
		o.settle(job, number)
	}
	o.eventually("the job succeeds", func() bool { return o.state(job) == orchestrator.JobSucceeded })
	done, err := o.Find("default", job.ID)
	o.must(err)
	want := orchestrator.Counts{RowsTotal: 10, RowsExact: true, RowsDone: 10, BytesTotal: 170, ShardsTotal: 5, CutAll: true, ShardsDone: 5}
	if diff := cmp.Diff(want, done.Counts); diff != "" {
		t.Errorf("counts (-want +got)\n%s", diff)
	}
	if done.Actual.Cost.Micros != 5*1000 || done.Actual.WorkerSeconds != 5 {
		t.Errorf("actual = %+v, want 5 s at 3.6 EUR an hour", done.Actual)
	}
	if diff := cmp.Diff([]string{"queued", "validating", "planning", "running", "finalizing", "succeeded"}, o.events); diff != "" {
		t.Errorf("events (-want +got)\n%s", diff)
	}
}

// The manifest alone tells what was scored, by what, in which time and at which cost, and what was not.
func TestManifestTellsEverything(t *testing.T) {
	t.Parallel()
	o := open(t, 0)
	o.must(os.Chtimes(filepath.Join(o.dir, "rows.jsonl"), time.Time{}, time.Unix(50, 0)))
	o.live()
	submission := o.submission("k")
	submission.Spec.Name = "nightly"
	job, _, err := o.Submit(t.Context(), submission)
	o.must(err)
	o.awaitShards(job, 5)
	for number := range 3 {
		o.settle(job, number)
	}
	o.settleWith(job, 3, func(commit *orchestrator.Commit) {
		commit.RowsOK, commit.Failed, commit.Errors = 1, 1, o.errorObject(job, 3, "{}\n")
	})
	o.settleWith(job, 4, func(commit *orchestrator.Commit) {
		commit.Outcome, commit.Unread, commit.Failure = orchestrator.OutcomeFailed, true, &orchestrator.Failure{Code: "input_changed", Message: "it is another one"}
		commit.RowsIn, commit.RowsOK, commit.Result, commit.Errors = 0, 0, nil, o.errorObject(job, 4, "{}\n")
	})
	o.eventually("the job ends", func() bool { return o.state(job) == orchestrator.JobPartiallyFailed })
	got, err := os.ReadFile(filepath.Join(o.dir, "out", job.ID, "manifest.json"))
	o.must(err)
	objects, err := object.New(object.Access{Read: o.queue.ReadRoots})
	o.must(err)
	input, err := objects.Stat(t.Context(), submission.Spec.Input[0], "")
	o.must(err)
	text := strings.NewReplacer(o.dir, "DIR", job.ID, "JOB", input.ETag, "ETAG", job.Times[orchestrator.JobQueued].Format(time.RFC3339Nano), "SUBMITTED").Replace(string(got))
	if diff := cmp.Diff(manifestText, text); diff != "" {
		t.Errorf("manifest (-want +got)\n%s", diff)
	}
}

const manifestText = `{"apiVersion":"nightshift.dev/v1alpha1","kind":"Manifest","job":"JOB","tenant":"default","queue":"echo","name":"nightly","epoch":0,"model":{"name":"echo","digest":"d1"},"key":"id","format":"jsonl","submitted":"SUBMITTED",
"input":[
{"uri":"file://DIR/rows.jsonl","size":170,"etag":"ETAG","modTime":"1970-01-01T00:00:50Z","format":"jsonl"}],
"parts":[
{"shard":0,"object":0,"start":0,"end":34,"rowsIn":2,"rowsFailed":0,"result":{"uri":"file://DIR/out/JOB/parts/000000-w.jsonl","bytes":6,"rows":2,"sha256":"x"}},
{"shard":1,"object":0,"start":34,"end":68,"rowsIn":2,"rowsFailed":0,"result":{"uri":"file://DIR/out/JOB/parts/000001-w.jsonl","bytes":6,"rows":2,"sha256":"x"}},
{"shard":2,"object":0,"start":68,"end":102,"rowsIn":2,"rowsFailed":0,"result":{"uri":"file://DIR/out/JOB/parts/000002-w.jsonl","bytes":6,"rows":2,"sha256":"x"}},
{"shard":3,"object":0,"start":102,"end":136,"rowsIn":2,"rowsFailed":1,"result":{"uri":"file://DIR/out/JOB/parts/000003-w.jsonl","bytes":6,"rows":2,"sha256":"x"}},
{"shard":4,"object":0,"start":136,"end":170,"rowsIn":0,"rowsFailed":0,"unread":true}],
"totals":{"counts":{"rowsTotal":10,"rowsExact":false,"rowsDone":7,"rowsFailed":3,"bytesTotal":170,"shardsTotal":5,"cutAll":true,"shardsDone":4,"shardsFailed":1,"shardsUnread":1,"bytesUnread":34,"rowsUnread":2},"actual":{"workerSeconds":5,"loadSeconds":0,"cost":{"amount":"0.005","currency":"EUR"},"started":"1970-01-01T00:01:40Z","finished":"1970-01-01T00:01:45Z","bytesOut":24},"errors":{"uri":"file://DIR/out/JOB/errors.jsonl","bytes":6,"rows":2,"sha256":"3b00ba5361676a0a8152642a6edaf54a222bd409b5774b5b461ac8d1cee09cb4"},"failure":{"code":"input_changed","message":"it is another one"}}}
`

// errorObject is the error object of a shard.
func (o *office) errorObject(job orchestrator.Job, number int, content string) *orchestrator.ObjectRef {
	name := fmt.Sprintf("out/%s/parts/%06d-w.errors.jsonl", job.ID, number)
	o.write(name, content)
	return &orchestrator.ObjectRef{URI: "file://" + o.dir + "/" + name, Rows: 1, Bytes: int64(len(content)), SHA256: "y"}
}

// C1, C2, C3: cuts are recorded and only some of their shards published; after a restart exactly the others are published.
func TestRecordedCutsArePublishedAfterARestart(t *testing.T) {
	t.Parallel()
	o := open(t, 0)
	job := o.submit("k")
	object := orchestrator.Object{}
	last := uint64(0)
	o.must(o.store.ReadJournal(t.Context(), job.JobKey, 0, func(sequence uint64, entry orchestrator.JournalEntry) {
		object, last = entry.Objects[0], sequence
	}))
	cuts := []orchestrator.Cut{}
	for number := range 5 {
		cuts = append(cuts, orchestrator.Cut{Number: number, Kind: orchestrator.ShardScore, Range: orchestrator.Range{Start: int64(34 * number), End: int64(34 * (number + 1))}})
	}
	_, err := o.store.AppendJournal(t.Context(), job.JobKey, last, orchestrator.JournalEntry{Cuts: cuts, CutsDone: true})
	o.must(err)
	o.must(o.store.PublishShards(t.Context(), []orchestrator.Shard{{JobKey: job.JobKey, Number: 1, Kind: orchestrator.ShardScore, Object: object, Range: cuts[1].Range}}))
	o.settle(job, 3)

	o.Dispatcher = o.fresh()
	o.live()
	o.awaitShards(job, 4)
	if diff := cmp.Diff([]int{0, 1, 2, 4}, o.published(job)); diff != "" {
		t.Errorf("published (-want +got)\n%s", diff)
	}
}

// S1, S2: the objects were recorded, the record was not: the same submit creates the job, and its objects are those recorded.
func TestSubmitTakesOverWhatAnEarlierTryRecorded(t *testing.T) {
	t.Parallel()
	o := open(t, 0)
	submission := o.submission("k")
	key := orchestrator.JobKey{Tenant: "default", Queue: "echo", ID: identifier(submission)}
	recorded := orchestrator.Object{URI: "file://" + o.dir + "/as-it-was.jsonl", Size: 170, Format: orchestrator.FormatJSONL}
	_, err := o.store.AppendJournal(t.Context(), key, 0, orchestrator.JournalEntry{Objects: []orchestrator.Object{recorded}, ObjectsDone: true})
	o.must(err)
	job, created, err := o.Submit(t.Context(), submission)
	if err != nil || !created || job.JobKey != key {
		t.Fatalf("submit = %s, created %v, %v", job.ID, created, err)
	}
	var objects []orchestrator.Object
	o.must(o.store.ReadJournal(t.Context(), key, 0, func(_ uint64, entry orchestrator.JournalEntry) { objects = append(objects, entry.Objects...) }))
	if diff := cmp.Diff([]orchestrator.Object{recorded}, objects); diff != "" {
		t.Errorf("objects (-want +got)\n%s", diff)
	}
}

// S3: the same key answers the same job; with another content it is an error.
func TestIdempotencyKeyAnswersTheSameJob(t *testing.T) {
	t.Parallel()
	o := open(t, 0)
	o.live()
	first := o.submit("k")
	second, created, err := o.Submit(t.Context(), o.submission("k"))
	if err != nil || created || second.ID != first.ID {
		t.Errorf("second submit = %s, created %v, %v", second.ID, created, err)
	}
	other := o.submission("k")
	other.Digest = "another content"
	_, _, err = o.Submit(t.Context(), other)
	if refused := new(api.Error); !errors.As(err, &refused) || refused.Code != api.CodeConflict || refused.Field != "idempotencyKey" {
		t.Errorf("another content: %v, want a conflict", err)
	}
	o.must(o.store.CloseJob(t.Context(), first.JobKey))
	if _, err := o.Cancel(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	cancelled, err := o.Find("default", first.ID)
	o.must(err)
	o.must(o.Delete(t.Context(), cancelled))
	if third, created, err := o.Submit(t.Context(), o.submission("k")); err != nil || created || third.ID != first.ID {
		t.Errorf("submit after delete = %s, created %v, %v; the tombstone must answer", third.ID, created, err)
	} else if third.Spec.Input != nil || third.Output == "" {
		t.Errorf("tombstone = %+v, want what answers for the key only", third)
	}
	journal := func() (entries int) {
		o.must(o.store.ReadJournal(t.Context(), first.JobKey, 0, func(uint64, orchestrator.JournalEntry) { entries++ }))
		return entries
	}
	if journal() == 0 {
		t.Error("the journal is gone, which the late sweep needs")
	}
	o.must(o.sweepRecordsOnce(t.Context(), time.Now().Add(59*time.Minute)))
	if got := journal(); got != 0 {
		t.Errorf("the journal has %d entries after the time of the late sweep, want none", got)
	}
	if _, created, err := o.Submit(t.Context(), o.submission("k")); err != nil || created {
		t.Errorf("submit within the hour for which this queue keeps keys: created %v, %v", created, err)
	}
	o.must(o.sweepRecordsOnce(t.Context(), time.Now().Add(61*time.Minute)))
	o.eventually("the key is forgotten", func() bool {
		_, created, err := o.Submit(t.Context(), o.submission("k"))
		return err == nil && created
	})
}

// S4: a full store answers the submitter, and every job that was accepted is there.
func TestFullStoreRefusesTheSubmit(t *testing.T) {
	t.Parallel()
	o := open(t, 64<<10)
	var accepted []orchestrator.Job
	var refused *api.Error
	for i := range 1000 {
		job, _, err := o.Submit(t.Context(), o.submission(fmt.Sprint(i)))
		if errors.As(err, &refused) {
			break
		}
		o.must(err)
		accepted = append(accepted, job)
	}
	if refused == nil || refused.Code != api.CodeUnavailable {
		t.Fatalf("after %d jobs: %v, want unavailable", len(accepted), refused)
	}
	for _, job := range accepted {
		if _, _, err := o.store.Job(t.Context(), job.JobKey); err != nil {
			t.Errorf("accepted job %s: %v", job.ID, err)
		}
	}
}

// R2, R3, C6: everything is settled and the orchestrator died before it said so: the next one writes the same manifest, again and again.
func TestFinalizingTwiceWritesTheSame(t *testing.T) {
	t.Parallel()
	o := open(t, 0)
	first := o.Dispatcher
	ctx, die := context.WithCancel(t.Context())
	dead := make(chan struct{})
	go func() { defer close(dead); _ = first.Run(ctx) }()
	<-first.Ready()
	job := o.submit("k")
	o.awaitShards(job, 5)
	die()
	<-dead
	for number := range 5 {
		o.settle(job, number)
	}
	manifest := filepath.Join(o.dir, "out", job.ID, "manifest.json")
	var written []string
	for range 2 {
		o.Dispatcher = o.fresh()
		ctx, die := context.WithCancel(t.Context())
		dead := make(chan struct{})
		go func(d *Dispatcher) { defer close(dead); _ = d.Run(ctx) }(o.Dispatcher)
		<-o.Ready()
		o.eventually("the job succeeds", func() bool { return o.state(job) == orchestrator.JobSucceeded })
		die()
		<-dead
		data, err := os.ReadFile(manifest)
		o.must(err)
		written = append(written, string(data))
		stored, revision, err := o.store.Job(t.Context(), job.JobKey)
		o.must(err)
		stored.State, stored.Closed, stored.Manifest = orchestrator.JobFinalizing, nil, "" // as it was before the end was recorded
		_, err = o.store.UpdateJob(t.Context(), stored, revision)
		o.must(err)
	}
	if diff := cmp.Diff(written[0], written[1]); diff != "" {
		t.Errorf("manifests differ (-first +second)\n%s", diff)
	}
}

// R4, W3, W4, W8: what attempts that lost or died have left is removed, what the manifest names is not.
func TestSweepRemovesWhatNoCommitNames(t *testing.T) {
	t.Parallel()
	o := open(t, 0)
	o.live()
	job := o.submit("k")
	o.awaitShards(job, 5)
	for number := range 5 {
		o.settle(job, number)
		o.write(fmt.Sprintf("out/%s/parts/%06d-dead.jsonl", job.ID, number), "half a r")
		o.write(fmt.Sprintf("out/%s/parts/%06d-dead.errors.jsonl", job.ID, number), "{}\n")
	}
	parts := filepath.Join(o.dir, "out", job.ID, "parts")
	o.eventually("the sweep is done", func() bool {
		entries, err := os.ReadDir(parts)
		o.must(err)
		return len(entries) == 5
	})
	for number := range 5 {
		if _, err := os.Stat(filepath.Join(parts, fmt.Sprintf("%06d-w.jsonl", number))); err != nil {
			t.Error(err)
		}
	}
	// W11: a zombie writes and commits after the end: ignored, and removed by the late sweep.
	o.eventually("the job succeeds", func() bool { return o.state(job) == orchestrator.JobSucceeded })
	o.write(fmt.Sprintf("out/%s/parts/000001-zombie.jsonl", job.ID), "{}\n")
	// R4: what an orchestrator that died has left beside the manifest goes too, what belongs to somebody else stays.
	for _, name := range []string{".nightshift-tmp.a.manifest.json", ".nightshift-tmp.b.errors.jsonl", ".nightshift-tmp.c.notes", "manifest.json.bak"} {
		o.write("out/"+job.ID+"/"+name, "half a f")
	}
	var left []string
	o.eventually("the late sweep is done", func() bool {
		left = left[:0]
		for _, folder := range []string{filepath.Dir(parts), parts} {
			entries, err := os.ReadDir(folder)
			o.must(err)
			for _, entry := range entries {
				left = append(left, entry.Name())
			}
		}
		return !slices.ContainsFunc(left, func(name string) bool {
			return strings.Contains(name, "zombie") || strings.HasSuffix(name, ".a.manifest.json") || strings.HasSuffix(name, ".b.errors.jsonl")
		})
	})
	if want := []string{".nightshift-tmp.c.notes", "manifest.json", "manifest.json.bak", "parts"}; !slices.Equal(left[:len(want)], want) {
		t.Errorf("beside the manifest lie %v, want %v", left, want)
	}
}

func TestRequestsThatCannotBeDone(t *testing.T) {
	t.Parallel()
	o := open(t, 0)
	o.live()
	running := o.submit("k")
	for name, tc := range map[string]struct {
		do    func() error
		code  api.Code
		field string
	}{
		"unknown queue": {func() error {
			s := o.submission("a")
			s.Queue = "eco"
			_, _, err := o.Submit(t.Context(), s)
			return err
		}, api.CodeNotFound, "queue"},
		"input outside of the roots": {func() error {
			s := o.submission("b")
			s.Spec.Input = []string{"file:///etc/passwd"}
			_, _, err := o.Submit(t.Context(), s)
			return err
		}, api.CodeForbidden, "input[0]"},
		"input that is not there": {func() error {
			s := o.submission("c")
			s.Spec.Input = append(s.Spec.Input, "file://"+o.dir+"/none.jsonl")
			_, _, err := o.Submit(t.Context(), s)
			return err
		}, api.CodeNotFound, "input[1]"},
		"row key that no row has": {func() error {
			s := o.submission("d")
			s.Spec.Key = "ident"
			_, _, err := o.Submit(t.Context(), s)
			return err
		}, api.CodeInvalid, "key"},
		"output elsewhere": {func() error {
			s := o.submission("e")
			s.Spec.Output = "file:///tmp/elsewhere/"
			_, _, err := o.Submit(t.Context(), s)
			return err
		}, api.CodeForbidden, "output.prefix"},
		"deadline in the past": {func() error {
			s := o.submission("f")
			s.Spec.FinishBy = time.Unix(1, 0)
			_, _, err := o.Submit(t.Context(), s)
			return err
		}, api.CodeInvalid, "finishBy"},
		"retry of a job that has not ended":  {func() error { _, err := o.Retry(t.Context(), running, time.Time{}); return err }, api.CodeWrongState, "id"},
		"delete of a job that has not ended": {func() error { return o.Delete(t.Context(), running) }, api.CodeWrongState, "id"},
	} {
		var refused *api.Error
		if err := tc.do(); !errors.As(err, &refused) || refused.Code != tc.code || refused.Field != tc.field {
			t.Errorf("%s: %v, want code %s for %s", name, err, tc.code, tc.field)
		}
	}
}
