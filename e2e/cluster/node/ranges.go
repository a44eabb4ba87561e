package node

import (
	"fmt"
	"net/netip"
)

// ranges of one cluster: each is a /16 of 10.0.0.0/8, and node number N has the Nth /24 of nodes and of pods.
type ranges struct{ nodes, pods, services netip.Prefix }

// freeRanges are the first three that none of the machine's routes and addresses overlaps. taken has those of other clusters, too: their
// routes are the host's. The default route (0.0.0.0/0) overlaps everything and is left out.
func freeRanges(taken []netip.Prefix) (ranges, error) {
	var free []netip.Prefix
	for second := 128; second < 256 && len(free) < 3; second++ {
		candidate := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(second)}), 16)
		if !overlapsAny(candidate, taken) {
			free = append(free, candidate)
		}
	}
	if len(free) < 3 {
		return ranges{}, fmt.Errorf("of 10.128.0.0/9 only %d ranges of /16 have no route on this machine, 3 are needed: nodes, pods, services", len(free))
	}
	return ranges{nodes: free[0], pods: free[1], services: free[2]}, nil
}

func overlapsAny(candidate netip.Prefix, taken []netip.Prefix) bool {
	for _, prefix := range taken {
		if prefix.Bits() > 0 && candidate.Overlaps(prefix) {
			return true
		}
	}
	return false
}
