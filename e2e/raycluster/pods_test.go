package raycluster

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nightshift.dev/nightshift/e2e/clustertest"
	"nightshift.dev/nightshift/e2e/raytest"
)

// A job in real pods: Ray runs in containers on nodes with kubelets, the service submits its driver to the head that KubeRay has made, workers score in pods of a node that
// is killed meanwhile, with all that is on it. It comes back as another machine, and the job ends with each row once. (Scenarios 1 and 2.)
func TestJobInRealPods(t *testing.T) {
	k, network := clustertest.ConnectReal(t)
	in := newInstallation(&kube{clustertest.NewService(k)}, "spot")
	in.Must("create", "--validate=false", "-f", raytest.Manifest(t, in.Dir))
	in.ServeNATSAt(network.Machine().String())
	dashboard := "http://" + in.head() + ":8265"
	t.Cleanup(func() { in.tellDriver(dashboard, func() string { return in.Must("get", "pods", "-o", "wide") }) })
	in.edit("group: spot, grantLimit: 5s", fmt.Sprintf("group: spot, dashboard: %q, nats: %q, grantLimit: 60s", dashboard, in.Server.URL()))
	in.edit("replicas: {max: 4}", "replicas: {max: 2}")
	in.edit("batchRows: 20\n", "batchRows: 500\n")
	in.edit("{rows: 20, rowsPerSecond: 95}", "{rows: 500, rowsPerSecond: 2375}")
	in.runWith(func(context.Context) {}) // kubelets do it
	present := in.presence()
	job := in.submit(200_000, "10s")
	in.until("workers are present", func() bool { return len(present()) == 2 })

	lost := present()
	in.node("kill")
	in.until("no worker is left of the node", func() bool { return len(present()) == 0 })
	in.node("up")
	in.until("others take their place", func() bool {
		now := present()
		return len(now) == 2 && !slices.ContainsFunc(now, func(name string) bool { return slices.Contains(lost, name) })
	})
	in.until("the job is done", func() bool { // in more than the minute that a command gets
		_, err := in.Nightshift("watch", job)
		return err == nil
	})
	in.ends(job, 200_000)
	in.until("no worker is left", func() bool { return len(present()) == 0 })
}

// head gives the address of the head's pod, which the machine reaches, when it is ready.
func (in *installation) head() (address string) {
	in.Helper()
	in.until("the head is ready", func() bool {
		said, err := in.Try(in.Context(), "get", "pods", "-l", "ray.io/node-type=head", "-o", `jsonpath={.items[*].status.podIP} {.items[*].status.conditions[?(@.type=="Ready")].status}`)
		words := strings.Fields(said)
		if err != nil || len(words) != 2 || words[1] != "True" {
			return false
		}
		address = words[0]
		return true
	})
	return address
}

// node kills the spot node, or brings it back.
func (in *installation) node(do string) {
	in.Helper()
	clustertest.Cluster(in.TB, "node", do, "spot-1", "--dir", filepath.Dir(in.Kubeconfig))
}
