package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/state"
)

// identityClass is the model of every system.
const identityClass = `"""The model of the benchmark: it returns its batch as it is."""


class Identity:
    def __call__(self, batch):
        return batch
`

// mostQueued bounds the jobs that may wait in a queue of the benchmark.
const mostQueued = 50_000

// benchDocuments takes the folder of the class, the interpreter, rows of a batch, twice the number of workers, and the jobs that may wait.
const benchDocuments = `apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: identity}
spec:
  scorer: {python: "bench_identity:Identity", path: %q, interpreter: %q}
  artifacts: [model/bench_identity.py]
  batchRows: %d
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: local}
spec: {engine: local, capacityType: on-demand, replicas: {min: %d, max: %d}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: none}
spec: {engine: local, capacityType: on-demand, replicas: {min: 0, max: 0}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: bench}
spec: {source: jobs, model: identity, pools: [local], input: {roots: [in]}, output: {root: out}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: waiting}
spec: {source: jobs, model: identity, pools: [none], input: {roots: [in]}, output: {root: out}, limits: {maxQueuedJobs: %d}}
`

// benchMarker is the variable by which processes of a run, and what they start, are known.
const benchMarker = "NIGHTSHIFT_BENCH"

// benchService is a nightshift dev that runs as a child.
type benchService struct {
	child   *exec.Cmd
	client  *client
	exited  chan struct{}
	endings chan api.Job
	commits chan time.Time
	log     string
}

const (
	readyWithin   = time.Minute
	stopWithin    = time.Minute
	jobWithin     = 30 * time.Minute
	requestWithin = 35 * time.Second
)

// startDev starts nightshift dev in a folder of its own and returns when it answers.
func (d *dataplane) startDev(ctx context.Context) (*benchService, error) {
	folder, err := os.MkdirTemp(d.dir, "dev-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the service: %w", err)
	}
	s := &benchService{exited: make(chan struct{}), endings: make(chan api.Job, 64), commits: make(chan time.Time, 1024), log: filepath.Join(folder, "log")}
	log, err := os.Create(s.log)
	if err != nil {
		return nil, fmt.Errorf("open the log of the service: %w", err)
	}
	defer func() { _ = log.Close() }() // the child has its own descriptor
	s.child = exec.Command(d.program, "dev", "--dir", filepath.Join(folder, "state"), "--port", "0", "-f", d.documents)
	s.child.Env = append(os.Environ(), benchMarker+"="+d.dir, "XDG_CONFIG_HOME="+folder, "HOME="+folder)
	s.child.Stderr = log
	s.child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches this program, which ends the service in order
	out, err := s.child.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the service: %w", err)
	}
	if err := s.child.Start(); err != nil {
		return nil, fmt.Errorf("start the service: %w", err)
	}
	address := make(chan string, 1)
	go s.watch(bufio.NewScanner(out), address)
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	select {
	case found := <-address:
		err = s.connect(found)
	case <-s.exited:
		err = s.died()
	case <-ctx.Done():
		err = fmt.Errorf("start the service: %w", ctx.Err())
	}
	if err != nil {
		s.stop()
	}
	return s, err
}

// watch reads what the service prints until it ends.
func (s *benchService) watch(lines *bufio.Scanner, address chan<- string) {
	for lines.Scan() {
		if _, rest, found := strings.Cut(lines.Text(), "NATS at "); found && strings.Contains(lines.Text(), "is ready") {
			found, _, _ := strings.Cut(rest, ",")
			address <- found
		}
	}
	_ = s.child.Wait() // how it ended stands in its log
	close(s.exited)
}

func (s *benchService) died() error {
	data, _ := os.ReadFile(s.log) // whatever is there
	return fmt.Errorf("the service has ended: %s", data[max(0, len(data)-2000):])
}

// connect listens for ends of jobs and for commits, as any client may.
func (s *benchService) connect(address string) error {
	if _, err := url.Parse(address); err != nil {
		return fmt.Errorf("connect to the service: %w", err)
	}
	conn, err := (&program{nats: address}).dial("nightshift bench")
	if err != nil {
		return err
	}
	s.client = &client{conn: conn, tenant: "default", within: requestWithin, address: address}
	_, err = conn.Subscribe("nightshift.v1.default.events.jobs.>", func(message *nats.Msg) {
		var event api.Event
		if json.Unmarshal(message.Data, &event) == nil && event.Data.State.Final() {
			select {
			case s.endings <- event.Data:
			default: // nobody waits for that many
			}
		}
	})
	if err == nil {
		_, err = conn.Subscribe("nightshift.commits.>", func(*nats.Msg) {
			select {
			case s.commits <- time.Now():
			default: // only the first of a job is looked at
			}
		})
	}
	if err == nil {
		err = conn.Flush()
	}
	if err != nil {
		return fmt.Errorf("listen to the service: %w", err)
	}
	return nil
}

// stop ends the service in order, or else by force.
func (s *benchService) stop() {
	if s.client != nil {
		s.client.close()
	}
	_ = s.child.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-s.exited:
	case <-time.After(stopWithin):
		_ = s.child.Process.Kill()
		<-s.exited
	}
}

func (s *benchService) submit(ctx context.Context, queue, input string) (api.Job, error) {
	answer, err := request[api.SubmitResponse](ctx, s.client, "jobs.submit", api.SubmitRequest{Queue: queue, Input: []string{"file://" + input}, Key: "id"})
	return answer.Job, err
}

// score submits a job and waits for its manifest.
func (s *benchService) score(ctx context.Context, input string) (api.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, jobWithin)
	defer cancel()
	job, err := s.submit(ctx, "bench", input)
	if err != nil {
		return job, err
	}
	for {
		select {
		case ended := <-s.endings:
			switch {
			case ended.ID != job.ID:
			case ended.State != orchestrator.JobSucceeded:
				return ended, fmt.Errorf("job %s: %s: %s", ended.ID, ended.State, failureText(ended.Failure))
			default:
				return ended, nil
			}
		case <-s.exited:
			return job, s.died()
		case <-ctx.Done():
			return job, fmt.Errorf("wait for job %s: %w", job.ID, ctx.Err())
		}
	}
}

// parts are the files of a job that its manifest names.
func parts(job api.Job) (paths []string, err error) {
	data, err := os.ReadFile(strings.TrimPrefix(job.Manifest, "file://"))
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	var manifest struct {
		Parts []dispatch.Part `json:"parts"`
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	for _, part := range manifest.Parts {
		if part.Result != nil {
			paths = append(paths, strings.TrimPrefix(part.Result.URI, "file://"))
		}
	}
	return paths, nil
}

// loads says how many models each worker has loaded, by its own word.
func (s *benchService) loads(ctx context.Context) (map[string]int, error) {
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	js, err := jetstream.New(s.client.conn)
	if err != nil {
		return nil, fmt.Errorf("read the workers: %w", err)
	}
	bucket, err := js.KeyValue(ctx, state.WorkerBucket)
	if err != nil {
		return nil, fmt.Errorf("read the workers: %w", err)
	}
	names, err := bucket.Keys(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil, fmt.Errorf("read the workers: %w", err)
	}
	loads := map[string]int{}
	for _, name := range names {
		entry, err := bucket.Get(ctx, name)
		if err != nil {
			continue // its time to live has ended
		}
		var presence orchestrator.Presence
		if err := json.Unmarshal(entry.Value(), &presence); err != nil {
			return nil, fmt.Errorf("read worker %s: %w", name, err)
		}
		loads[name] = presence.Loads
	}
	return loads, nil
}
