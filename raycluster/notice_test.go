package raycluster

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"nightshift.dev/nightshift/orchestrator"
)

// RC22: what nodes and pods say of their end, as the watches keep it.
func TestNotices(t *testing.T) {
	node := func(rest string) string {
		kept, err := slimNode(read[corev1.Node](t, "metadata: {name: node-1, annotations: {other: x"+strings.TrimPrefix(rest, "|")))
		if err != nil {
			t.Fatal(err)
		}
		return noticeOfNode(kept.(*corev1.Node))
	}
	pod := func(rest string) string {
		one := read[corev1.Pod](t, rest)
		if _, err := slim(one); err != nil {
			t.Fatal(err)
		}
		return noticeOfPod(one)
	}
	for name, tc := range map[string]struct{ got, want string }{
		"no notice":            {node("}}\nspec: {taints: [{key: nvidia.com/gpu, effect: NoSchedule}]}"), ""},
		"a taint":              {node("}}\nspec: {taints: [{key: nvidia.com/gpu, effect: NoSchedule}, {key: cloud.google.com/impending-node-termination, effect: NoSchedule}]}"), "Google Cloud takes the node back (node-1, taint cloud.google.com/impending-node-termination)"},
		"a node lost":          {node("}}\nspec: {taints: [{key: node.kubernetes.io/unreachable, effect: NoExecute}]}"), "the node does not answer (node-1, taint node.kubernetes.io/unreachable)"},
		"nobody answers":       {node("}}\nspec: {taints: [{key: node.kubernetes.io/unreachable, effect: NoSchedule}]}"), ""},
		"a node's annotation":  {node(", nightshift.dev/terminating: \"  two\\n minutes \"}}"), "node node-1 goes: two minutes"},
		"an empty annotation":  {node(", nightshift.dev/terminating: \"\"}}"), "node node-1 goes: no reason is given"},
		"a long annotation":    {node(", nightshift.dev/terminating: " + strings.Repeat("x", 500) + "}}"), "node node-1 goes: " + strings.Repeat("x", 100)},
		"a pod":                {pod("metadata: {name: p, annotations: {other: x}}"), ""},
		"a pod's annotation":   {pod("metadata: {name: p, annotations: {nightshift.dev/terminating: eviction}}"), "it is said to go: eviction"},
		"a pod that disrupts":  {pod("status: {conditions: [{type: DisruptionTarget, status: \"True\", reason: EvictionByEvictionAPI}]}"), "it is disrupted: EvictionByEvictionAPI"},
		"a pod that was to go": {pod("status: {conditions: [{type: DisruptionTarget, status: \"False\", reason: EvictionByEvictionAPI}]}"), ""},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %q, want %q", name, tc.got, tc.want)
		}
	}
}

// RC22: a replica with a notice is let go though it is busy, once, and its slots are told to drain; one that is being deleted already goes by itself.
func TestNoticeLetsGo(t *testing.T) {
	group := Group{Life: "1", Have: []Replica{one("a", PhaseReady, 0), one("b", PhaseReady, 1), one("c", PhaseDeleted, 2), one("d", PhasePending, 3)}}
	group.Have[2].Notice = "so it is"
	group.heed(map[string]string{"b": "the node goes", "d": "the node goes", "elsewhere": "x"})
	before := orchestrator.PoolSlots{Pool: "gpu", Replicas: []orchestrator.ReplicaSlots{{Index: 0, Pods: []string{"a"}}, {Index: 1, Pods: []string{"b"}}}}
	want := orchestrator.PoolSlots{Pool: "gpu", Cluster: "1", PerReplica: 2, Slots: 2, Replicas: []orchestrator.ReplicaSlots{
		{Index: 0, Pods: []string{"a"}}, {Index: 1, Pods: []string{"b"}, Leaving: true, Since: two}, {Index: 2, Pods: []string{"c"}, Leaving: true}, {Index: 3, Pods: []string{"d"}, Leaving: true, Since: two},
	}}
	got := Keep(before, group, 2, 2, two)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(want, Keep(got, group, 2, 2, two.Add(1))); diff != "" {
		t.Errorf("again -want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]int{2, 3, 4, 5, 6, 7}, leavingSlots(got)); diff != "" {
		t.Errorf("slots -want +got:\n%s", diff)
	}
}
