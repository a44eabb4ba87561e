package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	// requestWithin bounds what a client takes to ask, answerWithin what the answer takes, and idleWithin how long a connection waits for the next request.
	requestWithin, answerWithin, idleWithin = 5 * time.Second, 10 * time.Second, 2 * time.Minute
	// endWithin bounds how long answers under way may take when the service ends.
	endWithin = 2 * time.Second
	// mostAtOnce is how many may scrape at a time; others are told to come again.
	mostAtOnce = 4
)

// Server serves /metrics.
type Server struct{ listener net.Listener }

// Listen opens an address: HOST:PORT, or :PORT on the loopback. Serve answers.
func Listen(ctx context.Context, address string) (*Server, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address of metrics %q: want HOST:PORT, or :PORT for this machine only, like :9464: %w", address, err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("serve metrics: %w", err)
	}
	return &Server{listener: listener}, nil
}

// Address is where it listens: HOST:PORT.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Close gives the address back, of a server that does not serve.
func (s *Server) Close() error { return s.listener.Close() }

// Serve answers with what a collector gives, and what Go and the operating system say of this process, until ctx ends.
func (s *Server) Serve(ctx context.Context, collector *Collector) error {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collector, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: mostAtOnce, Timeout: answerWithin}))
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: requestWithin, ReadTimeout: requestWithin, WriteTimeout: answerWithin + time.Second, IdleTimeout: idleWithin,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(s.listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	if err := server.Shutdown(bounded); err != nil {
		_ = server.Close() // who still asks is cut off
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
