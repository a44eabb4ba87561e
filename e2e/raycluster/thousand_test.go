package raycluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	rayv1 "github.com/ray-project/kuberay/ray-operator/apis/ray/v1"
	rayclient "github.com/ray-project/kuberay/ray-operator/pkg/client/clientset/versioned"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// clusters is how many there are; NIGHTSHIFT_CLUSTERS says otherwise.
var clusters = func() int {
	if count, err := strconv.Atoi(os.Getenv("NIGHTSHIFT_CLUSTERS")); err == nil {
		return count
	}
	return 1000
}()

const (
	perStream = 250 // consumers of one stream; each message is pending for all of them
	idleFor   = time.Minute
	// convergedWithin bounds the wait for the last of them.
	convergedWithin = 5 * time.Minute
)

const thousandQueue = `---
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
  nats: {stream: STREAM, consumer: NAME}
  model: m
  pools: [NAME]
  output: {root: out}
  drain: {key: id}
  objective: {finishWithin: 10s}
`

// BenchmarkThousandClusters is B8: a thousand queues with a RayCluster each, all of whose backlogs change at once: how long until every one is asked for a replica, how often each was
// written, and what the service needs meanwhile and when nothing happens. KubeRay makes heads and workers beside it.
func BenchmarkThousandClusters(b *testing.B) {
	for b.Loop() { // measured is one burst, below; what was reported before the loop would be lost
	}
	in := prepareInstallation(b)
	in.ServeNATS()
	nc, err := in.Server.Connect()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	rays := in.rays(b)
	in.prepareThousand(b, nc, rays)
	in.Start()
	in.until("the service serves", func() bool { _, err := in.Nightshift("explain"); return err == nil })
	time.Sleep(30 * time.Second) // everything is read once
	before := in.generations(b, rays)
	began, busy := time.Now(), in.seconds(b)
	time.Sleep(idleFor)
	b.ReportMetric((in.seconds(b)-busy)/time.Since(began).Seconds(), "idle-cores")
	b.ReportMetric(in.mebibytes(b, "VmRSS"), "idle-MiB")
	if after := in.generations(b, rays); sum(after) != sum(before) {
		b.Errorf("%d writes while nothing happened", sum(after)-sum(before))
	}

	replicas := in.watch(b)
	began, busy = time.Now(), in.seconds(b)
	for i := range (clusters + perStream - 1) / perStream {
		for range 100 {
			if err := nc.Publish(fmt.Sprintf("all-%d", i), []byte(`{"id":1}`)); err != nil {
				b.Fatal(err)
			}
		}
	}
	took, ten := converged(b, replicas, began)
	b.ReportMetric(took.Seconds(), "s-all")
	b.ReportMetric(float64(clusters)/took.Seconds(), "patches/s")
	b.ReportMetric(ten.Seconds(), "s-first-tenth")
	b.ReportMetric((in.seconds(b)-busy)/took.Seconds(), "busy-cores")
	b.ReportMetric(in.mebibytes(b, "VmHWM"), "peak-MiB")
	b.ReportMetric(float64(sum(in.generations(b, rays))-sum(before))/float64(clusters), "writes/object")
	b.ReportMetric(0, "ns/op")
}

func sum(generations map[string]int64) (total int64) {
	for _, one := range generations {
		total += one
	}
	return total
}

func (in *installation) rays(b *testing.B) *rayclient.Clientset {
	b.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", in.Kubeconfig)
	if err != nil {
		b.Fatal(err)
	}
	config.QPS, config.Burst = 500, 500
	client, err := rayclient.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	return client
}

// generations are how often the specification of each was changed.
func (in *installation) generations(b *testing.B, rays *rayclient.Clientset) map[string]int64 {
	b.Helper()
	list, err := rays.RayV1().RayClusters(in.Namespace).List(b.Context(), metav1.ListOptions{})
	if err != nil {
		b.Fatal(err)
	}
	generations := map[string]int64{}
	for _, one := range list.Items {
		generations[one.Name] = one.Generation
	}
	return generations
}

// converged is how long it took until every one was asked for a replica, and until a tenth of them were.
func converged(b *testing.B, replicas <-chan told, began time.Time) (all, tenth time.Duration) {
	b.Helper()
	late := time.After(convergedWithin)
	for grown := map[string]bool{}; len(grown) < clusters; {
		select {
		case one := <-replicas:
			if grown[one.name] = true; len(grown) == clusters/10 {
				tenth = one.when.Sub(began)
			}
			all = one.when.Sub(began)
		case <-late:
			b.Fatalf("%d of %d within %s", len(grown), clusters, convergedWithin)
		}
	}
	return all, tenth
}

// prepareThousand makes the documents, the streams and the RayClusters.
func (in *installation) prepareThousand(b *testing.B, nc *nats.Conn, rays *rayclient.Clientset) {
	b.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("testdata", "raycluster.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	var template rayv1.RayCluster
	if err := yaml.Unmarshal(text, &template); err != nil {
		b.Fatal(err)
	}
	template.Spec.WorkerGroupSpecs = template.Spec.WorkerGroupSpecs[:1]
	documents := burstModel
	made, ctx := errgroup.WithContext(b.Context())
	made.SetLimit(20)
	for i := range clusters {
		name, stream := fmt.Sprintf("cluster-%d", i), fmt.Sprintf("all-%d", i/perStream)
		documents += strings.NewReplacer("NAMESPACE", in.Namespace, "NAME", name, "STREAM", stream).Replace(thousandQueue)
		if i%perStream == 0 {
			if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: stream, Subjects: []string{stream}}); err != nil {
				b.Fatal(err)
			}
		}
		made.Go(func() error {
			if _, err := js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{Durable: name, AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
				return err
			}
			one := template.DeepCopy()
			one.Name, one.Namespace = name, in.Namespace
			_, err := rays.RayV1().RayClusters(in.Namespace).Create(ctx, one, metav1.CreateOptions{})
			return err
		})
	}
	if err := made.Wait(); err != nil {
		b.Fatal(err)
	}
	in.Write("docs.yaml", documents)
	in.awaitHeads(b)
}

// awaitHeads waits until KubeRay has made all heads: it is not what is measured.
func (in *installation) awaitHeads(b *testing.B) {
	b.Helper()
	for began := time.Now(); ; time.Sleep(2 * time.Second) {
		said, err := in.Try(context.WithoutCancel(b.Context()), "get", "pods", "-l", "ray.io/node-type=head", "-o", "name")
		if err == nil && strings.Count(said, "\n") >= clusters {
			b.Logf("KubeRay made %d heads in %s", clusters, time.Since(began).Round(time.Second))
			return
		}
		if time.Since(began) > 10*time.Minute {
			b.Fatalf("%d heads after ten minutes", strings.Count(said, "\n"))
		}
	}
}

// seconds of a core that the service has used.
func (in *installation) seconds(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", in.PID()))
	if err != nil {
		b.Fatal(err)
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	ticks := 0
	for _, at := range []int{11, 12} { // utime and stime, proc(5), counted after the name
		count, err := strconv.Atoi(string(fields[at]))
		if err != nil {
			b.Fatal(err)
		}
		ticks += count
	}
	return float64(ticks) / 100 // USER_HZ
}

// mebibytes of the service, by a key of /proc/PID/status.
func (in *installation) mebibytes(b *testing.B, key string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", in.PID()))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, key+":"); found {
			kilobytes, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				b.Fatal(err)
			}
			return float64(kilobytes) / 1024
		}
	}
	b.Fatalf("no %s in\n%s", key, text)
	return 0
}
