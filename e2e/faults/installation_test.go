package faults

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
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

	"nightshift.dev/nightshift/orchestrator/api"
)

var program string // the nightshift binary under test

func TestMain(m *testing.M) {
	if config := os.Getenv(serverVariable); config != "" {
		serveNATS(config)
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

// installation is one real installation: a folder, a NATS server, and an orchestrator with its local workers.
type installation struct {
	t            *testing.T
	dir          string
	servers      []*natsServer
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
        if "stream" in batch:  # one write: others append to the file, too
            with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "scored.log"), "ab", buffering=0) as log:
                log.write("".join("%s %d\n" % row for row in zip(batch["stream"], batch["nth"])).encode())
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
            if what.startswith("swell "):
                swollen = bytearray(int(what[6:]) << 20)
                time.sleep(0.6)  # long enough to be seen
                del swollen
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
	before  func(dir string)       // what to do with the folder before anything starts
	stream  jetstream.StreamConfig // that is drained
	drain   string                 // how, as the queue says it; empty: into files, in any order
	servers int                    // of NATS, that keep every stream together; 0: as many as the run has
	hold    bool                   // the test starts the orchestrator itself
}

func plainRow(i int) string {
	return fmt.Sprintf(`{"id":"r%07d","n":%d,"text":"%s"}`, i, i, strings.Repeat("x", 30+i%50))
}

func install(t *testing.T, s setting) *installation {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is missing: the scorers of this test are Python programs")
	}
	in := &installation{t: t, dir: t.TempDir(), ackWait: s.ack, grace: cmp.Or(s.grace, 5*time.Second)}
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
	in.planServers(cmp.Or(s.servers, servers(t)))
	in.startNATS()
	if s.hold {
		return in
	}
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

// startOrchestrator starts a `nightshift run`; folder holds its local engine's state.
func (in *installation) startOrchestrator(folder string) *exec.Cmd {
	in.t.Helper()
	in.starts++
	command := exec.Command(program, "run", "--nats", in.url(), "-f", filepath.Join(in.dir, "docs.yaml"), "--dir", filepath.Join(in.dir, folder),
		"--ack-wait", in.ackWait.String(), "--grace", in.grace.String(), "--replicas", strconv.Itoa(len(in.servers)))
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
	if in.t.Failed() {
		in.showJobs()
	}
	if in.orchestrator != nil {
		kill(in.orchestrator)
	}
	for _, pid := range in.workers() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if in.conn != nil {
		in.conn.Close()
	}
	in.killNATS()
	if in.t.Failed() {
		in.showLogs()
		if folder := os.Getenv("NIGHTSHIFT_FAULT_KEEP"); folder != "" { // to look at what remains
			in.t.Logf("kept in %s: %v", folder, os.CopyFS(filepath.Join(folder, in.t.Name()), os.DirFS(in.dir)))
		}
	}
}

// showJobs prints how far the jobs are, and lets the orchestrator write what each of its goroutines does.
func (in *installation) showJobs() {
	if in.orchestrator == nil || in.conn == nil {
		return
	}
	answer, err := request[api.ListResponse](in, "jobs.list", map[string]any{})
	in.t.Logf("jobs: %v", err)
	for _, job := range answer.Jobs {
		in.t.Logf("%s %s %+v", job.ID, job.State, job.Counts)
	}
	_ = in.orchestrator.Process.Signal(syscall.SIGQUIT) // it may have ended
	_ = in.orchestrator.Wait()
	in.orchestrator = nil
}

func (in *installation) showLogs() {
	names, _ := filepath.Glob(filepath.Join(in.dir, "*.log"))
	more, _ := filepath.Glob(filepath.Join(in.dir, "*", "local", "logs", "*.log"))
	for _, name := range append(names, more...) {
		data, _ := os.ReadFile(name)
		in.t.Logf("--- end of %s\n%s", filepath.Base(name), data[max(0, len(data)-3000):])
	}
}
