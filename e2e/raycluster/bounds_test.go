package raycluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// bounds gives minReplicas, maxReplicas and replicas of the spot group, and what stands on the object about the first two.
func (in *installation) bounds() string {
	in.Helper()
	return in.Must("get", "raycluster", "scoring", "-o", `jsonpath={.spec.workerGroupSpecs[0].minReplicas}..{.spec.workerGroupSpecs[0].maxReplicas} of {.spec.workerGroupSpecs[0].replicas}; {.metadata.annotations.nightshift\.dev/bounds-spot}`)
}

// autoscaled switches Ray's autoscaler on, which then runs in its head's pod (and does nothing there where pods are pretended), and lets the pools move the bounds.
func (in *installation) autoscaled() {
	in.Helper()
	in.Must("patch", "raycluster", "scoring", "--type=merge", "-p", `{"spec":{"enableInTreeAutoscaling":true}}`)
	in.until("there is a head", func() bool { return in.Must("get", "pods", "-l", "ray.io/node-type=head", "-o", "name") != "" })
	in.Must("delete", "pod", "-l", "ray.io/node-type=head") // KubeRay leaves a head as it is
	in.Write("docs.yaml", strings.NewReplacer("NAMESPACE", in.Namespace, "POOLS", "spot", "cluster: scoring,", "cluster: scoring, autoscaler: bounds,").Replace(documents))
	in.until("the autoscaler runs in the head", func() bool { // the head before goes first
		said, err := in.Try(in.Context(), "get", "pods", "-l", "ray.io/node-type=head", "-o", "jsonpath={.items[*].spec.containers[*].name}")
		return err == nil && strings.Join(strings.Fields(said), " ") == "ray-head autoscaler"
	})
}

// MB1 to MB5, MB7: with Ray's autoscaler on, the group grows and shrinks by its bounds, replicas are left to it, and the user's bounds come back when it is switched off. The
// test does what the autoscaler would: it names the pods that are above the bounds.
func TestBoundsAreMoved(t *testing.T) {
	in := prepareInstallation(t)
	in.autoscaled()
	in.run()
	in.until("doctor is content", func() bool { return slices.Equal(in.doctor(), []string{"ok can be sized"}) })
	if before := in.bounds(); before != "0..8 of 0; " {
		t.Fatalf("before: %s", before)
	}
	job := in.submit(6_000, "10s")
	in.until("four work, and replicas is as it was", func() bool {
		return in.working() == 4 && in.bounds() == `4..4 of 0; {"user":{"min":0,"max":8},"ours":{"min":4,"max":4}}`
	})
	in.until("the job is done, the workers have ended, and the bounds are down", func() bool {
		return in.working() == 0 && in.bounds() == `0..0 of 0; {"user":{"min":0,"max":8},"ours":{"min":0,"max":0}}`
	})
	if said, err := in.Nightshift("watch", job); err != nil {
		t.Errorf("the job: %v\n%s", err, said)
	}
	var names []string
	for name := range in.pods(t.Context()) {
		names = append(names, fmt.Sprintf("%q", name))
	}
	if len(names) != 4 {
		t.Errorf("%d pods are there, want 4: removing them is not nightshift's", len(names))
	}
	in.Must("patch", "raycluster", "scoring", "--type=json", "-p", `[{"op":"add","path":"/spec/workerGroupSpecs/0/scaleStrategy","value":{"workersToDelete":[`+strings.Join(names, ",")+`]}}]`)
	in.until("nobody is there", func() bool { return len(in.pods(t.Context())) == 0 })
	if in.cut > 0 {
		t.Errorf("%d workers were cut short", in.cut)
	}
	in.Must("patch", "raycluster", "scoring", "--type=merge", "-p", `{"spec":{"enableInTreeAutoscaling":false}}`)
	in.until("it is refused while the autoscaler runs on", func() bool {
		return strings.Contains(in.cluster().Metadata.Annotations[annotation], "still runs in the head's pod")
	})
	in.Must("delete", "pod", "-l", "ray.io/node-type=head")
	in.until("the user's bounds are back", func() bool { return in.bounds() == "0..8 of 0; " })
}
