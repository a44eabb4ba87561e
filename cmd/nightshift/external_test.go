package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/embedded"
)

// consumerFolder is where the consumer of this test looks for what it may finish, and says how it ended. With it in the environment the test's program is one.
const consumerFolder = "NIGHTSHIFT_TEST_CONSUMER_FOLDER"

// consumerProcess is what a consumer has that the service has started: its folder, the signal to leave, and JetStream.
func consumerProcess(t *testing.T) (folder string, told chan os.Signal, js jetstream.JetStream) {
	t.Helper()
	folder = os.Getenv(consumerFolder)
	if os.Getenv("NIGHTSHIFT_CONSUMER") == "" || folder == "" {
		t.Skip("the process of another test")
	}
	told = make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	conn, err := nats.Connect(os.Getenv("NIGHTSHIFT_NATS"), nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	if js, err = jetstream.New(conn); err != nil {
		t.Fatal(err)
	}
	return folder, told, js
}

// TestConsumerProcess is such a consumer, and no test: it takes messages, is busy until a file has the name of the message, and acknowledges.
func TestConsumerProcess(t *testing.T) {
	folder, told, js := consumerProcess(t)
	say := sayer(t, js)
	for {
		select {
		case <-told:
			end(t, folder, "")
		default:
		}
		say(false)
		message := next(t.Context(), js)
		for message != nil {
			say(true)
			if _, err := os.Stat(filepath.Join(folder, string(message.Data()))); err == nil {
				if err := message.DoubleAck(t.Context()); err != nil {
					t.Fatal(err)
				}
				break
			}
			select {
			case <-told:
				end(t, folder, string(message.Data()))
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// sayer puts what the consumer does where the service looks.
func sayer(t *testing.T, js jetstream.JetStream) func(busy bool) {
	words, err := js.KeyValue(t.Context(), "nightshift_consumers")
	if err != nil {
		t.Fatal(err)
	}
	return func(busy bool) {
		data, _ := json.Marshal(map[string]any{"busy": busy, "since": time.Now().UTC()})
		if _, err := words.Put(t.Context(), os.Getenv("NIGHTSHIFT_CONSUMER"), data); err != nil {
			t.Log(err)
		}
	}
}

// end ends the process of a consumer, and leaves behind what it held.
func end(t *testing.T, folder, holds string) {
	if err := os.WriteFile(filepath.Join(folder, "ended-"+os.Getenv("NIGHTSHIFT_CONSUMER")), []byte(holds), 0o600); err != nil {
		t.Fatal(err)
	}
	os.Exit(0)
}

// next waits a little for a message; nil: there is none, or no such consumer now.
func next(ctx context.Context, js jetstream.JetStream) jetstream.Msg {
	durable, err := js.Consumer(ctx, "WORK", "own")
	if err != nil {
		return nil
	}
	message, err := durable.Next(jetstream.FetchMaxWait(500 * time.Millisecond))
	if err != nil {
		return nil
	}
	return message
}

// ofStream is the source of the first test's queue.
const ofStream = "source: nats, nats: {stream: WORK, consumer: own}"

// externals are the documents of a pool of such processes: what the name of the test says, by a source.
func externals(t *testing.T, folder, process, source string, most int) string {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "nightshift.yaml")
	text := fmt.Sprintf(`apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: theirs}
spec:
  scorer: {command: ["true"]}
  profile: {load: 1s, batches: [{rows: 1, rowsPerSecond: 1}]}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: own}
spec:
  local: {command: [env, %q, %q, -test.run=^%s$]}
  replicas: {max: %d}
  scaleDownDelay: 0s
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: work}
spec: {delivery: external, model: theirs, pools: [own], objective: {finishWithin: 20s}, %s}
`, consumerFolder+"="+folder, program, process, most, source)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestConsumersOfTheUsersOwn sizes a pool of real processes by a real backlog: it grows with it, the idle go, the busy stay, a reading that fails keeps them, and proven empty ends the last.
func TestConsumersOfTheUsersOwn(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	server, err := embedded.Start(embedded.Config{Dir: filepath.Join(folder, "nats"), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "WORK", Subjects: []string{"work"}}); err != nil {
		t.Fatal(err)
	}
	durable := jetstream.ConsumerConfig{Durable: "own", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 10 * time.Minute, MaxAckPending: 3, DeliverPolicy: jetstream.DeliverNewPolicy}
	if _, err := js.CreateConsumer(ctx, "WORK", durable); err != nil {
		t.Fatal(err)
	}
	publish := func(payload string, count int) {
		for range count {
			if _, err := js.Publish(ctx, "work", []byte(payload)); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish("last", 1)
	publish("many", 59)
	in := serve(ctx, t, conn, server.URL(), folder, externals(t, folder, "TestConsumerProcess", ofStream, 3))
	defer func() {
		if err := in.stop(); err != nil {
			t.Error(err)
		}
	}()
	until := func(what string, holds func([]orchestrator.Consumer, map[orchestrator.WorkerState]int) bool) {
		t.Helper()
		waitUntil(ctx, t, what, func() (bool, string) {
			running, states := consumersNow(ctx, in)
			return holds(running, states), fmt.Sprint(len(running), " run: ", states, in.loop.Plan().Pools)
		})
	}
	until("the pool has grown and all are busy", func(_ []orchestrator.Consumer, states map[orchestrator.WorkerState]int) bool {
		return states[orchestrator.WorkerBusy] == 3
	})
	finish(t, folder, "many")
	until("the idle have gone, and the busy one has not", func(running []orchestrator.Consumer, states map[orchestrator.WorkerState]int) bool {
		return len(running) == 1 && states[orchestrator.WorkerBusy] == 1
	})
	if err := js.DeleteConsumer(ctx, "WORK", "own"); err != nil {
		t.Fatal(err)
	}
	waitUntil(ctx, t, "the reading fails", func() (bool, string) {
		list := in.loop.Backlogs()
		return len(list) == 1 && list[0].Err != "", fmt.Sprint(list)
	})
	nobodyGoes(ctx, t, in, 1, "while the backlog could not be read")
	if _, err := js.CreateConsumer(ctx, "WORK", durable); err != nil {
		t.Fatal(err)
	}
	finish(t, folder, "last")
	until("nobody is left once it is empty", func(running []orchestrator.Consumer, _ map[orchestrator.WorkerState]int) bool {
		return len(running) == 0
	})
	endedIdle(t, folder, 3)
}

// nobodyGoes holds a pool to its size for some decisions.
func nobodyGoes(ctx context.Context, t *testing.T, in *installation, want int, when string) {
	t.Helper()
	decided, gone := in.loop.Plan().At, false
	waitUntil(ctx, t, "decisions "+when, func() (bool, string) {
		running, _ := consumersNow(ctx, in)
		gone = gone || len(running) != want || slices.ContainsFunc(running, func(one orchestrator.Consumer) bool { return one.Leaves })
		return in.loop.Plan().At.Sub(decided) > 2*time.Second, ""
	})
	if gone {
		t.Error("a consumer went " + when)
	}
}

// endedIdle looks at what consumers held when they ended.
func endedIdle(t *testing.T, folder string, least int) {
	t.Helper()
	endings, err := filepath.Glob(filepath.Join(folder, "ended-*"))
	if err != nil || len(endings) < least {
		t.Errorf("%d consumers ended by themselves, want %d at least: %v", len(endings), least, err)
	}
	for _, one := range endings {
		if holds, err := os.ReadFile(one); err != nil || len(holds) > 0 {
			t.Errorf("%s was told to end while it held %q: %v", one, holds, err)
		}
	}
}

// serve starts the service in this process.
func serve(ctx context.Context, t *testing.T, conn *nats.Conn, url, folder, documents string) *installation {
	options := serviceOptions{documents: []string{documents}, dir: filepath.Join(folder, "state"), grace: 5 * time.Second, ackWait: 30 * time.Second, orphanTimeout: time.Minute, maxStore: 64 << 20}
	in, err := startService(ctx, conn, (&program{nats: url}).reach(), options, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// consumersNow are the processes, and how many say what.
func consumersNow(ctx context.Context, in *installation) ([]orchestrator.Consumer, map[orchestrator.WorkerState]int) {
	running, _ := in.engines[0].Running()
	states := map[orchestrator.WorkerState]int{}
	for _, one := range running {
		word, _ := in.store.Consumer(ctx, one.ID)
		states[word.State()]++
	}
	return running, states
}

func finish(t *testing.T, folder, message string) {
	if err := os.WriteFile(filepath.Join(folder, message), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func waitUntil(ctx context.Context, t *testing.T, what string, holds func() (bool, string)) {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		ok, seen := holds()
		if ok {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("not seen: %s; %s", what, seen)
		}
	}
}
