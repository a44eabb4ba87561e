package node

import (
	"net/netip"
	"strings"
	"testing"
)

func TestRangesAreThoseThatNobodyHas(t *testing.T) {
	taken := []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("10.0.0.0/9"),
		netip.MustParsePrefix("10.128.7.1/32"), netip.MustParsePrefix("10.130.0.0/15"), netip.MustParsePrefix("fd00::/8"),
	}
	got, err := freeRanges(taken)
	want := ranges{netip.MustParsePrefix("10.129.0.0/16"), netip.MustParsePrefix("10.132.0.0/16"), netip.MustParsePrefix("10.133.0.0/16")}
	if err != nil || got != want {
		t.Fatalf("%v %v, want %v", got, err, want)
	}
}

func TestNoFreeRanges(t *testing.T) {
	_, err := freeRanges([]netip.Prefix{netip.MustParsePrefix("10.128.0.0/10"), netip.MustParsePrefix("10.192.0.0/11"), netip.MustParsePrefix("10.224.0.0/12"), netip.MustParsePrefix("10.240.0.0/13"), netip.MustParsePrefix("10.248.0.0/14"), netip.MustParsePrefix("10.252.0.0/15")})
	if err == nil || !strings.Contains(err.Error(), "only 2 ranges") {
		t.Fatal(err)
	}
}
