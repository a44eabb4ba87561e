package raycluster

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rayv1 "github.com/ray-project/kuberay/ray-operator/apis/ray/v1"
)

const autoscaledCluster = `
metadata: {name: nightly, namespace: scoring, uid: u}
spec:
  enableInTreeAutoscaling: true
  headGroupSpec: {rayStartParams: {}, template: {}}
  workerGroupSpecs:
  - {groupName: spot, replicas: 1, minReplicas: 1, maxReplicas: 8, rayStartParams: {}, template: {spec: {containers: [], affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: karpenter.sh/capacity-type, operator: In, values: [spot]}]}]}}}}}}
  - {groupName: mixed, replicas: 4, minReplicas: 0, maxReplicas: 2, rayStartParams: {}, template: {spec: {containers: [], affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: karpenter.sh/capacity-type, operator: In, values: [spot, on-demand]}]}]}}}}}}
  - {groupName: plain, replicas: 0, rayStartParams: {}, template: {spec: {containers: [], nodeSelector: {cloud.google.com/gke-spot: "false"}}}}
`

const autoscaledHead = "metadata: {name: head, uid: h, labels: {ray.io/group: headgroup, ray.io/node-type: head}}\nspec: {containers: [{name: ray-head}, {name: autoscaler}]}"

// Adopting makes replicas what is there, so that KubeRay takes nobody away, within the group's most.
func TestAdoptKeepsWhatIsThere(t *testing.T) {
	seen := Seen{Cluster: read[rayv1.RayCluster](t, autoscaledCluster), Pods: pods(t, autoscaledHead, worker("w0", "", ""), worker("w1", "", ""), worker("w2", ", deletionTimestamp: \"2026-11-20T02:00:00Z\"", ""))}
	got := Adopt(seen)
	want := []AdoptedGroup{{Name: "spot", Spot: true, Min: 1, Max: 8, There: 2}, {Name: "mixed", Max: 2}, {Name: "plain", Max: 1<<31 - 1}}
	if diff := cmp.Diff(want, got.Groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	const patch = `[{"op":"test","path":"/spec/enableInTreeAutoscaling","value":true},{"op":"replace","path":"/spec/enableInTreeAutoscaling","value":false},` +
		`{"op":"test","path":"/spec/workerGroupSpecs/0/groupName","value":"spot"},{"op":"add","path":"/spec/workerGroupSpecs/0/replicas","value":2},` +
		`{"op":"test","path":"/spec/workerGroupSpecs/1/groupName","value":"mixed"},{"op":"add","path":"/spec/workerGroupSpecs/1/replicas","value":0},` +
		`{"op":"test","path":"/spec/workerGroupSpecs/2/groupName","value":"plain"}]`
	if diff := cmp.Diff(patch, string(got.Patch)); diff != "" {
		t.Errorf("patch (-want +got):\n%s", diff)
	}
}

// What a patch does not take away is said: an autoscaler that goes on in the head's pod, a cluster that KubeRay makes anew, and whoever else scales it.
func TestAdoptSaysWhatIsInTheWay(t *testing.T) {
	off := strings.Replace(autoscaledCluster, "enableInTreeAutoscaling: true", "enableInTreeAutoscaling: false", 1)
	for name, tc := range map[string]struct {
		cluster string
		scalers []Scaler
		head    string
		want    []string
		patched bool
	}{
		"the head":                           {autoscaledCluster, nil, autoscaledHead, []string{"kubectl -n scoring delete pod head"}, true},
		"no head":                            {autoscaledCluster, nil, "", nil, true},
		"Recreate":                           {autoscaledCluster + "  upgradeStrategy: {type: Recreate}\n", nil, autoscaledHead, []string{"KubeRay deletes all its pods"}, true},
		"off, and the autoscaler still runs": {off, nil, autoscaledHead, []string{"kubectl -n scoring delete pod head"}, false},
		"others": {
			strings.Replace(off, "uid: u", "uid: u, labels: {kueue.x-k8s.io/queue-name: gpus}", 1), []Scaler{{"HorizontalPodAutoscaler", "h", "RayCluster", "nightly"}}, "",
			[]string{"Kueue admits and suspends", "HorizontalPodAutoscaler h names"}, false,
		},
	} {
		seen := Seen{Cluster: read[rayv1.RayCluster](t, tc.cluster), Scalers: tc.scalers}
		if tc.head != "" {
			seen.Pods = pods(t, tc.head)
		}
		got := Adopt(seen)
		if len(got.Hurdles) != len(tc.want) || (got.Patch != nil) != tc.patched {
			t.Errorf("%s: %q, patch %s", name, got.Hurdles, got.Patch)
			continue
		}
		for i, want := range tc.want {
			if !strings.Contains(got.Hurdles[i], want) {
				t.Errorf("%s: %q, want %q", name, got.Hurdles[i], want)
			}
		}
	}
}

// RC8: an autoscaler that was switched off sizes the group until its head ends.
func TestAutoscalerEndsWithItsHead(t *testing.T) {
	off := strings.Replace(autoscaledCluster, "enableInTreeAutoscaling: true", "enableInTreeAutoscaling: false", 1)
	for head, want := range map[string]string{autoscaledHead: "Ray's autoscaler still runs in the head's pod head", strings.Replace(autoscaledHead, "uid: h", "uid: h, deletionTimestamp: \"2026-11-20T02:00:00Z\"", 1): ""} {
		seen := pods(t, head)
		if _, err := slim(seen[0]); err != nil { // as the watch does
			t.Fatal(err)
		}
		group, err := View(read[rayv1.RayCluster](t, off), seen, "spot")
		if err != nil || !strings.HasPrefix(group.Refused, want) || want == "" && group.Refused != "" {
			t.Errorf("refused %q, want %q (%v)", group.Refused, want, err)
		}
	}
}

// Triggers are read as KEDA has them.
func TestTriggers(t *testing.T) {
	got, err := decodeTriggers([]byte(`{"spec":{"triggers":[{"type":"kafka","metadata":{"topic":"t"}},{"type":"cron","metadata":{}}]}}`))
	want := []Trigger{{Type: "cron", Metadata: map[string]string{}}, {Type: "kafka", Metadata: map[string]string{"topic": "t"}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
