package raycluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nightshift.dev/nightshift/e2e/clustertest"
	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/state"
)

const documents = `
apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: double}
spec:
  scorer: {python: "double:Double", path: ., interpreter: python3, parameters: {pause: 0.2}}
  batchRows: 20
  profile: {load: 1s, batches: [{rows: 20, rowsPerSecond: 95}]}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: spot}
spec:
  engine: ray
  ray: {namespace: NAMESPACE, cluster: scoring, group: spot, grantLimit: 5s, retryAfter: 10s}
  capacityType: spot
  price: {amount: "1", currency: USD}
  replicas: {max: 4}
  scaleDownDelay: 2s
  startTime: 5s
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: on-demand}
spec:
  engine: ray
  ray: {namespace: NAMESPACE, cluster: scoring, group: on-demand}
  price: {amount: "3", currency: USD}
  replicas: {max: 4}
  scaleDownDelay: 2s
  startTime: 5s
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: double}
spec: {source: jobs, model: double, pools: [POOLS], input: {roots: [in]}, output: {root: out}}
`

const scorer = `
import time


class Double:
    def __init__(self, pause):
        self.pause = pause

    def __call__(self, batch):
        time.sleep(self.pause)
        return {"double": [2 * n for n in batch["n"]]}
`

// installation is a service, its NATS server, and workers in place of those in pods.
type installation struct {
	*kube
	store *state.Store

	mu      sync.Mutex
	workers map[string]*exec.Cmd // by pod and number
	cut     int                  // workers that ran when their pod went
	made    int
}

// install makes the RayCluster, with empty groups, and starts the service and the stand-in for the driver. The queue lists the pools, by default spot.
func install(t *testing.T, pools ...string) *installation {
	t.Helper()
	in := prepareInstallation(t, pools...)
	in.run()
	return in
}

// prepareInstallation makes what install needs before the service starts.
func prepareInstallation(t testing.TB, pools ...string) *installation {
	t.Helper()
	if len(pools) == 0 {
		pools = []string{"spot"}
	}
	k := &kube{clustertest.NewService(clustertest.Connect(t))}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is missing: the scorer of this test is a Python program")
	}
	in := newInstallation(k, pools...)
	k.Must("create", "--validate=false", "-f", filepath.Join("testdata", "raycluster.yaml"))
	return in
}

// newInstallation writes documents and scorer.
func newInstallation(k *kube, pools ...string) *installation {
	k.Helper()
	in := &installation{kube: k, workers: map[string]*exec.Cmd{}}
	in.Write("docs.yaml", strings.NewReplacer("NAMESPACE", k.Namespace, "POOLS", strings.Join(pools, ", ")).Replace(documents))
	in.Write("double.py", scorer)
	return in
}

// run starts everything, with the stand-in for pods and driver.
func (in *installation) run() {
	in.Helper()
	in.ServeNATS()
	in.runWith(in.drive)
}

// runWith starts the service and what stands in for pods.
func (in *installation) runWith(pods func(context.Context)) {
	in.Helper()
	in.Start()
	in.runPods(pods)
}

// runPods starts what stands in for pods.
func (in *installation) runPods(pods func(context.Context)) {
	in.Helper()
	t := in.TB
	in.store = in.Store()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		pods(ctx)
	}()
	t.Cleanup(in.endWorkers)
	t.Cleanup(func() { cancel(); <-ended })
}

// submit submits rows, and gives the job.
func (in *installation) submit(rows int, within string) string {
	in.Helper()
	return in.Submit("double", rows, within)
}

// drive is the stand-in for pods and for the driver in them: it starts the workers that the slots name in pods that are ready, and kills those whose pods are gone.
func (in *installation) drive(ctx context.Context) {
	for ctx.Err() == nil {
		pods := in.pods(ctx)
		for _, pool := range []string{"spot", "on-demand"} {
			if slots, _, err := in.store.Slots(ctx, pool); err == nil {
				in.fill(slots, pods)
			}
		}
		in.sweep(pods)
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (in *installation) fill(slots orchestrator.PoolSlots, pods map[string]pod) {
	for _, replica := range slots.Replicas {
		for n := range slots.Slots {
			if pods[replica.Pods[0]].ready() && !replica.Leaving {
				in.work(slots.Pool, replica.Pods[0], n, replica.Index*slots.PerReplica+n)
			}
		}
	}
}

// work starts a worker, unless it runs.
func (in *installation) work(pool, name string, n, slot int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	key := fmt.Sprintf("%s/%d", name, n)
	if in.workers[key] != nil {
		return
	}
	in.made++
	id := fmt.Sprintf("%s-%d-%d", name, n, in.made)
	log, err := os.Create(filepath.Join(in.Dir, id+".log"))
	if err != nil {
		in.Error(err)
		return
	}
	defer func() { _ = log.Close() }()
	command := exec.Command(clustertest.Program, "worker", "--pool", pool, "--id", id, "--slot", strconv.Itoa(slot), "--ack-wait", "5s", "--grace", "5s")
	command.Stderr, command.Env, command.SysProcAttr = log, append(os.Environ(), "NIGHTSHIFT_NATS="+in.Server.URL()), &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		in.Error(err)
		return
	}
	in.workers[key] = command
	go func() {
		_ = command.Wait()
		in.mu.Lock()
		defer in.mu.Unlock()
		delete(in.workers, key)
	}()
}

// sweep ends the workers whose pods are gone, as a kubelet does.
func (in *installation) sweep(pods map[string]pod) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for key, worker := range in.workers {
		if pods == nil {
			return // kubectl did not say
		}
		name, _, _ := strings.Cut(key, "/")
		if _, there := pods[name]; !there {
			in.cut++
			_ = syscall.Kill(-worker.Process.Pid, syscall.SIGKILL)
		}
	}
}

func (in *installation) working() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.workers)
}

// at counts the workers of a group.
func (in *installation) at(group string) (count int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for key := range in.workers {
		if strings.HasPrefix(key, "scoring-"+group+"-worker-") {
			count++
		}
	}
	return count
}

func (in *installation) endWorkers() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, worker := range in.workers {
		_ = syscall.Kill(-worker.Process.Pid, syscall.SIGKILL)
	}
}
