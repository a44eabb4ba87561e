package raycluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/e2e/clustertest"
	"nightshift.dev/nightshift/e2e/raytest"
	"nightshift.dev/nightshift/orchestrator"
)

// insideDocuments are of a queue whose source and results are streams: the service has no file of this machine.
const insideDocuments = `
apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: double}
spec:
  scorer: {python: "double:Double", path: "FOLDER", interpreter: python3, parameters: {pause: 0.2}}
  batchRows: 20
  profile: {load: 1s, batches: [{rows: 20, rowsPerSecond: 95}]}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: spot}
spec:
  engine: ray
  ray: {namespace: NAMESPACE, cluster: scoring, group: spot, grantLimit: 60s, nats: "ADDRESS"}
  capacityType: spot
  replicas: {max: 2}
  scaleDownDelay: 2s
  startTime: 5s
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: items}
spec:
  source: nats
  nats: {stream: ITEMS, consumer: scoring}
  model: double
  pools: [spot]
  drain: {key: n, results: {subject: scored.items}}
  output: {root: out}
  objective: {finishWithin: 1m}
`

const insideOverlay = `
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [BASE]
namespace: nightshift
configMapGenerator:
- {name: nightshift-environment, behavior: replace, literals: [NIGHTSHIFT_NATS=ADDRESS]}
- {name: nightshift-documents, behavior: replace, files: [documents.yaml]}
`

// The service runs as the pods of the manifests, from the image that make image makes, with the rights that stand there and no others: it sizes a RayCluster of real pods, submits its driver
// to the head by the cluster's own DNS, and each row of a stream comes out scored once, though the pod that holds the Lease is deleted meanwhile, a raylet is killed, and the head is lost.
func TestServiceInItsPods(t *testing.T) {
	k, network := clustertest.ConnectReal(t)
	in := newInstallation(&kube{clustertest.NewService(k)}, "spot")
	in.ServeNATSAt(network.Machine().String())
	in.Must("create", "--validate=false", "-f", raytest.Manifest(t, in.Dir))
	in.loadImage()
	const rows = 9_000
	js := in.streams(rows)
	in.deploy()
	in.until("a pod holds the lease", func() bool { return in.leader() != "" })
	first := in.leader()
	in.until("results come", func() bool { return in.scored(js) > 0 })
	if said, err := in.Try(t.Context(), "-n", "nightshift", "delete", "pod", first, "--force", "--grace-period=0"); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	in.until("the other pod takes over", func() bool { now := in.leader(); return now != "" && now != first })
	in.goesOn(js, "a raylet was killed", func() {
		in.Must("exec", in.podOf("worker"), "--", "pkill", "-9", "-x", "raylet")
	})
	in.goesOn(js, "the head was lost", func() { in.Must("delete", "pod", in.podOf("head"), "--force", "--grace-period=0") })
	in.until("all rows are scored", func() bool { return in.scored(js) >= rows })
	in.until("the group shrinks to nothing", func() bool { return in.group().Replicas == 0 && len(in.pods(t.Context())) == 0 })
	if identities := in.identities(js); len(identities) != rows {
		t.Errorf("%d rows were scored, want %d", len(identities), rows)
	}
}

// goesOn waits until more comes out after something was done.
func (in *installation) goesOn(js jetstream.JetStream, what string, do func()) {
	in.Helper()
	in.until("results come before "+what, func() bool { return in.scored(js) > 0 })
	do()
	before := in.scored(js) + 500 // what was under way comes, too
	in.until("results come after "+what, func() bool { return in.scored(js) >= before })
}

// podOf is the first pod of the RayCluster of that type.
func (in *installation) podOf(kind string) string {
	in.Helper()
	return strings.TrimSpace(in.Must("get", "pods", "-l", "ray.io/node-type="+kind, "-o", "jsonpath={.items[0].metadata.name}"))
}

// loadImage makes the image of the program and brings it to both nodes.
func (in *installation) loadImage() {
	in.Helper()
	archive := filepath.Join(in.Dir, "image.tar")
	do := func(name string, arguments ...string) {
		in.Helper()
		if said, err := exec.CommandContext(in.Context(), name, arguments...).CombinedOutput(); err != nil {
			in.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, said)
		}
	}
	do("go", "run", "nightshift.dev/nightshift/manifests/image", "--program", clustertest.Program, "--archive", archive)
	for _, node := range []string{"spot-1", "on-demand-1"} {
		pid, err := os.ReadFile(filepath.Join(filepath.Dir(in.Kubeconfig), "pids", node+".pid"))
		if err != nil {
			in.Fatal(err)
		}
		do("nsenter", "--all", "--target", strings.Fields(string(pid))[0], "ctr", "-n", "k8s.io", "images", "import", archive)
	}
}

