package raycluster

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	rayv1 "github.com/ray-project/kuberay/ray-operator/apis/ray/v1"
	rayclient "github.com/ray-project/kuberay/ray-operator/pkg/client/clientset/versioned"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
)

const burstModel = `
apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: m}
spec: {scorer: {command: ["true"]}, batchRows: 1, profile: {load: 1s, batches: [{rows: 1, rowsPerSecond: 100}]}}
`

const burstQueue = `---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: NAME}
spec:
  engine: ray
  ray: {namespace: NAMESPACE, cluster: NAME, group: spot}
  replicas: {max: 1}
  startTime: 3s
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: NAME}
spec:
  source: nats
  nats: {stream: NAME, consumer: scoring}
  model: m
  pools: [NAME]
  output: {root: out}
  drain: {key: id}
  objective: {finishWithin: 10s}
`

const (
	bursts = 50 // rounds, each with a queue and a RayCluster of its own
	burst  = 10_000
)

// BenchmarkBurstToReplicas is from the first of 10,000 messages that come to an empty queue until the API server tells of more replicas (B6). The service has fifty queues with
// a RayCluster each. No worker ever comes: the pods are pretended, and nothing stands in for what would run in them.
func BenchmarkBurstToReplicas(b *testing.B) {
	in := prepareInstallation(b)
	in.ServeNATS()
	nc, err := in.Server.Connect()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	in.prepareBursts(b, nc)
	in.Start()
	time.Sleep(10 * time.Second) // every queue is read, and is empty
	replicas := in.watch(b)
	var took []time.Duration
	for range bursts {
		name := fmt.Sprintf("burst-%d", len(took))
		began := time.Now()
		for i := range burst {
			if err := nc.Publish(name, []byte(`{"id":`+strconv.Itoa(i)+`}`)); err != nil {
				b.Fatal(err)
			}
		}
		took = append(took, grown(b, replicas, name).Sub(began))
		time.Sleep(200 * time.Millisecond) // the next comes alone
	}
	slices.Sort(took)
	for b.Loop() { // the rounds above are what is measured
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Milliseconds()), "ms-p99")
}

// grown waits until a RayCluster is asked for replicas.
func grown(b *testing.B, replicas <-chan told, name string) time.Time {
	b.Helper()
	for {
		select {
		case told := <-replicas:
			if told.name == name && told.count > 0 {
				return told.when
			}
		case <-time.After(30 * time.Second):
			b.Fatalf("nothing was asked for within 30 s for %s", name)
		}
	}
}

// prepareBursts makes the documents, the streams and the RayClusters.
func (in *installation) prepareBursts(b *testing.B, nc *nats.Conn) {
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	template, err := os.ReadFile(filepath.Join("testdata", "raycluster.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	documents, clusters := burstModel, ""
	for i := range bursts {
		name := fmt.Sprintf("burst-%d", i)
		documents += strings.NewReplacer("NAMESPACE", in.Namespace, "NAME", name).Replace(burstQueue)
		clusters += "---\n" + strings.Replace(string(template), "name: scoring", "name: "+name, 1)
		stream, err := js.CreateStream(b.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{name}})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := stream.CreateConsumer(b.Context(), jetstream.ConsumerConfig{Durable: "scoring", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
			b.Fatal(err)
		}
	}
	for name, text := range map[string]string{"docs.yaml": documents, "clusters.yaml": clusters} {
		if err := os.WriteFile(filepath.Join(in.Dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	in.Must("create", "--validate=false", "-f", filepath.Join(in.Dir, "clusters.yaml"))
}

// told is a RayCluster's number of replicas, and when the API server told of it.
type told struct {
	name  string
	count int
	when  time.Time
}

// watch tells of every change of a spot group's replicas.
func (in *installation) watch(b *testing.B) <-chan told {
	config, err := clientcmd.BuildConfigFromFlags("", in.Kubeconfig)
	if err != nil {
		b.Fatal(err)
	}
	client, err := rayclient.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	stream, err := client.RayV1().RayClusters(in.Namespace).Watch(b.Context(), metav1.ListOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stream.Stop)
	changes := make(chan told, 1000)
	go func() { // ends with the stream
		last := map[string]int{}
		for event := range stream.ResultChan() {
			cluster, ok := event.Object.(*rayv1.RayCluster)
			if !ok {
				continue
			}
			if count := int(*cluster.Spec.WorkerGroupSpecs[0].Replicas); count != last[cluster.Name] {
				last[cluster.Name] = count
				changes <- told{cluster.Name, count, time.Now()}
			}
		}
	}()
	return changes
}
