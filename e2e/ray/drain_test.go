package ray

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/raycluster/driver"
	"nightshift.dev/nightshift/raycluster/jobs"
)

// tasksOfSomebody prints the pods on which tasks of somebody else run that ask for a CPU, after it has waited until the nodes of the cluster are as argv says: that the one
// in a pod drains, or that there is none of it.
const tasksOfSomebody = `
import sys, time
import ray
from ray._private.state import state
from ray._raylet import GcsClient

ray.init(address="auto", log_to_driver=False)
what, pod = sys.argv[1:]
gcs = GcsClient(address=ray.get_runtime_context().gcs_address)
for _ in range(300):
    pods = {info.node_id.hex(): info.instance_id for info in gcs.get_all_node_info(timeout=5).values() if info.state == info.ALIVE}
    draining = [pods[node] for node in state.get_draining_nodes() if node in pods]
    if {"drains": pod in draining, "gone": pod not in pods.values(), "there": pod in pods.values() and not draining}[what]:
        break
    time.sleep(0.1)
else:
    sys.exit(f"not {what}: {pods}, draining {draining}")

@ray.remote(num_cpus=1, scheduling_strategy="SPREAD")
def where():
    time.sleep(0.2)
    return ray.get_runtime_context().get_node_id()

print("on", *sorted({pods[node] for node in ray.get([where.remote() for _ in range(8)])}))
`

// somebody runs tasksOfSomebody as a job of its own and gives the pods.
func (s *site) somebody(what, pod string) string {
	s.t.Helper()
	s.others++
	id := fmt.Sprintf("somebody-%d", s.others)
	script := "exec python3 -c '" + tasksOfSomebody + "' " + what + " " + pod
	if err := s.client.Submit(s.t.Context(), jobs.Submission{ID: id, Entrypoint: script}); err != nil {
		s.t.Fatal(err)
	}
	s.awaitStatus(id, jobs.Succeeded)
	printed, err := s.client.Logs(s.t.Context(), id, 8000)
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(printed) {
		if pods, found := strings.CutPrefix(strings.TrimSpace(line), "on "); found {
			return pods
		}
	}
	s.t.Fatalf("%s says not where it ran:\n%s", id, printed)
	return ""
}

// RD17: Ray is told of a node whose replica leaves, and places nobody's work there; our worker there, which asks for nothing, goes on until it ends; then the node does.
func TestNodesThatLeaveDrain(t *testing.T) {
	s := newSite(t)
	s.config.Resources = driver.Resources{}
	s.put(1, replica(0, false, "pod-a"), replica(1, false, "pod-b"))
	s.ensure(s.newDriver(), time.Now())
	s.await("the driver", inSlots(0))
	s.cluster.Do("add", "pod-b") // not before: all nodes of this machine unpack packages into one folder
	slots := s.await("a worker in each slot", inSlots(0, 2))
	if on := s.somebody("there", "pod-b"); on != "pod-a pod-b" {
		t.Errorf("before: the tasks of somebody run on %s, want both", on)
	}

	s.put(1, replica(0, false, "pod-a"), replica(1, true, "pod-b"))
	began := time.Now()
	if on := s.somebody("drains", "pod-b"); on != "pod-a" {
		t.Errorf("while it leaves: the tasks of somebody run on %s, want pod-a only", on)
	}
	if after := s.await("the workers", inSlots(0, 2)); after[2].Worker != slots[2].Worker {
		t.Errorf("the worker in slot 2 is %s, want %s still", after[2].Worker, slots[2].Worker)
	}
	t.Logf("drained, and 8 tasks elsewhere, after %s", time.Since(began).Round(10*time.Millisecond))

	s.drain(slots[2])
	s.await("slot 2 drained", inSlots(0))
	if on := s.somebody("gone", "pod-b"); on != "pod-a" {
		t.Errorf("after it has left: the tasks of somebody run on %s", on)
	}

	if words := s.driverLog(); strings.Count(words, "drain of node") != 1 {
		t.Errorf("want one drain:\n%s", words)
	}
}
