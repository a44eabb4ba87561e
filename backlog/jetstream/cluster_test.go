package jetstream

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/e2e/loopback"
)

// node is a server in a process of its own, so that it can be killed.
type node struct {
	Name    string
	Port    int
	Cluster int
	Routes  []string
	Dir     string

	process *exec.Cmd
}

const nodeVariable = "NIGHTSHIFT_TEST_NATS_NODE"

func TestMain(m *testing.M) {
	if said := os.Getenv(nodeVariable); said != "" {
		serve(said)
		return
	}
	os.Exit(m.Run())
}

// serve is what a node's process does until it is killed, or its parent is gone.
func serve(said string) {
	var n node
	if err := json.Unmarshal([]byte(said), &n); err != nil {
		panic(err)
	}
	options := &server.Options{
		ServerName: n.Name, Host: "127.0.0.1", Port: n.Port, JetStream: true, StoreDir: n.Dir, NoSigs: true, NoLog: true,
		Cluster: server.ClusterOpts{Name: "three", Host: "127.0.0.1", Port: n.Cluster},
	}
	for _, route := range n.Routes {
		parsed, err := url.Parse(route)
		if err != nil {
			panic(err)
		}
		options.Routes = append(options.Routes, parsed)
	}
	started, err := server.NewServer(options)
	if err != nil {
		panic(err)
	}
	started.Start()
	_, _ = os.Stdin.Read(make([]byte, 1)) // closed when the parent is gone
	os.Exit(0)
}

type cluster []*node

// startCluster starts three nodes, and connects to them.
func startCluster(t *testing.T) (cluster, *world) {
	t.Helper()
	var nodes cluster
	var routes, urls []string
	for i := range 3 {
		n := &node{Name: fmt.Sprintf("n%d", i+1), Port: loopback.FreePort(t), Cluster: loopback.FreePort(t), Dir: t.TempDir()}
		routes = append(routes, fmt.Sprintf("nats-route://127.0.0.1:%d", n.Cluster))
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", n.Port))
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		n.Routes = routes
		n.start(t)
	}
	conn, err := nats.Connect(strings.Join(urls, ","), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.ReconnectJitter(0, 0))
	must(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	must(t, err)
	w := &world{TB: t, conn: conn, js: js, now: time.Now()}
	eventually(t, "the cluster has a stream", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		w.stream, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"S.>"}, Replicas: 3})
		return err == nil
	})
	w.make(jetstream.ConsumerConfig{AckWait: 5 * time.Minute, MaxDeliver: 5})
	return nodes, w
}

func (n *node) start(t *testing.T) {
	t.Helper()
	said, err := json.Marshal(n)
	must(t, err)
	n.process = exec.CommandContext(t.Context(), os.Args[0])
	n.process.Env = append(os.Environ(), nodeVariable+"="+string(said))
	n.process.Stderr = os.Stderr
	_, err = n.process.StdinPipe()
	must(t, err)
	must(t, n.process.Start())
	process := n.process
	t.Cleanup(func() { _ = process.Process.Kill(); _ = process.Wait() })
}

func (n *node) kill(t *testing.T) {
	t.Helper()
	must(t, n.process.Process.Kill())
	_ = n.process.Wait()
}

func (c cluster) named(t *testing.T, name string) *node {
	t.Helper()
	for _, n := range c {
		if n.Name == name {
			return n
		}
	}
	t.Fatalf("no node is named %q", name)
	return nil
}

// leader is where the consumer's leader is.
func (w *world) leader() string {
	w.Helper()
	name := ""
	eventually(w, "the consumer has a leader and two followers that keep up", func() bool {
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		info, err := w.consumer.Info(ctx)
		if err != nil || info.Cluster == nil || info.Cluster.Leader == "" {
			return false
		}
		for _, replica := range info.Cluster.Replicas {
			if !replica.Current {
				return false
			}
		}
		name = info.Cluster.Leader
		return len(info.Cluster.Replicas) == 2
	})
	return name
}

