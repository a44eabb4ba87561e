package faults

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/embedded"
	"nightshift.dev/nightshift/orchestrator/state"
)

var program string // the nightshift binary under test

func TestMain(m *testing.M) {
	if dir := os.Getenv("NIGHTSHIFT_FAULTS_NATS_DIR"); dir != "" {
		serveNATS(dir)
		return
	}
	var remove func()
	program, remove = build()
	code := m.Run()
	remove()
	os.Exit(code)
}

// build gives the program under test: the one that make test has built, or one of its own.
func build() (program string, remove func()) {
	if built := os.Getenv("NIGHTSHIFT_TEST_PROGRAM"); built != "" {
		return built, func() {}
	}
	dir, err := os.MkdirTemp("", "nightshift-faults-*")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "nightshift")
	command := exec.Command("go", "build", "-o", program, "nightshift.dev/nightshift/cmd/nightshift")
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	if err := command.Run(); err != nil {
		panic(err)
	}
	return program, func() { _ = os.RemoveAll(dir) }
}

// serveNATS is this test binary as a NATS server, until it is killed.
func serveNATS(dir string) {
	port, err := strconv.Atoi(os.Getenv("NIGHTSHIFT_FAULTS_NATS_PORT"))
	if err != nil {
		panic(err)
	}
	if _, err := embedded.Start(embedded.Config{Dir: dir, Port: port}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}

// installation is one real installation: a folder, a NATS server, and an orchestrator with its local workers.
type installation struct {
	t            *testing.T
	dir          string
	port         int
	nats         *exec.Cmd
	orchestrator *exec.Cmd
	conn         *nats.Conn
	ackWait      time.Duration
	grace        time.Duration
	starts       int
	rows         []byte
	input        string // URI of the rows
	s3           string // address of the S3 server, past its mishaps
}

const documents = `
apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: echo}
spec:
  scorer: {python: "echo:Echo", path: ., interpreter: python3, parameters: {pause: %g, load: %q}}
  batchRows: 200
  batchTimeout: 3s
  memoryLimit: 256Mi
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: local}
spec: {engine: local, capacityType: on-demand, price: {amount: "0.10", currency: EUR}, replicas: {max: 3}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: echo}
spec: {source: jobs, model: echo, pools: [local], input: {roots: [%q]}, output: {root: %q}}
`

const scorerSource = `
import os, time


def is_pipe(fd):
    try:
        return os.readlink("/proc/self/fd/" + fd).startswith("pipe:")
    except OSError:
        return False


class Echo:
    """Doubles a number; a row that says so kills the process, raises, or is refused."""

    def __init__(self, pause=0.0, load=""):
        self.pause = pause
        if load and os.path.exists(load):
            raise RuntimeError("the model file is broken: " + load)

    def __call__(self, batch):
        time.sleep(self.pause)
        for what in batch.get("do", []):
            if what == "die":
                os._exit(3)
            if what == "raise":
                raise ValueError("told to")
            if what == "hang":
                time.sleep(3600)
            if what == "rubbish":
                for fd in (int(name) for name in os.listdir("/proc/self/fd") if is_pipe(name) and int(name) > 2):
                    try:
                        os.write(fd, b"this is no answer\n")
                    except OSError:
                        pass  # the reading end of a pipe
            if what == "count":
                return {"double": []}
            if what == "eat":
                self.eaten = bytearray(400 << 20)
                time.sleep(5)
        return {"double": [2 * n for n in batch["n"]]}
`

type setting struct {
	rows  int
	pause float64       // seconds a batch takes
	ack   time.Duration // ack wait
	row   func(i int) string
	// broken is a file whose presence keeps the scorer from loading
	broken  string
	objects int           // over how many objects the rows are spread; 0: one
	grace   time.Duration // 0: 5 s
	input   string        // root of inputs and of results; folders of the installation by default
	output  string
	before  func(dir string) // what to do with the folder before anything starts
}

func plainRow(i int) string {
	return fmt.Sprintf(`{"id":"r%07d","n":%d,"text":"%s"}`, i, i, strings.Repeat("x", 30+i%50))
}

func install(t *testing.T, s setting) *installation {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is missing: the scorers of this test are Python programs")
	}
	in := &installation{t: t, dir: t.TempDir(), port: freePort(t), ackWait: s.ack, grace: cmp.Or(s.grace, 5*time.Second)}
	in.input = "file://" + filepath.Join(in.dir, "in", "rows.jsonl")
	if s.row == nil {
		s.row = plainRow
	}
	var rows bytes.Buffer
	for i := range s.rows {
		rows.WriteString(s.row(i) + "\n")
	}
	in.rows = rows.Bytes()
	for name, content := range map[string][]byte{
		"docs.yaml": fmt.Appendf(nil, documents, s.pause, s.broken, cmp.Or(s.input, "in"), cmp.Or(s.output, "out")), "echo.py": []byte(scorerSource), "in/rows.jsonl": rows.Bytes(),
	} {
		path := filepath.Join(in.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if s.objects > 0 {
		in.spread(s)
	}
	if s.before != nil {
		s.before(in.dir)
	}
	t.Cleanup(in.tearDown)
	in.startNATS()
	in.orchestrator = in.startOrchestrator("state")
	in.awaitService()
	return in
}

// spread puts the rows into objects of the same size, in the order of their names.
func (in *installation) spread(s setting) {
	in.t.Helper()
	folder := filepath.Join(in.dir, "in", "many")
	if err := os.Mkdir(folder, 0o755); err != nil {
		in.t.Fatal(err)
	}
	lines := slices.Collect(bytes.Lines(in.rows))
	name := 0
	for chunk := range slices.Chunk(lines, (len(lines)+s.objects-1)/s.objects) {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%03d.jsonl", name)), slices.Concat(chunk...), 0o600); err != nil {
			in.t.Fatal(err)
		}
		name++
	}
	in.input = "file://" + folder + "/"
}

func freePort(t *testing.T) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func (in *installation) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", in.port) }

func (in *installation) startNATS() {
	in.t.Helper()
	in.nats = exec.Command(os.Args[0])
	in.nats.Env = append(os.Environ(), "NIGHTSHIFT_FAULTS_NATS_DIR="+filepath.Join(in.dir, "nats"), fmt.Sprintf("NIGHTSHIFT_FAULTS_NATS_PORT=%d", in.port))
	in.nats.Stderr = in.log("nats")
	if err := in.nats.Start(); err != nil {
		in.t.Fatal(err)
	}
	in.eventually("NATS answers", 20*time.Second, func() bool {
		if in.conn == nil {
			conn, err := nats.Connect(in.url(), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
			if err != nil {
				return false
			}
			in.conn = conn
		}
		return in.conn.IsConnected()
	})
}

// startOrchestrator starts a `nightshift run`; folder holds its local engine's state.
func (in *installation) startOrchestrator(folder string) *exec.Cmd {
	in.t.Helper()
	in.starts++
	command := exec.Command(program, "run", "--nats", in.url(), "-f", filepath.Join(in.dir, "docs.yaml"), "--dir", filepath.Join(in.dir, folder),
		"--ack-wait", in.ackWait.String(), "--grace", in.grace.String())
	command.Stderr = in.log(fmt.Sprintf("orchestrator-%d", in.starts))
	if err := command.Start(); err != nil {
		in.t.Fatal(err)
	}
	return command
}

func (in *installation) log(name string) *os.File {
	file, err := os.OpenFile(filepath.Join(in.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { _ = file.Close() })
	return file
}

func kill(command *exec.Cmd) {
	_ = command.Process.Kill()
	_ = command.Wait()
}

func (in *installation) killNATS()         { kill(in.nats) }
func (in *installation) killOrchestrator() { kill(in.orchestrator) }
func (in *installation) restartOrchestrator() {
	in.killOrchestrator()
	in.orchestrator = in.startOrchestrator("state")
}

func (in *installation) awaitService() {
	in.t.Helper()
	in.eventually("the service answers", 30*time.Second, func() bool {
		_, err := request[api.ListResponse](in, "jobs.list", map[string]any{})
		return err == nil
	})
}

// request asks the service, again and again while it is away.
func request[T any](in *installation, operation string, body any) (T, error) {
	data, err := json.Marshal(body)
	if err != nil {
		in.t.Fatal(err)
	}
	var none T
	for began := time.Now(); ; {
		answer, err := in.conn.Request("nightshift.v1.default."+operation, data, 5*time.Second)
		if err == nil {
			return api.DecodeResponse[T](answer.Data)
		}
		if time.Since(began) > 30*time.Second {
			return none, err
		}
		time.Sleep(50 * time.Millisecond) // a poll
	}
}

func (in *installation) submit(key string) api.Job {
	in.t.Helper()
	answer, err := request[api.SubmitResponse](in, "jobs.submit", map[string]any{
		"queue": "echo", "input": []string{in.input}, "key": "id", "idempotencyKey": key,
	})
	if err != nil {
		in.t.Fatalf("submit: %v", err)
	}
	return answer.Job
}

func (in *installation) job(id string) api.Job {
	in.t.Helper()
	answer, err := request[api.GetResponse](in, "jobs.get", map[string]any{"id": id})
	if err != nil {
		in.t.Fatalf("get %s: %v", id, err)
	}
	return answer.Job
}

// finish waits for the job's end.
func (in *installation) finish(id string, within time.Duration) api.Job {
	in.t.Helper()
	var job api.Job
	in.eventually("job "+id+" ends", within, func() bool {
		job = in.job(id)
		return job.State.Final()
	})
	return job
}

func (in *installation) eventually(what string, within time.Duration, holds func() bool) {
	in.t.Helper()
	for began := time.Now(); !holds(); time.Sleep(20 * time.Millisecond) { // a poll
		if time.Since(began) > within {
			in.t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// workers lists the process ids of live workers.
func (in *installation) workers() (pids []int) {
	names, _ := filepath.Glob(filepath.Join(in.dir, "*", "local", "workers", "*.json"))
	slices.Sort(names)
	for _, name := range names {
		data, err := os.ReadFile(name)
		var record struct {
			PID int `json:"pid"`
		}
		if err == nil && json.Unmarshal(data, &record) == nil && isOurs(record.PID) {
			pids = append(pids, record.PID)
		}
	}
	return pids
}

// isOurs says whether a process runs the program under test.
func isOurs(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.HasPrefix(line, []byte(program+"\x00worker"))
}

// scorers lists the child processes of workers.
func (in *installation) scorers() (pids []int) {
	for _, worker := range in.workers() {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", worker))
		for _, task := range tasks {
			data, _ := os.ReadFile(task)
			for _, field := range strings.Fields(string(data)) {
				if pid, err := strconv.Atoi(field); err == nil {
					pids = append(pids, pid)
				}
			}
		}
	}
	return pids
}

func (in *installation) tearDown() {
	if in.orchestrator != nil {
		kill(in.orchestrator)
	}
	for _, pid := range in.workers() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if in.conn != nil {
		in.conn.Close()
	}
	if in.nats != nil {
		kill(in.nats)
	}
	if in.t.Failed() {
		in.showLogs()
	}
}

func (in *installation) showLogs() {
	names, _ := filepath.Glob(filepath.Join(in.dir, "*.log"))
	more, _ := filepath.Glob(filepath.Join(in.dir, "*", "local", "logs", "*.log"))
	for _, name := range append(names, more...) {
		data, _ := os.ReadFile(name)
		in.t.Logf("--- end of %s\n%s", filepath.Base(name), data[max(0, len(data)-3000):])
	}
}

// read gives an object that the installation has written.
func (in *installation) read(uri string) []byte {
	in.t.Helper()
	path, ok := strings.CutPrefix(uri, "file://")
	if !ok {
		return in.getS3(strings.TrimPrefix(uri, "s3://"))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		in.t.Fatal(err)
	}
	return data
}

// list names the objects below a prefix.
func (in *installation) list(prefix string) (names []string) {
	in.t.Helper()
	path, ok := strings.CutPrefix(prefix, "file://")
	if !ok {
		return in.listS3(strings.TrimPrefix(prefix, "s3://"))
	}
	entries, err := os.ReadDir(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		in.t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// manifest reads the job's manifest.
type manifest struct {
	Parts  []part `json:"parts"`
	Totals struct {
		Counts orchestrator.Counts     `json:"counts"`
		Errors *orchestrator.ObjectRef `json:"errors"`
	} `json:"totals"`
}

type part struct {
	Shard  int                     `json:"shard"`
	Object int                     `json:"object"`
	Start  int64                   `json:"start"`
	End    int64                   `json:"end"`
	RowsIn int64                   `json:"rowsIn"`
	Failed int64                   `json:"rowsFailed"`
	Unread bool                    `json:"unread"`
	Result *orchestrator.ObjectRef `json:"result"`
}

func (in *installation) manifest(job api.Job) manifest {
	in.t.Helper()
	var m manifest
	if err := json.Unmarshal(in.read(job.Manifest), &m); err != nil {
		in.t.Fatal(err)
	}
	return m
}

// check compares results row by row with what an undisturbed run gives, and looks for stranded objects. bad rows are expected in the error file.
func (in *installation) check(job api.Job, rows int, bad ...int) {
	in.t.Helper()
	want := orchestrator.JobSucceeded
	if len(bad) > 0 {
		want = orchestrator.JobPartiallyFailed
	}
	if job.State != want {
		in.t.Fatalf("job ended %s (%+v), want %s", job.State, job.Failure, want)
	}
	m := in.manifest(job)
	next, object, at := 0, 0, int64(0)
	for _, part := range m.Parts {
		if part.Object == object+1 {
			object, at = object+1, 0
		}
		if part.Object != object || part.Start != at {
			in.t.Fatalf("shard %d begins in object %d at %d, the one before ended in object %d at %d", part.Shard, part.Object, part.Start, object, at)
		}
		at = part.End
		if part.Result != nil {
			next = in.checkPart(part.Result, next, bad)
		}
	}
	for slices.Contains(bad, next) {
		next++
	}
	if next != rows {
		in.t.Errorf("results end with row %d, want %d rows", next, rows)
	}
	if m.Totals.Counts.RowsDone != int64(rows-len(bad)) || m.Totals.Counts.RowsFailed != int64(len(bad)) {
		in.t.Errorf("counts = %+v, want %d done, %d failed", m.Totals.Counts, rows-len(bad), len(bad))
	}
	in.checkErrors(m, bad)
	in.checkStranded(job, m)
	in.checkCommits()
}

// checkCommits finds at most one commit on the subject of every shard.
func (in *installation) checkCommits() {
	in.t.Helper()
	js, err := jetstream.New(in.conn)
	if err != nil {
		in.t.Fatal(err)
	}
	stream, err := js.Stream(in.t.Context(), state.CommitStream)
	if err != nil {
		in.t.Fatal(err)
	}
	info, err := stream.Info(in.t.Context(), jetstream.WithSubjectFilter(">"))
	if err != nil {
		in.t.Fatal(err)
	}
	for subject, commits := range info.State.Subjects {
		if commits > 1 {
			in.t.Errorf("%d commits on %s, want one", commits, subject)
		}
	}
	if len(info.State.Subjects) == 0 {
		in.t.Error("no commits: the check has shown nothing")
	}
}

// namedByCommits are the objects that the commits name which count: for each part of the manifest the commit with its result, or the last one.
func (in *installation) namedByCommits(job api.Job, m manifest) map[string]bool {
	in.t.Helper()
	counted := map[int]orchestrator.Commit{}
	for _, commit := range in.commits(job) {
		part := slices.IndexFunc(m.Parts, func(part part) bool { return part.Shard == commit.Number })
		if part >= 0 && (m.Parts[part].Result == nil || commit.Result != nil && commit.Result.URI == m.Parts[part].Result.URI) {
			counted[commit.Number] = commit
		}
	}
	named := map[string]bool{}
	for _, commit := range counted {
		for _, written := range []*orchestrator.ObjectRef{commit.Result, commit.Errors} {
			if written != nil {
				named[filepath.Base(written.URI)] = true
			}
		}
	}
	return named
}

// commits are those of a job that are stored now, in the order of the stream.
func (in *installation) commits(job api.Job) (commits []orchestrator.Commit) {
	in.t.Helper()
	ctx, done := context.WithCancel(in.t.Context())
	defer done()
	err := in.store().WatchCommits(ctx, orchestrator.JobKey{Tenant: job.Tenant, Queue: job.Queue, ID: job.ID}, func(event state.CommitEvent) {
		if event.CaughtUp {
			done()
			return
		}
		commits = append(commits, event.Commit)
	})
	if ctx.Err() == nil {
		in.t.Fatal(err)
	}
	return commits
}

// store reads what the installation has stored.
func (in *installation) store() *state.Store {
	in.t.Helper()
	store, err := state.Open(in.t.Context(), in.conn, state.Config{})
	if err != nil {
		in.t.Fatal(err)
	}
	return store
}

func (in *installation) checkPart(part *orchestrator.ObjectRef, next int, bad []int) int {
	in.t.Helper()
	for lines := bufio.NewScanner(bytes.NewReader(in.read(part.URI))); lines.Scan(); next++ {
		for slices.Contains(bad, next) {
			next++
		}
		if want := fmt.Sprintf(`{"id":"r%07d","double":%d}`, next, 2*next); lines.Text() != want {
			in.t.Fatalf("%s: row %d is %s, want %s", filepath.Base(part.URI), next, lines.Text(), want)
		}
	}
	return next
}

func (in *installation) checkErrors(m manifest, bad []int) {
	in.t.Helper()
	var got []int
	if m.Totals.Errors != nil {
		for line := range strings.Lines(string(in.read(m.Totals.Errors.URI))) {
			var problem orchestrator.RowError
			if err := json.Unmarshal([]byte(line), &problem); err != nil {
				in.t.Fatal(err)
			}
			var row int
			if _, err := fmt.Sscanf(fmt.Sprint(problem.Key), "r%d", &row); err != nil {
				in.t.Fatalf("error line without a key: %s", line)
			}
			got = append(got, row)
		}
	}
	if !slices.Equal(got, bad) && len(got)+len(bad) > 0 {
		in.t.Errorf("rows in the error file = %v, want %v", got, bad)
	}
}

// checkStranded waits for the late sweep and then finds only what the manifest and the commits that count name.
func (in *installation) checkStranded(job api.Job, m manifest) {
	in.t.Helper()
	named := in.namedByCommits(job, m)
	for _, part := range m.Parts {
		if part.Result != nil && !named[filepath.Base(part.Result.URI)] {
			in.t.Errorf("the manifest names %s, no commit does", part.Result.URI)
		}
	}
	beside := map[string]bool{"manifest.json": true, "parts": true, "errors.jsonl": m.Totals.Errors != nil}
	var stranded []string
	left := func() bool {
		stranded = stranded[:0]
		for _, name := range in.list(job.Output + "parts/") {
			if !named[name] {
				stranded = append(stranded, "parts/"+name)
			}
		}
		for _, name := range in.list(job.Output) {
			if !beside[name] && !named[name] { // an object store lists what is in parts here too
				stranded = append(stranded, name)
			}
		}
		return len(stranded) == 0
	}
	ctx, cancel := context.WithTimeout(in.t.Context(), 3*in.ackWait+40*time.Second)
	defer cancel()
	for !left() {
		select {
		case <-ctx.Done():
			in.t.Fatalf("stranded objects: %v", stranded)
		case <-time.After(200 * time.Millisecond): // a poll
		}
	}
}
