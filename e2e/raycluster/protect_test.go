package raycluster

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// RC24: pods in which somebody works are annotated for Karpenter with the rights of the manifests, and doctor says when those are missing; without them the job goes on.
func TestBusyPodsAreProtected(t *testing.T) {
	in := prepareInstallation(t)
	in.Write("docs.yaml", strings.NewReplacer("NAMESPACE", in.Namespace, "POOLS", "spot", "group: spot,", "group: spot, doNotDisrupt: 30m,").Replace(documents))
	for _, file := range []string{"sizing/role.yaml", "base/nodes.yaml"} {
		in.Must("apply", "-f", filepath.Join("..", "..", "manifests", file))
	}
	in.Reach = in.Become("nightshift", in.Dir)
	in.run()
	missing := []string{"warn: the right to patch pods in namespace NAMESPACE is missing"}
	in.until("doctor says what is missing", func() bool { return slices.Equal(in.doctor(), missing) })
	job := in.submit(6_000, "10s")
	in.until("four workers work", func() bool { return in.working() == 4 })

	in.Must("apply", "-f", filepath.Join("..", "..", "manifests", "sizing", "pods.yaml"))
	in.until("doctor is content", func() bool { return slices.Equal(in.doctor(), []string{"ok can be sized"}) })
	var pods, theirs string
	in.until("busy pods are annotated", func() bool {
		pods = in.Must("get", "pods", "-l", "ray.io/group=spot", "-o", `jsonpath={.items[*].metadata.annotations.karpenter\.sh/do-not-disrupt}`)
		theirs = in.Must("get", "pods", "-l", "ray.io/node-type=head", "-o", `jsonpath={.items[*].metadata.annotations.karpenter\.sh/do-not-disrupt}`)
		return len(strings.Fields(pods)) > 0
	})
	for _, one := range strings.Fields(pods) {
		if lasts, err := time.ParseDuration(one); err != nil || lasts < 30*time.Minute || lasts > time.Hour {
			t.Errorf("a pod is kept for %s (%v), want a bit more than 30 minutes", one, err)
		}
	}
	if theirs != "" {
		t.Errorf("the head is kept for %s", theirs)
	}
	in.ends(job, 6_000)
	in.until("nothing is left", func() bool { return len(in.pods(t.Context())) == 0 })
}
