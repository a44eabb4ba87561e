package faults

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"nightshift.dev/nightshift/e2e/loopback"
	"nightshift.dev/nightshift/orchestrator/embedded"
)

// natsServer is one NATS server: this test binary with its configuration in a variable.
type natsServer struct {
	config  natsConfig
	process *exec.Cmd // nil: it does not run
}

const serverVariable = "NIGHTSHIFT_FAULTS_NATS"

type natsConfig struct {
	Name   string
	Dir    string
	Port   int
	Route  int   // where the other servers of the cluster connect; 0: it is alone
	Routes []int // where they listen
}

func serveNATS(text string) {
	var config natsConfig
	err := json.Unmarshal([]byte(text), &config)
	if err == nil && config.Route == 0 {
		_, err = embedded.Start(embedded.Config{Dir: config.Dir, Port: config.Port})
	} else if err == nil {
		err = serveMember(config)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}

// serveMember is a member of a cluster. It heeds signals as nats-server does: SIGUSR2 is the lame duck mode.
func serveMember(config natsConfig) error {
	options := &server.Options{
		ServerName: config.Name, Host: "127.0.0.1", Port: config.Port, JetStream: true, StoreDir: config.Dir, SyncAlways: true, MaxPayload: 1 << 20,
		Cluster:          server.ClusterOpts{Name: "faults", Host: "127.0.0.1", Port: config.Route},
		LameDuckDuration: time.Second, LameDuckGracePeriod: 100 * time.Millisecond,
	}
	for _, port := range config.Routes {
		options.Routes = append(options.Routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port)})
	}
	started, err := server.NewServer(options)
	if err != nil {
		return err
	}
	started.Start()
	go func() {
		started.WaitForShutdown()
		os.Exit(0)
	}()
	return nil
}

// servers is how many servers of NATS the installations of this run have. The whole job flow is tried with one and with three.
func servers(t *testing.T) int {
	text := cmp.Or(os.Getenv("NIGHTSHIFT_FAULT_SERVERS"), "1")
	count, err := strconv.Atoi(text)
	if err != nil || count != 1 && count != 3 {
		t.Fatalf("NIGHTSHIFT_FAULT_SERVERS is %q; allowed: 1, 3", text)
	}
	return count
}

// planServers gives each server its ports.
func (in *installation) planServers(count int) {
	in.t.Helper()
	var routes []int
	for i := range count {
		one := natsConfig{Name: fmt.Sprintf("s%d", i+1), Dir: filepath.Join(in.dir, fmt.Sprintf("nats-%d", i+1)), Port: loopback.FreePort(in.t)}
		if count > 1 {
			one.Route = loopback.FreePort(in.t)
			routes = append(routes, one.Route)
		}
		in.servers = append(in.servers, &natsServer{config: one})
	}
	for _, one := range in.servers {
		one.config.Routes = routes
	}
}

func (in *installation) url() string {
	var urls []string
	for _, one := range in.servers {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", one.config.Port))
	}
	return strings.Join(urls, ",")
}

// startNATS starts the servers that do not run, and waits until JetStream answers.
func (in *installation) startNATS() {
	in.t.Helper()
	for _, one := range in.servers {
		if one.process == nil {
			in.startServer(one)
		}
	}
	in.eventually("NATS answers", 30*time.Second, func() bool {
		if in.conn == nil {
			conn, err := nats.Connect(in.url(), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
			if err != nil {
				return false
			}
			in.conn = conn
		}
		_, err := in.conn.Request("$JS.API.INFO", nil, time.Second)
		return in.conn.IsConnected() && err == nil
	})
}

func (in *installation) startServer(one *natsServer) {
	in.t.Helper()
	config, err := json.Marshal(one.config)
	if err != nil {
		in.t.Fatal(err)
	}
	one.process = exec.Command(os.Args[0])
	one.process.Env = append(os.Environ(), serverVariable+"="+string(config))
	one.process.Stderr = in.log(one.config.Name)
	if err := one.process.Start(); err != nil {
		in.t.Fatal(err)
	}
}

// killNATS kills all servers.
func (in *installation) killNATS() {
	for _, one := range in.servers {
		one.kill()
	}
}

func (s *natsServer) kill() {
	if s.process != nil {
		_ = s.process.Process.Signal(syscall.SIGCONT)
		kill(s.process)
		s.process = nil
	}
}
