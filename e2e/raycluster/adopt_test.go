package raycluster

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nightshift.dev/nightshift/e2e/clustertest"
)

const scaledObject = `
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: scorer}
spec:
  scaleTargetRef: {name: scorer}
  triggers:
  - {type: cron, metadata: {timezone: UTC, start: 0 2 * * *, end: 0 6 * * *, desiredReplicas: "4"}}
  - {type: nats-jetstream, metadata: {natsServerMonitoringEndpoint: "nats:8222", account: $G, stream: ITEMS, consumer: theirs, lagThreshold: "10"}}
`

// A RayCluster that Ray's autoscaler sizes is taken over: first its documents observe, then the change is made, with the workers that are there staying, and once the autoscaler has
// ended with its head nothing is in the way.
func TestAdopts(t *testing.T) {
	in := prepareInstallation(t)
	in.defineScaledObjects()
	in.Must("delete", "raycluster", "scoring")
	text, err := os.ReadFile(filepath.Join("testdata", "raycluster.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	scaled := strings.NewReplacer("enableInTreeAutoscaling: false", "enableInTreeAutoscaling: true").Replace(string(text))
	in.create("raycluster.yaml", strings.Replace(scaled, "minReplicas: 0", "minReplicas: 2", 1))
	in.create("scaledobject.yaml", scaledObject)
	in.until("the autoscaler runs in the head", func() bool { // the head of the cluster before goes first
		said, err := in.Try(t.Context(), "get", "pods", "-l", "ray.io/node-type=head", "-o", "jsonpath={.items[*].spec.containers[*].name}")
		return err == nil && strings.Join(strings.Fields(said), " ") == "ray-head autoscaler"
	})
	in.until("two workers are there, though replicas is 0", func() bool { return len(in.pods(t.Context())) == 2 && in.group().Replicas == 0 })

	adopt := func(arguments ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), clustertest.Program, append([]string{"adopt", "scoring", "-n", in.Namespace}, arguments...)...)
		command.Env = append(os.Environ(), "KUBECONFIG="+in.Kubeconfig)
		said, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		return string(said)
	}
	in.Write("docs.yaml", adopt("--scaled-object", "scorer", "--rows-per-second", "40"))
	documents := in.read("docs.yaml")
	t.Log("\n" + documents)
	for _, part := range []string{"# Not carried over: trigger cron of ScaledObject scorer", "stream: ITEMS", "name: scoring-spot", "capacityType: spot", `{"op":"add","path":"/spec/workerGroupSpecs/0/replicas","value":2}`, "until that pod is replaced"} {
		if !strings.Contains(documents, part) {
			t.Errorf("%q is not in it", part)
		}
	}
	in.ServeNATS()
	in.fillStream("ITEMS", "theirs", 10)
	in.Start()
	in.until("it is observed", func() bool {
		said, err := in.Nightshift("explain", "scoring-spot")
		return err == nil && strings.Contains(said, "observed only") && strings.Contains(said, "2 replicas")
	})
	before := in.pods(t.Context())

	if said := adopt("--apply"); !strings.Contains(said, "raycluster.ray.io/scoring patched\nRay's autoscaler runs in the head's pod") {
		t.Errorf("it says %q", said)
	}
	if said := adopt("--apply"); !strings.Contains(said, "nothing to change") {
		t.Errorf("again it says %q", said)
	}
	if group := in.group(); group.Replicas != 2 {
		t.Errorf("%d replicas", group.Replicas)
	}
	manage := func(documents string) string { return strings.ReplaceAll(documents, "  mode: observe\n", "") }
	_, pools, _ := strings.Cut(documents, "kind: Pool")
	pools, _, _ = strings.Cut(pools, "kind: Queue")
	in.Write("docs.yaml", manage("apiVersion: nightshift.dev/v1alpha1\nkind: Pool"+strings.TrimSuffix(pools, "apiVersion: nightshift.dev/v1alpha1\n")))
	in.until("the autoscaler in the head is named", func() bool {
		return strings.Contains(strings.Join(in.doctorOf("scoring-spot"), "\n"), "Ray's autoscaler still runs in the head's pod")
	})
	in.Must("delete", "pods", "-l", "ray.io/node-type=head")
	in.until("nothing is in the way", func() bool { return strings.Join(in.doctorOf("scoring-spot"), "\n") == "ok can be sized" })
	for name := range in.pods(t.Context()) {
		if _, was := before[name]; !was {
			t.Errorf("%s is new: workers went", name)
		}
	}
}

func (in *installation) read(name string) string {
	in.Helper()
	text, err := os.ReadFile(filepath.Join(in.Dir, name))
	if err != nil {
		in.Fatal(err)
	}
	return string(text)
}

func (in *installation) create(name, text string) {
	in.Helper()
	in.Write(name, text)
	in.Must("create", "--validate=false", "-f", filepath.Join(in.Dir, name))
}

// defineScaledObjects makes the API server know them, until the test ends.
func (in *installation) defineScaledObjects() {
	in.Helper()
	file := filepath.Join("testdata", "scaledobject.yaml")
	in.Must("create", "-f", file)
	in.Cleanup(func() {
		if said, err := in.Try(context.WithoutCancel(in.Context()), "delete", "-f", file); err != nil {
			in.Errorf("%v\n%s", err, said)
		}
	})
	in.Must("wait", "--for=condition=Established", "crd/scaledobjects.keda.sh", "--timeout=30s")
}