// TestJ10LeaderKilled kills the server of the consumer's leader twice, while rows lie still: every reading is right or has an error.
func TestJ10LeaderKilled(t *testing.T) {
	nodes, w := startCluster(t)
	w.publish("S.a", 100)
	w.take(20)
	w.counts(80, 20)
	reader := w.readerOf(w.js, Options{Timeout: 500 * time.Millisecond})
	w.want(w.known(reader), 80, 20)
	if poison, err := w.js.Stream(t.Context(), PoisonStream); err != nil || poison.CachedInfo().Config.Replicas != 3 {
		t.Errorf("the stream of rows given up has not the source's replicas (%v)", err)
	}
	for range 2 {
		killed := nodes.named(t, w.leader())
		killed.kill(t)
		begun, unknown, last := time.Now(), time.Duration(0), ""
		for good := 0; good < 5; {
			b := w.read(reader)
			switch {
			case b.Err != "":
				good, unknown = 0, time.Since(begun)
				last = b.Err
			case b.Pending+b.InFlight != 100:
				t.Fatalf("%s after the kill: %d pending, %d in flight, want 100 together (%q)", time.Since(begun), b.Pending, b.InFlight, b.Notes)
			default:
				good++
			}
			if time.Since(begun) > 40*time.Second {
				t.Fatal("unknown for 40 s")
			}
			<-time.After(20 * time.Millisecond)
		}
		t.Logf("the leader on %s was killed: unknown for %s (%s)", killed.Name, unknown.Round(time.Millisecond), last)
		killed.start(t)
	}
	w.leader()
	b := w.known(reader)
	if b.Pending+b.InFlight != 100 || b.Settled != 0 {
		t.Errorf("in the end %d pending, %d in flight, %d settled, want 100 and none", b.Pending, b.InFlight, b.Settled)
	}
}

// settling is how long a server may take to count a row that it has acknowledged: seen were two rows, beside other work.
const settling = time.Second

// TestJ10LeaderKilledUnderLoad kills it while rows are published and done: no reading is below what was left for certain a moment before.
func TestJ10LeaderKilledUnderLoad(t *testing.T) {
	nodes, w := startCluster(t)
	w.publish("S.a", 300)
	w.counts(300, 0)
	reader := w.readerOf(w.js, Options{Timeout: 500 * time.Millisecond})
	w.known(reader)
	var stored atomic.Int64
	var done sync.Map // sequences of rows whose settlement may have been sent
	left := func(before int64) int64 {
		done.Range(func(any, any) bool { before--; return true })
		return before
	}
	stored.Store(300)
	ctx, end := context.WithCancel(t.Context())
	var traffic sync.WaitGroup
	traffic.Go(func() {
		for ctx.Err() == nil {
			asking, cancel := context.WithTimeout(ctx, time.Second)
			if _, err := w.js.Publish(asking, "S.a", nil); err == nil {
				stored.Add(1)
			}
			cancel()
		}
	})
	traffic.Go(func() {
		for ctx.Err() == nil {
			batch, err := w.consumer.Fetch(5, jetstream.FetchMaxWait(500*time.Millisecond))
			if err != nil {
				continue
			}
			for row := range batch.Messages() {
				if data, err := row.Metadata(); err == nil {
					done.Store(data.Sequence.Stream, true)
					_ = row.Ack()
				}
			}
		}
	})
	killed := nodes.named(t, w.leader())
	type sample struct {
		at     time.Time
		stored int64
	}
	was := []sample{{time.Now(), 300}}
	begun, dead, back, good := time.Now(), time.Time{}, time.Time{}, 0
	for good < 50 {
		if dead.IsZero() && time.Since(begun) > time.Second {
			dead, good = time.Now(), 0
			killed.kill(t)
		}
		was = append(was, sample{time.Now(), stored.Load()})
		for len(was) > 1 && time.Since(was[1].at) > settling {
			was = was[1:]
		}
		before := was[0].stored
		b := w.read(reader)
		if b.Err == "" {
			if least := left(before); b.Pending+b.InFlight < least {
				t.Errorf("%d pending, %d in flight, but at least %d are left (%q)", b.Pending, b.InFlight, least, b.Notes)
			}
			if !dead.IsZero() {
				good++
			}
		} else {
			back, good = time.Now(), 0
		}
		if !dead.IsZero() && time.Since(dead) > 40*time.Second {
			t.Fatal("no 50 good readings within 40 s")
		}
		<-time.After(10 * time.Millisecond)
	}
	end()
	traffic.Wait()
	t.Logf("the leader was killed: unknown for %s; %d stored, %d left", back.Sub(dead).Round(time.Millisecond), stored.Load(), left(stored.Load()))
	killed.start(t)
	w.leader()
	info, err := w.consumer.Info(t.Context())
	must(t, err)
	b := w.known(reader)
	w.want(b, int64(info.NumPending), int64(info.NumAckPending))
	if least := left(stored.Load()); b.Pending+b.InFlight < least {
		t.Errorf("in the end %d and %d, want at least %d", b.Pending, b.InFlight, least)
	}
}
