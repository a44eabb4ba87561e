package metrics

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serve answers at a free port until the test ends, or the returned function is called; that gives what Serve says at its end.
func serve(t *testing.T, c *Collector) (address string, stop func() error) {
	t.Helper()
	server, err := Listen(t.Context(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, c) }()
	t.Cleanup(cancel)
	return server.Address(), func() error { cancel(); return <-ended }
}

func ask(t *testing.T, method, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// Without a host only this machine is answered; /metrics has ours, Go's and the process' metrics, and nothing else is served.
func TestServerServesMetricsOnly(t *testing.T) {
	t.Parallel()
	address, stop := serve(t, collector())
	if host, _, err := net.SplitHostPort(address); err != nil || host != "127.0.0.1" {
		t.Errorf("listens at %s", address)
	}
	status, body := ask(t, http.MethodGet, "http://"+address+"/metrics")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	for _, name := range []string{"nightshift_build_info", "go_goroutines", "process_resident_memory_bytes"} {
		if !strings.Contains(body, "\n"+name) {
			t.Errorf("%s is missing", name)
		}
	}
	for _, other := range []struct {
		method, path string
		status       int
	}{{http.MethodGet, "/", http.StatusNotFound}, {http.MethodGet, "/debug/pprof/", http.StatusNotFound}, {http.MethodPost, "/metrics", http.StatusMethodNotAllowed}} {
		if status, _ := ask(t, other.method, "http://"+address+other.path); status != other.status {
			t.Errorf("%s %s: %d", other.method, other.path, status)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address); err == nil {
		conn.Close()
		t.Error("it still listens after its end")
	}
}

// Who never finishes asking does not keep the service from ending.
func TestServerEndsWhileSomebodyAsks(t *testing.T) {
	t.Parallel()
	address, stop := serve(t, collector())
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\nGET /metrics HTTP/1.1\r\nHost: a\r\n"); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(time.Minute))
	first, err := http.ReadResponse(bufio.NewReader(conn), nil) // the server has begun with this connection
	if err != nil || first.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", first, err)
	}
	first.Body.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// What is no address, or is taken, is refused with the address and what would be one.
func TestServerRefusesAddresses(t *testing.T) {
	t.Parallel()
	taken, _ := serve(t, collector())
	for address, want := range map[string]string{
		"9464": `address of metrics "9464": want HOST:PORT, or :PORT for this machine only, like :9464`,
		taken:  "address already in use", "127.0.0.1:99999": "invalid port",
	} {
		if server, err := Listen(t.Context(), address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %v", address, server, err)
		}
	}
}
