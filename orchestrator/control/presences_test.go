package control

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

// Workers are found by name and by pool, and are forgotten in both.
func TestPresencesByPool(t *testing.T) {
	t.Parallel()
	p := newPresences()
	for _, one := range []orchestrator.Presence{{Worker: "b", Pool: "x"}, {Worker: "a", Pool: "x", Slot: 1}, {Worker: "c", Pool: "y"}, {Worker: "b", Pool: "y", Slot: 2}} {
		p.put(one)
	}
	want := []orchestrator.Presence{{Worker: "a", Pool: "x", Slot: 1}, {Worker: "b", Pool: "y", Slot: 2}, {Worker: "c", Pool: "y"}}
	if diff := cmp.Diff(want, p.sorted()); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[:1], p.in("x")); diff != "" {
		t.Errorf("of x (-want +got):\n%s", diff)
	}
	p.remove("a")
	p.remove("nobody")
	if len(p.in("x")) != 0 || len(p.in("y")) != 2 || len(p.pools) != 1 {
		t.Errorf("after one has gone: %+v", p)
	}
}
