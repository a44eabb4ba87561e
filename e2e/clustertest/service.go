package clustertest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"nightshift.dev/nightshift/orchestrator/embedded"
	"nightshift.dev/nightshift/orchestrator/state"
)

// Those of the service, which shall be those of workers, too.
const (
	AckWait = "5s"
	Grace   = "5s"
)

// Service is the program under test with a NATS server of its own.
type Service struct {
	*Kube
	Dir    string // of the test: documents are docs.yaml there
	Reach  string // the kubeconfig of the service
	Server *embedded.Server

	process *exec.Cmd
	starts  int
}

// NewService prepares it for a cluster, with the kubeconfig of its administrator.
func NewService(k *Kube) *Service {
	return &Service{Kube: k, Dir: k.TempDir(), Reach: k.Kubeconfig}
}

// Write writes a file of the test's folder.
func (s *Service) Write(name, content string) {
	s.Helper()
	file := filepath.Join(s.Dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		s.Fatal(err)
	}
}

// ServeNATS starts the NATS server.
func (s *Service) ServeNATS() { s.ServeNATSAt("127.0.0.1") }

// ServeNATSAt starts it at an address of the machine.
func (s *Service) ServeNATSAt(host string) {
	s.Helper()
	var err error
	if s.Server, err = embedded.Start(embedded.Config{Host: host, Dir: filepath.Join(s.Dir, "nats"), Port: -1, NoSync: true}); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(s.Server.Stop)
}

// Start starts the service.
func (s *Service) Start() {
	s.Helper()
	s.starts++
	log, err := os.Create(s.log(s.starts))
	if err != nil {
		s.Fatal(err)
	}
	s.process = exec.Command(Program, "run", "--nats", s.Server.URL(), "-f", filepath.Join(s.Dir, "docs.yaml"), "--dir", filepath.Join(s.Dir, "state"), "--ack-wait", AckWait, "--grace", Grace)
	s.process.Stderr, s.process.Env = log, append(os.Environ(), "KUBECONFIG="+s.Reach)
	if err := s.process.Start(); err != nil {
		s.Fatal(err)
	}
	_ = log.Close() // the service has it
	if s.starts == 1 {
		s.Cleanup(s.end)
	}
}

func (s *Service) log(start int) string {
	return filepath.Join(s.Dir, fmt.Sprintf("service-%d.log", start))
}

// Said is everything that it has said, in all its lives.
func (s *Service) Said() string {
	var all strings.Builder
	for i := range s.starts {
		if text, err := os.ReadFile(s.log(i + 1)); err == nil {
			fmt.Fprintf(&all, "service %d:\n%s", i+1, text)
		}
	}
	return all.String()
}

// PID is its process.
func (s *Service) PID() int { return s.process.Process.Pid }

// Kill kills it.
func (s *Service) Kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

// end kills it, and shows what it said where the test has failed.
func (s *Service) end() {
	if s.Failed() { // it shows where it stands
		_ = s.process.Process.Signal(syscall.SIGQUIT)
		_ = s.process.Wait()
	}
	s.Kill()
	if s.Failed() {
		s.Log(s.Said())
	}
}

// Store opens what the service keeps, once it has made it.
func (s *Service) Store() (store *state.Store) {
	s.Helper()
	conn, err := s.Server.Connect()
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(conn.Close)
	s.Until("the service has made its streams", "pods", func() bool {
		store, err = state.Open(s.Context(), conn, state.Config{AckWait: 5 * time.Second})
		return err == nil
	})
	return store
}

// Submit submits so many rows to a queue, and gives the job.
func (s *Service) Submit(queue string, rows int, within string) string {
	s.Helper()
	var text bytes.Buffer
	for i := range rows {
		fmt.Fprintf(&text, "{\"n\":%d}\n", i)
	}
	s.Write("in/rows.jsonl", text.String())
	var said string
	s.Until("the service takes a job", "pods", func() bool {
		var err error
		said, err = s.Nightshift("submit", "-q", queue, filepath.Join(s.Dir, "in", "rows.jsonl"), "--within", within, "--yes", "-o", "name")
		return err == nil
	})
	return strings.TrimPrefix(strings.TrimSpace(said), "job/")
}

// Nightshift runs a command of the program.
func (s *Service) Nightshift(arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, Program, append(arguments, "--nats", s.Server.URL())...)
	command.Dir = s.Dir
	said, err := command.Output()
	return string(said), err
}
