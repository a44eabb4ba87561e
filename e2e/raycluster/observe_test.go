package raycluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

const observedDocuments = `
apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: theirs}
spec: {scorer: {command: ["true"]}, profile: {load: 1s, batches: [{rows: 1, rowsPerSecond: 10}]}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: spot}
spec:
  mode: observe
  engine: ray
  ray: {namespace: NAMESPACE, cluster: scoring, group: spot}
  price: {amount: "36", currency: USD}
  replicas: {max: 8}
  startTime: 5s
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: items}
spec: {mode: observe, source: nats, delivery: external, nats: {stream: ITEMS, consumer: theirs}, model: theirs, pools: [spot], objective: {finishWithin: 5m}}
`

// OB1 to OB5: beside Ray's autoscaler the service says what it would do and what both cost, with rights to read only, and writes nothing.
func TestObservesOnly(t *testing.T) {
	in := prepareInstallation(t)
	if err := os.WriteFile(filepath.Join(in.Dir, "docs.yaml"), []byte(strings.ReplaceAll(observedDocuments, "NAMESPACE", in.Namespace)), 0o600); err != nil {
		t.Fatal(err)
	}
	in.Must("patch", "raycluster", "scoring", "--type=json", "-p", `[{"op":"add","path":"/spec/enableInTreeAutoscaling","value":true},{"op":"replace","path":"/spec/workerGroupSpecs/0/replicas","value":6}]`)
	in.Must("create", "serviceaccount", "reader")
	in.Must("create", "role", "reader", "--verb=get,list,watch", "--resource=rayclusters.ray.io,pods")
	in.Must("create", "rolebinding", "reader", "--role=reader", "--serviceaccount="+in.Namespace+":reader")
	in.Reach = in.Become("reader", in.Dir)
	in.ServeNATS()
	in.fillStream("ITEMS", "theirs", 3000)
	in.until("the role counts, and nothing is found", func() bool { return strings.Join(in.doctor(), "\n") == "ok can be observed" })
	in.until("six pods are ready", func() bool {
		ready := 0
		for _, pod := range in.pods(t.Context()) {
			if pod.ready() {
				ready++
			}
		}
		return ready == 6
	})
	before := in.cluster()
	in.Start()
	var said string
	in.until("the plan is told beside what is there", func() bool {
		said, _ = in.Nightshift("explain", "spot")
		return strings.Contains(said, "(was 6)") && strings.Contains(said, " USD and ")
	})
	t.Log(said)
	if !strings.Contains(said, "observed only: nothing of this is carried out") || strings.Contains(said, "consumers of") {
		t.Errorf("explain says\n%s", said)
	}
	after := in.cluster()
	if before.Metadata.ResourceVersion != after.Metadata.ResourceVersion || len(in.events("NotResized")) > 0 {
		t.Errorf("the RayCluster was written: %+v became %+v", before.Metadata, after.Metadata)
	}
}

// fillStream makes a stream with messages, and a consumer that nobody reads.
func (in *installation) fillStream(name, consumer string, messages int) {
	in.Helper()
	nc, err := in.Server.Connect()
	if err != nil {
		in.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		in.Fatal(err)
	}
	stream, err := js.CreateStream(in.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{name}})
	if err == nil {
		_, err = stream.CreateConsumer(in.Context(), jetstream.ConsumerConfig{Durable: consumer, AckPolicy: jetstream.AckExplicitPolicy})
	}
	for i := 0; i < messages && err == nil; i++ {
		err = nc.Publish(name, fmt.Appendf(nil, "%d", i))
	}
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		in.Fatal(err)
	}
}
