package embedded

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Config says where the server keeps its data and where it listens.
type Config struct {
	Dir  string // file store
	Host string // default 127.0.0.1
	Port int    // -1: any free port
	// NoSync leaves syncing to the server's interval of two minutes: for tests that kill processes but not the machine.
	NoSync bool
	// MaxStore bounds the bytes of the file store; 0: what the server finds free.
	MaxStore int64
}

// Server is a running server.
type Server struct{ server *server.Server }

const readyWithin = 30 * time.Second

// Start returns when the server answers.
func Start(config Config) (*Server, error) {
	if config.Host == "" {
		config.Host = "127.0.0.1"
	}
	options := &server.Options{
		ServerName: "nightshift", Host: config.Host, Port: config.Port, JetStream: true, StoreDir: config.Dir, NoSigs: true, NoLog: true,
		SyncAlways: !config.NoSync, JetStreamMaxStore: config.MaxStore, MaxPayload: 1 << 20, DontListen: false,
	}
	started, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("configure the embedded NATS server: %w", err)
	}
	started.Start()
	if !started.ReadyForConnections(readyWithin) {
		started.Shutdown()
		return nil, fmt.Errorf("start the embedded NATS server on %s:%d: not ready within %s (is the port taken, or another service using %s?)",
			config.Host, config.Port, readyWithin, config.Dir)
	}
	if !started.JetStreamEnabled() {
		started.Shutdown()
		return nil, errors.New("start the embedded NATS server: JetStream did not start")
	}
	return &Server{server: started}, nil
}

// URL is where clients connect.
func (s *Server) URL() string { return s.server.ClientURL() }

// Connect gives a connection that does not go over the network.
func (s *Server) Connect(options ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("", append(options, nats.InProcessServer(s.server))...)
}

// Stop ends the server and waits until its files are closed.
func (s *Server) Stop() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}
