package control

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
	"nightshift.dev/nightshift/orchestrator/state"
)

// ownEngine runs programs of the user's own, and records who was told to end.
type ownEngine struct {
	engine
	running []orchestrator.Consumer
	told    map[string]time.Duration
}

func (e *ownEngine) Running() ([]orchestrator.Consumer, bool) { return e.running, true }

func (e *ownEngine) Leave(id string, grace time.Duration) error {
	e.told[id] = grace
	return nil
}

// What consumers say is read from their bucket: who says nothing is unknown, and all are when it cannot be read. Who is told to end has the grace that it declared.
func TestWordsOfConsumers(t *testing.T) {
	t.Parallel()
	conn := embeddedtest.Connect(t, embeddedtest.Start(t))
	store, err := state.Create(t.Context(), conn, state.Config{})
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	words, err := js.KeyValue(t.Context(), state.ConsumerBucket)
	if err != nil {
		t.Fatal(err)
	}
	for id, word := range map[string]string{"own-0": `{"busy":true,"grace":"30s"}`, "own-1": `{"busy":false}`, "own-2": `busy`} {
		if _, err := words.PutString(t.Context(), id, word); err != nil {
			t.Fatal(err)
		}
	}
	own := &ownEngine{told: map[string]time.Duration{}}
	for slot, id := range []string{"own-0", "own-1", "own-2", "own-3"} {
		own.running = append(own.running, orchestrator.Consumer{ID: id, Slot: slot, MostGrace: time.Minute, Leaves: slot == 1})
	}
	l := New(Config{Store: store, Engines: map[string]Engine{"own": own, "ours": &engine{}}, Log: slog.New(slog.DiscardHandler)})
	read := func(want ...orchestrator.WorkerState) []orchestrator.WorkerView {
		t.Helper()
		views := l.consumersOf(t.Context(), "own")
		for i, one := range views {
			if one.State != want[i] || one.Pool != "own" || one.Slot != i || one.Draining != (i == 1) {
				t.Errorf("%+v, want %s", one, want[i])
			}
		}
		return views
	}
	views := read(orchestrator.WorkerBusy, orchestrator.WorkerIdle, orchestrator.WorkerUnknown, orchestrator.WorkerUnknown)
	views = append(views, orchestrator.WorkerView{ID: "ours-0", Pool: "ours"})
	for _, one := range views {
		consumer, err := l.leave(views, orchestrator.Assignment{Worker: one.ID, Drain: one.ID != "own-3"})
		if err != nil || consumer != (one.Pool == "own") {
			t.Errorf("%s: a consumer: %v, %v", one.ID, consumer, err)
		}
	}
	if _, told := own.told["own-3"]; told || len(own.told) != 3 || own.told["own-0"] != 30*time.Second || own.told["own-1"] != 0 {
		t.Errorf("told: %v", own.told)
	}
	if l.longest() != wordsEvery {
		t.Errorf("asked after %s", l.longest())
	}
	if err := js.DeleteKeyValue(t.Context(), state.ConsumerBucket); err != nil {
		t.Fatal(err)
	}
	read(orchestrator.WorkerUnknown, orchestrator.WorkerUnknown, orchestrator.WorkerUnknown, orchestrator.WorkerUnknown)
	if own.running = nil; l.longest() != longestPause {
		t.Errorf("nobody runs, and is asked after %s", l.longest())
	}
}

// Of a queue whose rows others take, what is pending waits, what is in flight is held, and no standing job has a say.
func TestBacklogOfConsumers(t *testing.T) {
	t.Parallel()
	b := newBacklogs(&warehouse{standing: []orchestrator.StandingView{{Tenant: "acme", Queue: "clicks", External: true}}})
	reading := readingOf(six, 90, 11, 101)
	reading.InFlight, reading.MostWorkers = 7, 4
	b.take([]orchestrator.Backlog{reading})
	view := b.views(six)[0]
	if view.Held != 7 || view.MostWorkers != 4 || len(view.Waiting) != 1 || view.Waiting[0].Rows != 90 || view.Reading.Err != "" {
		t.Errorf("%+v", view)
	}
	reading.At, reading.InFlight = six.Add(time.Second), -1
	b.take([]orchestrator.Backlog{reading})
	if view := b.views(six)[0]; view.Reading.Err != "" || view.Held != -1 || len(view.Waiting) != 1 {
		t.Errorf("in flight is unknown: %+v", view)
	}
	reading.At, reading.HoldsInFlight = six.Add(2*time.Second), true
	b.take([]orchestrator.Backlog{reading})
	if view := b.views(six)[0]; view.Reading.Err != "" || view.Held != 0 || len(view.Waiting) != 1 {
		t.Errorf("in flight is pending: %+v", view)
	}
	reading.At, reading.Pending = six.Add(3*time.Second), -1
	b.take([]orchestrator.Backlog{reading})
	if view := b.views(six)[0]; view.Reading.Err == "" {
		t.Errorf("pending is unknown: %+v", view)
	}
}
