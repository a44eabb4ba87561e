package night

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"nightshift.dev/nightshift/e2e/kafkatest"
	"nightshift.dev/nightshift/e2e/loopback"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/embedded"
)

const (
	serverVariable = "NIGHTSHIFT_NIGHT_NATS"
	ackWait        = 5 * time.Second
	readyWithin    = time.Minute
	stopWithin     = 30 * time.Second
	maxStore       = 128 << 20 // bytes of each of the service's streams: a server reserves them
)

func TestMain(m *testing.M) {
	if config := os.Getenv(serverVariable); config != "" {
		serveNATS(config)
		return
	}
	os.Exit(m.Run())
}

// serveNATS is a server of its own: this program with its configuration in a variable.
func serveNATS(text string) {
	signal.Ignore(syscall.SIGINT) // who ends the night ends the server last
	var config embedded.Config
	err := json.Unmarshal([]byte(text), &config)
	if err == nil {
		_, err = embedded.Start(config)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}

// installation is the servers, the service with its workers, and who speaks to them.
type installation struct {
	t       testing.TB
	dir     string
	program string
	config  embedded.Config // of NATS
	server  *exec.Cmd
	kafka   *kafkatest.Cluster
	service *exec.Cmd
	conn    *nats.Conn
	js      jetstream.JetStream
	client  *kgo.Client
	files   []*os.File
	stopped bool // somebody has interrupted the night: nothing is wrong with it
}

// install starts the servers in a folder, and not yet the service.
func install(ctx context.Context, t testing.TB, dir string) *installation {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is missing: the scorer of the night is a Python program")
	}
	in := &installation{t: t, dir: dir, program: build(t)}
	in.kafka = kafkatest.Start(t, 1, nil)
	in.config = embedded.Config{Dir: filepath.Join(dir, "nats"), Port: loopback.FreePort(t), NoSync: true}
	t.Cleanup(in.stop)
	in.startNATS(ctx)
	var err error
	if in.js, err = jetstream.New(in.conn); err != nil {
		t.Fatal(err)
	}
	if in.client, err = kgo.NewClient(kgo.SeedBrokers(in.kafka.Addresses()...), kgo.RecordPartitioner(kgo.RoundRobinPartitioner())); err != nil {
		t.Fatal(err)
	}
	in.makeSources(ctx)
	return in
}

func build(t testing.TB) string {
	if built := os.Getenv("NIGHTSHIFT_TEST_PROGRAM"); built != "" {
		return built
	}
	program := filepath.Join(t.TempDir(), "nightshift")
	if said, err := exec.Command("go", "build", "-o", program, "nightshift.dev/nightshift/cmd/nightshift").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return program
}

// makeSources makes the stream and the topic that are drained.
func (in *installation) makeSources(ctx context.Context) {
	in.t.Helper()
	stream, err := in.js.CreateStream(ctx, jetstream.StreamConfig{Name: "PAYMENTS", Subjects: []string{"payments.>"}})
	if err == nil {
		_, err = stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "scoring", AckPolicy: jetstream.AckExplicitPolicy})
	}
	if err != nil {
		in.t.Fatal(err)
	}
	if _, err := kadm.NewClient(in.client).CreateTopic(ctx, 3, 1, nil, "clicks"); err != nil {
		in.t.Fatal(err)
	}
}

func (in *installation) startNATS(ctx context.Context) {
	in.t.Helper()
	config, err := json.Marshal(in.config)
	if err != nil {
		in.t.Fatal(err)
	}
	in.server = in.start("nats", []string{serverVariable + "=" + string(config)}, os.Args[0])
	address := fmt.Sprintf("127.0.0.1:%d", in.config.Port)
	in.eventually(ctx, "NATS answers", func() bool {
		if in.conn == nil {
			if in.conn, err = nats.Connect("nats://"+address, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond)); err != nil {
				in.conn = nil
				return false
			}
		}
		_, err := in.conn.Request("$JS.API.INFO", nil, time.Second)
		return err == nil
	})
}

// startService starts the service with the documents of a scenario, and returns when it answers.
func (in *installation) startService(ctx context.Context, s scenario, c clock) {
	in.t.Helper()
	text, err := s.documents(in.kafka.Addresses()[0], in.dir, c, c.of(time.Now())+before)
	if err != nil {
		in.t.Fatal(err)
	}
	for name, text := range map[string]string{"night.yaml": text, "slow.py": scorer, "trace.json": s.trace()} {
		if err := os.WriteFile(filepath.Join(in.dir, name), []byte(text), 0o600); err != nil {
			in.t.Fatal(err)
		}
	}
	in.service = in.start("service", nil, in.program, "run", "--nats", in.url(), "-f", filepath.Join(in.dir, "night.yaml"), "--dir", filepath.Join(in.dir, "state"),
		"--ack-wait", ackWait.String(), "--grace", "5s", "--max-store", fmt.Sprint(maxStore))
	in.eventually(ctx, "the service answers", func() bool {
		_, err := request[api.ListResponse](in, "jobs.list", api.ListRequest{})
		return err == nil
	})
}

