// Package loopback gives tests ports of this machine for the servers that they start. Only tests import it; it imports the standard library.
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

// FreePort gives a port on which nobody listens, another one with every call of the process.
func FreePort(t testing.TB) int {
	t.Helper()
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
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		given[port] = true
		return port
	}
	t.Fatalf("no free port from %d to %d after %d tries", first, behind-1, tries)
	return 0
}
