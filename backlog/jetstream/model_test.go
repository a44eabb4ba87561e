package jetstream

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
)

// TestJ25AnyCourse takes a real stream through any course of publishing, taking, settling, handing back, purging and deleting: every reading is what is left, and
// the counters rise by what arrived and by what was settled or lost.
func TestJ25AnyCourse(t *testing.T) {
	conn := embeddedtest.Connect(t, embeddedtest.Start(t))
	js, err := jetstream.New(conn)
	must(t, err)
	number := 0
	rapid.Check(t, func(rt *rapid.T) {
		number++
		c := beginCourse(t.Context(), rt, js, fmt.Sprintf("S%d", number), rapid.SampledFrom(retentions).Draw(rt, "retention"), rapid.Bool().Draw(rt, "filter"))
		defer c.end()
		rt.Repeat(map[string]func(*rapid.T){
			"publish": c.publish, "take": c.take, "settle": c.settle, "hand back": c.handBack, "purge": c.purge, "delete": c.delete, "": c.read,
		})
	})
}

// course is a stream, what is known to be in it, and what was read last.
type course struct {
	ctx      context.Context
	js       jetstream.JetStream
	stream   jetstream.Stream
	consumer jetstream.Consumer
	reader   *Reader
	name     string
	filtered bool

	pending  map[uint64]bool
	inFlight map[uint64]jetstream.Msg
	arrived  int64
	deleted  int64 // from the middle
	blurred  bool  // rows were handed out again while others were deleted: a second delivery looks like the first of a deleted row
	last     *orchestrator.Backlog
	base     int64
	now      time.Time
}

func beginCourse(ctx context.Context, t *rapid.T, js jetstream.JetStream, name string, retention jetstream.RetentionPolicy, filtered bool) *course {
	c := &course{ctx: ctx, js: js, name: name, filtered: filtered, pending: map[uint64]bool{}, inFlight: map[uint64]jetstream.Msg{}, now: time.Now()}
	var err error
	c.stream, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}, Retention: retention, Storage: jetstream.MemoryStorage})
	c.check(t, err)
	config := jetstream.ConsumerConfig{Durable: "C", AckWait: time.Hour}
	if filtered {
		config.FilterSubject = name + ".a"
	}
	c.consumer, err = c.stream.CreateConsumer(ctx, config)
	c.check(t, err)
	c.reader, err = New(js, []Source{{Queue: "q", Stream: name, Consumer: "C"}}, Options{Deaf: true})
	c.check(t, err)
	return c
}

func (c *course) end() {
	c.reader.Close()
	_ = c.js.DeleteStream(context.WithoutCancel(c.ctx), c.name)
}

func (c *course) check(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

func (c *course) publish(t *rapid.T) {
	for range rapid.IntRange(1, 20).Draw(t, "rows") {
		subject := rapid.SampledFrom([]string{"a", "a", "b"}).Draw(t, "subject")
		stored, err := c.js.Publish(c.ctx, c.name+"."+subject, nil)
		c.check(t, err)
		if subject == "a" || !c.filtered {
			c.pending[stored.Sequence] = true
			c.arrived++
		}
	}
}

func (c *course) take(t *rapid.T) {
	batch, err := c.consumer.FetchNoWait(rapid.IntRange(1, 10).Draw(t, "rows"))
	c.check(t, err)
	for row := range batch.Messages() {
		data, err := row.Metadata()
		c.check(t, err)
		delete(c.pending, data.Sequence.Stream)
		c.inFlight[data.Sequence.Stream] = row
	}
}

func (c *course) settle(t *rapid.T) {
	for _, sequence := range slices.Sorted(maps.Keys(c.inFlight)) {
		if row := c.inFlight[sequence]; row != nil && rapid.Bool().Draw(t, "settle") {
			c.check(t, row.DoubleAck(c.ctx))
			delete(c.inFlight, sequence)
		}
	}
}

// handBack gives up rows, which stay in flight until somebody takes them again.
func (c *course) handBack(t *rapid.T) {
	for sequence, row := range c.inFlight {
		if row != nil {
			c.check(t, row.Nak())
			c.inFlight[sequence] = nil
			c.blurred = true
		}
	}
}

func (c *course) purge(t *rapid.T) {
	last := c.last
	if last == nil || !rapid.Bool().Draw(t, "really") {
		return
	}
	c.check(t, c.stream.Purge(c.ctx))
	c.pending, c.inFlight = map[uint64]bool{}, map[uint64]jetstream.Msg{}
}

func (c *course) delete(t *rapid.T) {
	if len(c.pending) > 0 {
		sequence := slices.Min(slices.Collect(maps.Keys(c.pending)))
		c.check(t, c.stream.DeleteMsg(c.ctx, sequence))
		delete(c.pending, sequence)
		c.deleted++
	}
}

func (c *course) read(t *rapid.T) {
	eventuallyIn(t, "the server has counted", func() bool {
		info, err := c.consumer.Info(c.ctx)
		return err == nil && info.NumPending == uint64(len(c.pending)) && info.NumAckPending == len(c.inFlight)
	})
	c.now = c.now.Add(time.Second)
	b := c.reader.Read(c.ctx, c.now)[0]
	if b.Err != "" || b.Pending != int64(len(c.pending)) || b.InFlight != int64(len(c.inFlight)) {
		t.Fatalf("%d pending, %d in flight, want %d and %d (%s, %q)", b.Pending, b.InFlight, len(c.pending), len(c.inFlight), b.Err, b.Notes)
	}
	if b.Arrived-b.Settled != b.Pending+b.InFlight {
		t.Fatalf("%d arrived, %d settled, %d pending, %d in flight: they do not add up", b.Arrived, b.Settled, b.Pending, b.InFlight)
	}
	if c.last == nil {
		c.base = b.Arrived - c.arrived
	} else if b.Arrived < c.last.Arrived || b.Settled < c.last.Settled {
		t.Fatalf("arrived and settled fell from %d and %d to %d and %d", c.last.Arrived, c.last.Settled, b.Arrived, b.Settled)
	}
	most := c.arrived
	if c.blurred {
		most += c.deleted
	}
	if arrived := b.Arrived - c.base; !c.filtered && (arrived < c.arrived || arrived > most) {
		t.Fatalf("%d arrived, want from %d to %d (%q)", arrived, c.arrived, most, b.Notes)
	}
	c.last = &b
}

func eventuallyIn(t *rapid.T, what string, holds func() bool) {
	for deadline := time.Now().Add(10 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
		<-time.After(time.Millisecond)
	}
}
