package loopback

import "testing"

func TestPortsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for range 500 {
		port := FreePort(t)
		if seen[port] || port < first || port >= behind {
			t.Fatalf("port %d, after %d others", port, len(seen))
		}
		seen[port] = true
	}
}
