package night

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// night is one that is played.
type night struct {
	testing.TB
	scenario
	clock
	in      *installation
	say     func(text string)
	samples []sample
	ended   chan struct{} // closed at its end

	mu   sync.Mutex
	lost error // the first click that was not taken
}

// play plays a scenario in a folder, from the start of the servers until the end of its time.
func play(ctx context.Context, t testing.TB, s scenario, dir string, say func(string)) *night {
	t.Helper()
	n := &night{TB: t, scenario: s, say: say, ended: make(chan struct{})}
	n.in = install(ctx, t, dir)
	n.writeFile()
	n.clock = s.begin(time.Now())
	n.in.startService(ctx, s, n.clock)
	n.introduce()
	ctxNight, cancel := context.WithCancel(ctx)
	playing, ctxPlaying := errgroup.WithContext(ctxNight)
	t.Cleanup(func() { // before the servers end, also where the test ends on the way
		cancel()
		_ = playing.Wait() // what it says was said, or does not count any more
	})
	playing.Go(func() error { return n.feed(ctxPlaying, n.arrivals(n.payments, 1), n.pay) })
	playing.Go(func() error {
		if err := n.feed(ctxPlaying, n.arrivals(n.clicks, 2), n.click); err != nil {
			return err
		}
		return n.in.client.Flush(ctxPlaying)
	})
	playing.Go(func() error { return n.watch(ctxPlaying) })
	went := n.happen(ctxPlaying) // what may end the test is for its own goroutine
	if err := errors.Join(went, playing.Wait(), n.failure()); err != nil {
		n.in.stopped = ctx.Err() != nil
		t.Fatalf("the night ended early: %v", err)
	}
	return n
}

func (n *night) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lost == nil {
		n.lost = err
	}
}

func (n *night) failure() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lost
}

// begin is a night that begins soon, once the service has started, and whose file comes at a full minute, as schedules do.
func (s scenario) begin(now time.Time) clock {
	const lead = 5 * time.Second
	c := clock{faster: s.speed}
	file := now.Add(lead + c.real(s.file-s.from))
	if whole := file.Truncate(time.Minute); whole.Before(file) {
		file = whole.Add(time.Minute)
	}
	c.evening = file.Add(-c.real(s.file))
	return c
}

// writeFile writes the file that comes in the night.
func (n *night) writeFile() {
	n.Helper()
	var text strings.Builder
	for number := range n.ordinary * n.times {
		text.WriteString(row("f", number) + "\n")
	}
	folder := filepath.Join(n.in.dir, "in")
	err := os.MkdirAll(folder, 0o750)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "night.jsonl"), []byte(text.String()), 0o600)
	}
	if err != nil {
		n.Fatal(err)
	}
}

// introduce says what will be seen, and which times are not those of the night.
func (n *night) introduce() {
	n.say(fmt.Sprintf("The night from %s to %s, %g times as fast: an hour lasts %s. Everything is to be done by %s. It begins in %s.",
		shown(n.from), shown(n.to), n.speed, n.real(time.Hour), shown(n.morning), time.Until(n.at(n.from)).Round(time.Second)))
	n.say(fmt.Sprintf("In real seconds stay: silence until a shard is given to another worker %s, a worker's presence 10s, looks of the planner 5s at most and its averages of 10m, "+
		"notice of spot capacity 2s, delay before a pool shrinks 2s, start of a worker 2s.", ackWait))
	n.say(fmt.Sprintf("A worker scores %g rows in a real second. Two pools of %d workers: spot at %g %s an hour, on demand at %g.", n.pace, n.width, spotPrice, currency, onDemandPrice))
}

// happen does what happens in the night, in order, and returns at its end.
func (n *night) happen(ctx context.Context) error {
	n.Helper()
	type deed struct {
		at time.Duration
		do func(context.Context) string
	}
	random := rand.New(rand.NewPCG(n.seed, 3))
	deeds := []deed{
		{n.file, said(fmt.Sprintf("a schedule submits the nightly file: %d rows where it expects %d", n.ordinary*n.times, n.ordinary))},
		{n.restart, n.restartBrokers}, {n.drought.from, said("the provider has no spot capacity")}, {n.drought.to, said("spot capacity is back")},
		{n.closing, said("the last rows of the streams came")}, {n.morning, said("everything is to be done")},
	}
	for _, at := range n.kills {
		deeds = append(deeds, deed{at, func(context.Context) string { return n.killOne(random) }})
	}
	slices.SortStableFunc(deeds, func(a, b deed) int { return int(a.at - b.at) })
	for _, one := range deeds {
		select {
		case <-time.After(time.Until(n.at(one.at))):
		case <-n.ended:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		text := one.do(ctx)
		n.say(fmt.Sprintf("%s  > %s", shown(one.at), text))
	}
	return nil
}

func said(text string) func(context.Context) string {
	return func(context.Context) string { return text }
}

func (n *night) restartBrokers(ctx context.Context) string {
	n.in.restart(ctx, 2*time.Second)
	return fmt.Sprintf("NATS and Kafka were killed, and were back %s later", time.Since(n.at(n.restart)).Round(100*time.Millisecond))
}

// killOne kills a worker without a word.
func (n *night) killOne(random *rand.Rand) string {
	workers := n.in.workers()
	if len(workers) == 0 {
		return "no worker was there to be killed"
	}
	victim := workers[random.IntN(len(workers))]
	if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
		return fmt.Sprintf("worker %s had ended by itself", victim.ID)
	}
	return fmt.Sprintf("worker %s of pool %s was killed", victim.ID, victim.Pool)
}
