package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
)

// pseudoTerminal is a terminal whose screen the test reads.
type pseudoTerminal struct {
	inside *os.File // what a program has as its input and output
	typed  *os.File // what a person types, and sees

	mu   sync.Mutex
	seen bytes.Buffer
	done chan struct{}
}

func openTerminal(t *testing.T) *pseudoTerminal {
	t.Helper()
	outside, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this machine has no pseudo terminals: %v", err)
	}
	fd := int(outside.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Skipf("this machine has no pseudo terminals like Linux has: %v", err)
	}
	inside, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 120}); err != nil {
		t.Fatal(err)
	}
	terminal := &pseudoTerminal{inside: inside, typed: outside, done: make(chan struct{})}
	go terminal.watch()
	t.Cleanup(func() { _ = outside.Close() })
	return terminal
}

func (p *pseudoTerminal) watch() {
	defer close(p.done)
	piece := make([]byte, 4096)
	for {
		n, err := p.typed.Read(piece)
		p.mu.Lock()
		p.seen.Write(piece[:n])
		p.mu.Unlock()
		if err != nil { // the last program inside has gone
			return
		}
	}
}

// screen is everything that was shown so far.
func (p *pseudoTerminal) screen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.ReplaceAll(p.seen.String(), "\r\n", "\n")
}

// await waits until a text is shown.
func (p *pseudoTerminal) await(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(p.screen(), text); {
		if time.Now().After(deadline) {
			t.Fatalf("%q was not shown:\n%s", text, p.screen())
		}
		time.Sleep(5 * time.Millisecond) // polling, with a deadline
	}
}

// end closes the inside and gives everything that was shown.
func (p *pseudoTerminal) end() string {
	_ = p.inside.Close()
	<-p.done
	return p.screen()
}

// onTerminal runs one command line with a terminal as its input and outputs.
func onTerminal(ctx context.Context, terminal *pseudoTerminal, url string, args ...string) (code int) {
	p := &program{now: func() time.Time { return nowhere }, lookup: func(name string) (string, bool) {
		value, set := map[string]string{"NIGHTSHIFT_NATS": url, "NO_COLOR": "", "TERM": "xterm"}[name]
		return value, set
	}}
	return p.execute(ctx, args, terminal.inside, terminal.inside, terminal.inside)
}

// TestProgressOnTerminal: bars, then how the job ended, in colour.
func TestProgressOnTerminal(t *testing.T) {
	t.Parallel()
	terminal := openTerminal(t)
	server := embeddedtest.Start(t)
	(&answers{jobs: someJobs(), next: laterJobs()}).serve(t, embeddedtest.Connect(t, server))
	code := onTerminal(t.Context(), terminal, server.URL(), "watch", "fraud-run")
	shown := terminal.end()
	for _, want := range []string{"rows   ", "shards ", "=>", "100 %  999,999/999,999", "12 of 12  succeeded", "job fraud-run \x1b[32msucceeded\x1b[0m after 5m10s"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not shown", want)
		}
	}
	if code != exitDone || t.Failed() {
		t.Errorf("exit %d, shown:\n%s", code, shown)
	}
}

// TestAskOnTerminal: a person is asked where the queue wants that, and the answer counts.
func TestAskOnTerminal(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]struct {
		code int
		text string
	}{"y": {exitDone, "job costly-new submitted"}, "n": {exitFailed, "error: nothing was submitted"}, "": {exitFailed, "error: nothing was submitted"}} {
		t.Run("answer "+answer, func(t *testing.T) {
			t.Parallel()
			terminal := openTerminal(t)
			server := embeddedtest.Start(t)
			(&answers{jobs: someJobs()}).serve(t, embeddedtest.Connect(t, server))
			ended := make(chan int, 1)
			go func() {
				ended <- onTerminal(context.WithoutCancel(t.Context()), terminal, server.URL(), "submit", "-q", "costly", "s3://lake/x.csv")
			}()
			terminal.await(t, "Submit for about 0.32 EUR, at most 0.352 EUR? [y/N]")
			if _, err := io.WriteString(terminal.typed, answer+"\n"); err != nil {
				t.Fatal(err)
			}
			terminal.await(t, want.text)
			if code := <-ended; code != want.code {
				t.Errorf("exit %d, want %d; shown:\n%s", code, want.code, terminal.end())
			}
		})
	}
}

// TestInterruptedOnTerminal: Ctrl-C ends the bars and gives 130; so it does while nobody answers.
func TestInterruptedOnTerminal(t *testing.T) {
	t.Parallel()
	terminal := openTerminal(t)
	server := embeddedtest.Start(t)
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	running := someJobs()[0]
	(&answers{jobs: []api.Job{running}}).serve(t, conn)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	ended := make(chan int, 1)
	go func() { ended <- onTerminal(ctx, terminal, server.URL(), "watch", running.ID) }()
	terminal.await(t, "running")
	conn.Close() // the service is gone
	terminal.await(t, "no answer; the job goes on without us")
	interrupt()
	if code := <-ended; code != exitInterrupted {
		t.Errorf("exit %d, want %d; shown:\n%s", code, exitInterrupted, terminal.end())
	}
}

// TestAbsentService: a watch outlives a restart of the service.
func TestAbsentService(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t)
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	running := someJobs()[0]
	(&answers{jobs: []api.Job{running}}).serve(t, conn)
	got := make(chan outcome, 1)
	asked, err := embeddedtest.Connect(t, server).SubscribeSync("nightshift.v1.default.jobs.get")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		got <- run(t.Context(), server.URL(), map[string]string{"NIGHTSHIFT_REQUEST_TIMEOUT": "200ms"}, "watch", running.ID)
	}()
	awaitMessages(t, asked, 2)
	conn.Close()
	awaitMessages(t, asked, 3) // nobody answers these
	done := running
	enter(&done, orchestrator.JobSucceeded, nowhere)
	done.Counts.RowsExact = true
	(&answers{jobs: []api.Job{done}}).serve(t, embeddedtest.Connect(t, server))
	result := <-got
	if result.code != exitDone || strings.Count(result.out, "the job goes on without us") != 1 || !strings.Contains(result.out, "job fraud-run succeeded") {
		t.Errorf("got %+v", result)
	}
}

func awaitMessages(t *testing.T, subscription *nats.Subscription, count int) {
	t.Helper()
	for range count {
		if _, err := subscription.NextMsg(20 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
}