// streams makes the source, full, and the stream of results.
func (in *installation) streams(rows int) jetstream.JetStream {
	in.Helper()
	nc, err := in.Server.Connect()
	if err != nil {
		in.Fatal(err)
	}
	in.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		in.Fatal(err)
	}
	source, err := js.CreateStream(in.Context(), jetstream.StreamConfig{Name: "ITEMS", Subjects: []string{"items"}})
	if err == nil {
		_, err = source.CreateConsumer(in.Context(), jetstream.ConsumerConfig{Durable: "scoring", AckPolicy: jetstream.AckExplicitPolicy})
	}
	if err == nil {
		_, err = js.CreateStream(in.Context(), jetstream.StreamConfig{Name: "SCORED", Subjects: []string{"scored.>"}})
	}
	for i := 0; i < rows && err == nil; i++ {
		err = nc.Publish("items", fmt.Appendf(nil, `{"n":%d}`, i))
	}
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		in.Fatal(err)
	}
	return js
}

// deploy applies the manifests, with an overlay of the test.
func (in *installation) deploy() {
	in.Helper()
	manifests, err := filepath.Abs(filepath.Join("..", "..", "manifests"))
	if err != nil {
		in.Fatal(err)
	}
	folder := filepath.Join(in.Dir, "overlay")
	base, err := filepath.Rel(folder, filepath.Join(manifests, "base"))
	if err != nil {
		in.Fatal(err)
	}
	replace := strings.NewReplacer("FOLDER", in.Dir, "NAMESPACE", in.Namespace, "ADDRESS", in.Server.URL(), "BASE", base)
	in.Write(filepath.Join("overlay", "documents.yaml"), replace.Replace(insideDocuments))
	in.Write(filepath.Join("overlay", "kustomization.yaml"), replace.Replace(insideOverlay))
	in.Cleanup(func() {
		ctx := context.WithoutCancel(in.Context())
		if in.Failed() {
			said, _ := in.Try(ctx, "-n", "nightshift", "logs", "-l", "app.kubernetes.io/name=nightshift", "--tail=-1", "--prefix")
			about, _ := in.Try(ctx, "-n", "nightshift", "describe", "pods")
			in.Logf("%s\n%s", said, about)
		}
		if said, err := in.Try(ctx, "delete", "namespace", "nightshift", "--wait=false"); err != nil {
			in.Errorf("%v\n%s", err, said)
		}
	})
	in.Must("apply", "-k", filepath.Join(manifests, "sizing"))
	in.Must("-n", "nightshift", "apply", "-k", folder)
}

// leader is the pod that holds the Lease; empty: none.
func (in *installation) leader() string {
	text, err := in.Try(in.Context(), "-n", "nightshift", "get", "lease", "nightshift", "-o", "json")
	var lease struct {
		Spec struct {
			Holder string `json:"holderIdentity"`
		} `json:"spec"`
	}
	if err != nil || json.Unmarshal([]byte(text), &lease) != nil {
		return ""
	}
	pod, _, _ := strings.Cut(lease.Spec.Holder, "_")
	return pod
}

// scored counts results, doubles too.
func (in *installation) scored(js jetstream.JetStream) int {
	stream, err := js.Stream(in.Context(), "SCORED")
	if err != nil {
		return 0
	}
	return int(stream.CachedInfo().State.Msgs) //nolint:gosec // thousands
}

// identities are the rows that were scored, by the shard and row that results carry.
func (in *installation) identities(js jetstream.JetStream) map[string]bool {
	in.Helper()
	reader, err := js.OrderedConsumer(in.Context(), "SCORED", jetstream.OrderedConsumerConfig{})
	if err != nil {
		in.Fatal(err)
	}
	found := map[string]bool{}
	for range in.scored(js) {
		message, err := reader.Next()
		if err != nil {
			in.Fatal(err)
		}
		found[message.Headers().Get(orchestrator.HeaderShard)+"/"+message.Headers().Get(orchestrator.HeaderRow)] = true
	}
	return found
}