func (in *installation) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", in.config.Port) }

// start starts a process that no interrupt of the terminal reaches, with a log.
func (in *installation) start(name string, environment []string, program string, arguments ...string) *exec.Cmd {
	in.t.Helper()
	log, err := os.OpenFile(filepath.Join(in.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		in.t.Fatal(err)
	}
	in.files = append(in.files, log)
	command := exec.Command(program, arguments...)
	command.Env, command.Stderr, command.SysProcAttr = append(os.Environ(), environment...), log, &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		in.t.Fatal(err)
	}
	return command
}

// nightshift runs a command as a user does.
func (in *installation) nightshift(ctx context.Context, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, in.program, arguments...)
	command.Env = append(os.Environ(), "NIGHTSHIFT_NATS="+in.url())
	var said strings.Builder
	command.Stderr = &said
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("nightshift %s: %w: %s", strings.Join(arguments, " "), err, said.String())
	}
	return string(out), nil
}

// request asks the service once.
func request[T any](in *installation, operation string, body any) (answer T, err error) {
	data, err := json.Marshal(body)
	if err != nil {
		return answer, err
	}
	message, err := in.conn.Request("nightshift.v1.default."+operation, data, 2*time.Second)
	if err != nil {
		return answer, err
	}
	return api.DecodeResponse[T](message.Data)
}

func (in *installation) eventually(ctx context.Context, what string, holds func() bool) {
	in.t.Helper()
	late := time.Now().Add(readyWithin)
	for !holds() {
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			in.t.Fatalf("%v before %s", err, what)
		}
		if time.Now().After(late) {
			in.t.Fatalf("not within %s: %s", readyWithin, what)
		}
	}
}

func pause(ctx context.Context, length time.Duration) error {
	select {
	case <-time.After(length):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// local is a worker that runs, as the engine has written it down.
type local struct {
	ID    string    `json:"id"`
	Pool  string    `json:"pool"`
	PID   int       `json:"pid"`
	Taken time.Time `json:"taken"`
}

// workers are those whose process runs.
func (in *installation) workers() (all []local) {
	names, _ := filepath.Glob(filepath.Join(in.dir, "state", "local", "workers", "*.json"))
	slices.Sort(names)
	for _, name := range names {
		var one local
		data, err := os.ReadFile(name)
		if err == nil && json.Unmarshal(data, &one) == nil && in.runs(one.PID) {
			all = append(all, one)
		}
	}
	return all
}

// runs says whether a process is a worker of the program.
func (in *installation) runs(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.HasPrefix(string(line), in.program+"\x00worker")
}

// restart kills both brokers and lets them come back after a while.
func (in *installation) restart(ctx context.Context, away time.Duration) {
	in.t.Helper()
	kill(in.server)
	in.kafka.Brokers[0].Kill()
	if err := pause(ctx, away); err != nil {
		in.t.Fatal(err)
	}
	in.startNATS(ctx)
	in.kafka.Brokers[0].Restart(in.t)
}

func kill(process *exec.Cmd) {
	_ = process.Process.Kill() // it may have ended
	_ = process.Wait()
}

// stop ends what was started: the service and its workers in order, the server last.
func (in *installation) stop() {
	if in.service != nil {
		in.end(in.service)
	}
	for _, worker := range in.workers() {
		_ = syscall.Kill(worker.PID, syscall.SIGKILL)
	}
	if in.client != nil {
		in.client.Close()
	}
	if in.conn != nil {
		in.conn.Close()
	}
	if in.server != nil {
		kill(in.server)
	}
	for _, file := range in.files {
		_ = file.Close() // a log
	}
	if in.t.Failed() && !in.stopped {
		in.showLogs()
	}
}

// end lets a process end in order, and kills it when that takes too long.
func (in *installation) end(process *exec.Cmd) {
	_ = process.Process.Signal(syscall.SIGTERM) // it may have ended
	late := time.AfterFunc(stopWithin, func() { _ = process.Process.Kill() })
	defer late.Stop()
	_ = process.Wait() // it was told to end
}

func (in *installation) showLogs() {
	names, _ := filepath.Glob(filepath.Join(in.dir, "*.log"))
	more, _ := filepath.Glob(filepath.Join(in.dir, "state", "local", "logs", "*.log"))
	for _, name := range append(names, more...) {
		data, err := os.ReadFile(name)
		if err == nil || !errors.Is(err, os.ErrNotExist) {
			in.t.Logf("--- end of %s\n%s", filepath.Base(name), data[max(0, len(data)-3000):])
		}
	}
}
