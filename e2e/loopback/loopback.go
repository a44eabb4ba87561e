// Package loopback gives ports of this machine to tests, and to the cluster that they may use, for the servers that they start. Nothing else imports it; it imports the
// standard library.
package loopback

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Ports that no system gives to connections by itself: what listens is not disturbed by somebody who only connects.
const (
	first, behind = 20_000, 32_000
	tries         = 1000
)

var (
	mu    sync.Mutex
	given = map[int]bool{}
)

// FreePort is FindPort for a test.
func FreePort(t testing.TB) int {
	t.Helper()
	port, err := FindPort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// FindPort gives a port on which nobody listens, another one with every call of the process.
func FindPort() (int, error) {
	mu.Lock()
	defer mu.Unlock()
	for range tries {
		port := first + rand.IntN(behind-first)
		if given[port] {
			continue
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		given[port] = true
		return port, listener.Close()
	}
	return 0, fmt.Errorf("no free port from %d to %d on 127.0.0.1 after %d tries", first, behind-1, tries)
}
