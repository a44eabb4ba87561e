package argo

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nightshift.dev/nightshift/e2e/clustertest"
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
  engine: argo
  argo: {namespace: NAMESPACE, semaphore: {key: spot}, maxLife: LIFE}
  capacityType: spot
  price: {amount: "1", currency: USD}
  replicas: {max: 4}
  scaleDownDelay: 2s
  startTime: 5s
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: double}
spec: {source: jobs, model: double, pools: [spot], input: {roots: [in]}, output: {root: out}}
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

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// installation is a service whose runners are pretended.
type installation struct {
	*kubelet
	store *state.Store
}

// prepare makes what the manifests say; the service will have the rights of manifests/runners/role.yaml and no others.
func prepare(t *testing.T) *installation {
	t.Helper()
	k := clustertest.Connect(t)
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is missing: the scorer of this test is a Python program")
	}
	in := &installation{kubelet: &kubelet{Service: clustertest.NewService(k), processes: map[string]*exec.Cmd{}, started: map[string]bool{}}}
	for _, name := range []string{"role.yaml", "template.yaml"} {
		in.Must("create", "-f", filepath.Join("..", "..", "manifests", "runners", name))
	}
	in.Must("patch", "workflowtemplate", "nightshift-runner", "--type=merge", "-p", `{"spec":{"tolerations":[{"key":"kwok.x-k8s.io/node","operator":"Exists"}]}}`)
	in.Write("docs.yaml", strings.NewReplacer("NAMESPACE", k.Namespace, "LIFE", "1h").Replace(documents))
	in.Write("double.py", scorer)
	in.Reach = in.Become("nightshift", in.Dir)
	return in
}

// install prepares, and starts the service and the kubelet.
func install(t *testing.T) *installation {
	t.Helper()
	in := prepare(t)
	in.run()
	return in
}

// run starts the service and the kubelet.
func (in *installation) run() {
	in.Helper()
	t := in.TB
	in.ServeNATS()
	t.Cleanup(in.endAll)
	in.Start()
	in.store = in.Store()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		in.look(ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
}

// workflow is as much of one as is looked at.
type workflow struct {
	Metadata struct{ Name, ResourceVersion string }
	Status   struct{ Phase, Message string }
}

func (w workflow) ended() bool {
	return w.Status.Phase == "Succeeded" || w.Status.Phase == "Failed" || w.Status.Phase == "Error"
}

// runners are all there are.
func (in *installation) runners() (all []workflow) {
	in.Helper()
	var list struct{ Items []workflow }
	if err := json.Unmarshal([]byte(in.Must("get", "workflows", "-l", "nightshift.dev/pool=spot", "-o", "json")), &list); err != nil {
		in.Fatal(err)
	}
	return list.Items
}

// live counts those that have not ended, and those of them that run.
func (in *installation) live() (count, running int) {
	in.Helper()
	for _, one := range in.runners() {
		if !one.ended() {
			count++
		}
		if one.Status.Phase == "Running" {
			running++
		}
	}
	return count, running
}

// semaphore is the key of the ConfigMap; empty: it, or the ConfigMap, is not there.
func (in *installation) semaphore() string {
	in.Helper()
	text, err := in.Try(in.Context(), "get", "configmap", "nightshift-pools", "-o", "jsonpath={.data.spot}")
	if err != nil {
		return ""
	}
	return text
}

func (in *installation) until(what string, holds func() bool) {
	in.Helper()
	in.Until(what, "workflows,pods,configmaps", holds)
}

// ends waits for the job and for the runners, and looks at the results.
func (in *installation) ends(job string, rows int) {
	in.Helper()
	if said, err := in.Nightshift("watch", job); err != nil {
		in.Fatalf("%v\n%s", err, said)
	}
	in.until("all runners have ended, and the semaphore is one", in.idle)
	if in.cut > 0 {
		in.Errorf("%d workers ran when their pods went", in.cut)
	}
	said, err := in.Nightshift("results", job, "-o", "-")
	if lines := strings.Count(said, "\n"); err != nil || lines != rows {
		in.Errorf("%d results, want %d (%v)", lines, rows, err)
	}
}

func (in *installation) idle() bool {
	in.Helper()
	count, _ := in.live()
	slots, _, err := in.store.Slots(in.Context(), "spot")
	return count == 0 && in.semaphore() == "1" && err == nil && len(slots.Replicas) == 0 && in.working() == 0
}
