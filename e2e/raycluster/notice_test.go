package raycluster

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
)

// RC22: a node says that it will be taken away, and the workers on it hand over before it goes; others take their place on nodes that stay, with the rights of the manifests.
func TestNodeGivesNotice(t *testing.T) {
	in := prepareInstallation(t)
	for _, file := range []string{"sizing/role.yaml", "base/nodes.yaml"} {
		in.Must("apply", "-f", filepath.Join("..", "..", "manifests", file))
	}
	in.Reach = in.Become("nightshift", in.Dir)
	in.run()
	job := in.submit(9_000, "10s")
	in.until("four workers work", func() bool { return in.working() == 4 })
	node := strings.TrimSpace(in.Must("get", "pods", "-l", "ray.io/group=spot", "-o", "jsonpath={.items[0].spec.nodeName}"))
	on := func() int {
		return strings.Count(in.Must("get", "pods", "-l", "ray.io/group=spot", "--field-selector", "spec.nodeName="+node, "-o", "name"), "pod/")
	}
	if on() == 0 {
		t.Fatalf("no pods on %s", node)
	}
	t.Cleanup(func() {
		_, _ = in.Try(context.WithoutCancel(t.Context()), "taint", "node", node, "cloud.google.com/impending-node-termination-")
	})
	in.Must("taint", "node", node, "cloud.google.com/impending-node-termination=:NoSchedule")
	in.until("nobody is left on the node, and four work elsewhere", func() bool { return on() == 0 && in.working() == 4 })
	if events := in.events("Noticed"); !strings.Contains(events, "Google Cloud takes the node back ("+node) {
		t.Errorf("the events are\n%s", events)
	}
	in.ends(job, 9_000)
}
