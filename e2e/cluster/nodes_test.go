package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"nightshift.dev/nightshift/e2e/cluster/node"
)

// What a command of nodes says of a folder that has none, of nodes that are pretended, and of a name that nobody has.
func TestWhichNode(t *testing.T) {
	dir := folder(t)
	expect := func(says string, arguments ...string) {
		t.Helper()
		var out, complaints bytes.Buffer
		if code := run(t.Context(), append(arguments, "--dir", dir), &out, &complaints); code != 1 || !strings.Contains(complaints.String(), says) {
			t.Errorf("%v: %d %s, want %q", arguments, code, complaints.String(), says)
		}
	}
	expect("no cluster here", "node", "kill", "spot-1")
	startShell(t, dir, "etcd", "exec sleep 600")
	expect("are pretended", "node", "kill", "spot-1")
	if _, err := newPKI(filepath.Join(dir, "pki")); err != nil {
		t.Fatal(err)
	}
	r := &real{Nodes: []node.Node{{Name: "on-demand-1"}, {Name: "spot-1"}}}
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	expect(`"spot-2" is no node of this cluster: on-demand-1, spot-1 are`, "node", "kill", "spot-2")
	expect("spot-1 does not run in "+dir, "node", "kill", "spot-1")
}

func TestWhatDoesNotFitTheMachine(t *testing.T) {
	if lacks := node.Lacks(); len(lacks) > 0 {
		if err := fits(options{spotNodes: 1}); err == nil || !strings.Contains(err.Error(), lacks[0]) {
			t.Fatal(err)
		}
		t.Skipf("the rest is asked of machines that lack nothing: %q", lacks)
	}
	for says, chosen := range map[string]options{
		"0 nodes: --size full has 1 to 254":           {},
		"255 nodes":                                   {spotNodes: 255},
		"--dir /var/lib/a: nodes have a /var/lib of ": {spotNodes: 1, dir: "/var/lib/a"},
	} {
		if err := fits(chosen); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	if err := fits(options{spotNodes: 254, dir: "/root/a"}); err != nil {
		t.Error(err)
	}
}

func TestNodesOfEachSize(t *testing.T) {
	for _, c := range []struct {
		arguments      string
		spot, onDemand int
	}{{"", 2, 2}, {"--size full", 1, 1}, {"--size full --spot-nodes 3", 3, 1}, {"--spot-nodes 0 --size full", 0, 1}, {"--on-demand-nodes 4", 2, 4}} {
		var complaints bytes.Buffer
		if chosen, err := parse("up", strings.Fields(c.arguments), &complaints); err != nil || chosen.spotNodes != c.spot || chosen.onDemandNodes != c.onDemand {
			t.Errorf("%q: %+v %v", c.arguments, chosen, err)
		}
	}
}
