package raycluster

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rayv1 "github.com/ray-project/kuberay/ray-operator/apis/ray/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// read decodes what kubectl shows.
func read[T any](t *testing.T, text string) *T {
	t.Helper()
	var value T
	if err := yaml.UnmarshalStrict([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return &value
}

const plainCluster = `
metadata: {name: nightly, namespace: scoring, uid: u}
spec:
  headGroupSpec: {rayStartParams: {}, template: {}}
  workerGroupSpecs:
  - {groupName: other, minReplicas: 0, maxReplicas: 9, rayStartParams: {}, template: {}}
  - {groupName: spot, replicas: 3, minReplicas: 1, maxReplicas: 8, rayStartParams: {}, template: {spec: {containers: [{name: ray, resources: {limits: {nvidia.com/gpu: 2, cpu: 4}}}, {name: side, resources: {limits: {nvidia.com/gpu: 1}}}]}}}
`

func pods(t *testing.T, texts ...string) (list []*corev1.Pod) {
	t.Helper()
	for _, text := range texts {
		list = append(list, read[corev1.Pod](t, text))
	}
	return list
}

// worker is a pod of the group spot, with more of its metadata and of the rest.
func worker(name, metadata, rest string) string {
	return "metadata: {name: " + name + ", creationTimestamp: \"2026-11-20T02:00:0" + name[len(name)-1:] + "Z\", labels: {ray.io/cluster: nightly, ray.io/group: spot, ray.io/node-type: worker}" + metadata + "}\n" + rest
}

// RC1 to RC3.
func TestViewSaysHowFarReplicasAre(t *testing.T) {
	got, err := View(read[rayv1.RayCluster](t, plainCluster), pods(t,
		"metadata: {name: head, uid: h, labels: {ray.io/group: headgroup, ray.io/node-type: head}}\nspec: {containers: [{name: ray-head}, {name: side}]}\nstatus: {conditions: [{type: Ready, status: \"True\"}], containerStatuses: [{name: a, restartCount: 9, image: i, imageID: i, ready: true}, {name: ray-head, restartCount: 2, image: i, imageID: i, ready: true}]}",
		worker("w0", "", "status: {conditions: [{type: PodScheduled, status: \"False\", reason: SchedulingGated}]}"),
		worker("w1", "", "status: {conditions: [{type: PodScheduled, status: \"False\", reason: Unschedulable}]}"),
		worker("w2", "", "spec: {nodeName: n, containers: []}\nstatus: {phase: Running, conditions: [{type: Ready, status: \"False\"}]}"),
		worker("w3", "", "spec: {nodeName: n, containers: []}\nstatus: {conditions: [{type: Ready, status: \"True\"}]}"),
		worker("w4", ", deletionTimestamp: \"2026-11-20T02:00:00Z\"", "spec: {nodeName: n, containers: []}\nstatus: {conditions: [{type: Ready, status: \"True\"}]}"),
		"metadata: {name: x, labels: {ray.io/group: other, ray.io/node-type: worker}}",
	), "spot")
	if err != nil {
		t.Fatal(err)
	}
	at := func(second int) time.Time { return time.Date(2026, 11, 20, 2, 0, second, 0, time.UTC) }
	want := Group{Life: "8ef32afabcb3753f", Head: true, GPUs: 2, Place: 1, Written: 3, Replicas: 3, Min: 1, Max: 8, Bounds: Bounds{1, 8}, Hosts: 1, Have: []Replica{
		{[]string{"w0"}, PhaseGated, at(0), ""}, {[]string{"w1"}, PhasePending, at(1), ""}, {[]string{"w2"}, PhaseStarting, at(2), ""}, {[]string{"w3"}, PhaseReady, at(3), ""}, {[]string{"w4"}, PhaseDeleted, at(4), ""},
	}}
	for i := range got.Have {
		got.Have[i].Created = got.Have[i].Created.UTC()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// RD1: whatever ran before is gone with the head's pod, and with its container.
func TestLives(t *testing.T) {
	seen := map[string]bool{}
	for _, of := range [][2]string{{"a", "0"}, {"a", "1"}, {"b", "0"}} {
		head := read[corev1.Pod](t, "metadata: {uid: "+of[0]+", labels: {ray.io/node-type: head}}\nspec: {containers: [{name: ray}]}\nstatus: {containerStatuses: [{name: ray, restartCount: "+of[1]+", image: i, imageID: i, ready: true}]}")
		name, _ := life(read[rayv1.RayCluster](t, plainCluster), []*corev1.Pod{head})
		seen[name] = true
	}
	name, ready := life(read[rayv1.RayCluster](t, plainCluster), nil)
	if seen[name] = true; len(seen) != 4 || ready {
		t.Errorf("lives with one name: %v; a head that is ready without one: %t", seen, ready)
	}
}

// RC2, RC3 and RC6: several hosts make a replica, which is as far as the last of them.
func TestViewOfSeveralHosts(t *testing.T) {
	text := strings.Replace(plainCluster, "groupName: spot, replicas: 3", "groupName: spot, numOfHosts: 2, replicas: 9", 1)
	of := func(name, replica, status string) string {
		return "metadata: {name: " + name + ", labels: {ray.io/group: spot, ray.io/worker-group-replica-name: " + replica + "}}\nspec: {nodeName: n, containers: []}\nstatus: {conditions: [{type: Ready, status: \"" + status + "\"}]}"
	}
	got, err := View(read[rayv1.RayCluster](t, text), pods(t, of("a1", "a", "True"), of("b1", "b", "True"), of("a0", "a", "False"), of("b0", "b", "True"), of("c0", "c", "True")), "spot")
	if err != nil {
		t.Fatal(err)
	}
	want := []Replica{{Pods: []string{"a0", "a1"}, Phase: PhaseStarting}, {Pods: []string{"b0", "b1"}, Phase: PhaseReady}, {Pods: []string{"c0"}, Phase: PhasePending}}
	if diff := cmp.Diff(want, got.Have); diff != "" || got.Replicas != 8 || got.Written != 9 || got.Hosts != 2 {
		t.Errorf("replicas %d of %d written, %d hosts; -want +got:\n%s", got.Replicas, got.Written, got.Hosts, diff)
	}
	got, err = View(read[rayv1.RayCluster](t, text), pods(t, worker("w0", "", "")), "spot")
	if want := "pod w0 does not say which replica it belongs to, and numOfHosts is 2"; err != nil || !strings.HasPrefix(got.Refused, want) {
		t.Errorf("without labels: %q, %v; want %q", got.Refused, err, want)
	}
}

// RC5: what is not there is unknown, and the sentence says what is.
func TestViewOfWhatIsNotThere(t *testing.T) {
	_, err := View(read[rayv1.RayCluster](t, plainCluster), nil, "spto")
	if want := `RayCluster scoring/nightly has no worker group "spto"; it has other, spot`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	going := read[rayv1.RayCluster](t, plainCluster)
	now := metav1.Now()
	going.DeletionTimestamp = &now
	if _, err := View(going, nil, "spot"); err == nil || err.Error() != "RayCluster scoring/nightly is being deleted" {
		t.Errorf("%v", err)
	}
}

// RC8: whoever else sizes the group is named, and what to do.
func TestOwners(t *testing.T) {
	for name, test := range map[string]struct{ metadata, spec, group, want string }{
		"nobody":     {want: ""},
		"explicit":   {spec: "enableInTreeAutoscaling: false\n  managedBy: ray.io/kuberay-operator\n  suspend: false", want: ""},
		"autoscaler": {spec: "enableInTreeAutoscaling: true", want: "Ray's autoscaler sizes the group (spec.enableInTreeAutoscaling): set it to false, and nightshift does, or let the pool move its bounds (ray.autoscaler: bounds)"},
		"Kueue":      {metadata: ", labels: {kueue.x-k8s.io/queue-name: gpus}", want: "Kueue admits and suspends the cluster (label kueue.x-k8s.io/queue-name: gpus): remove the label, and nightshift sizes it"},
		"MultiKueue": {spec: "managedBy: kueue.x-k8s.io/multikueue", want: "kueue.x-k8s.io/multikueue manages the cluster (spec.managedBy)"},
		"suspended":  {spec: "suspend: true", want: "the cluster is suspended (spec.suspend)"},
		"group":      {group: ", suspend: true", want: "the worker group is suspended (spec.workerGroupSpecs[].suspend)"},
	} {
		text := strings.NewReplacer("uid: u", "uid: u"+test.metadata, "maxReplicas: 8", "maxReplicas: 8"+test.group).Replace(plainCluster)
		if test.spec != "" {
			text = strings.Replace(text, "spec:\n", "spec:\n  "+test.spec+"\n", 1)
		}
		got, err := View(read[rayv1.RayCluster](t, text), nil, "spot")
		if err != nil || got.Refused != test.want {
			t.Errorf("%s: %q, %v; want %q", name, got.Refused, err, test.want)
		}
	}
	found, err := scaledObjects([]byte(`{"items":[{"metadata":{"name":"lag"},"spec":{"scaleTargetRef":{"kind":"RayCluster","name":"nightly"}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	scalers := append([]Scaler{{"HorizontalPodAutoscaler", "web", "Deployment", "nightly"}}, found...)
	if got, want := ScaledBy(scalers, "nightly"), "ScaledObject lag names the cluster as what it scales: delete it, and nightshift sizes the group"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := ScaledBy(scalers, "other"); got != "" {
		t.Errorf("of another cluster: %q", got)
	}
}

// RC10 to RC12: a patch tests what was read; nothing to change is no patch.
func TestPatches(t *testing.T) {
	group := Group{Place: 1, Written: 3, Replicas: 3, Named: []string{"gone"}}
	const guards = `{"op":"test","path":"/spec/workerGroupSpecs/1/groupName","value":"spot"},{"op":"test","path":"/spec/enableInTreeAutoscaling","value":null},{"op":"test","path":"/spec/workerGroupSpecs/1/replicas","value":3}`
	for name, test := range map[string]struct {
		change Change
		want   string
	}{
		"nothing": {Change{Replicas: 3, Delete: []string{"gone"}, Why: "words"}, ""},
		"more": {Change{Replicas: 5, Delete: []string{"gone"}, Why: "3->5: work", Annotated: true}, "[" + guards + `,{"op":"replace","path":"/spec/workerGroupSpecs/1/replicas","value":5},
			{"op":"add","path":"/metadata/annotations/nightshift.dev~1plan-spot","value":"3->5: work"}]`},
		"fewer": {Change{Replicas: 2, Delete: []string{"w1"}, Why: "3->2: rest"}, "[" + guards + `,{"op":"test","path":"/spec/workerGroupSpecs/1/scaleStrategy/workersToDelete","value":["gone"]},
			{"op":"replace","path":"/spec/workerGroupSpecs/1/replicas","value":2},{"op":"add","path":"/spec/workerGroupSpecs/1/scaleStrategy","value":{"workersToDelete":["w1"]}},
			{"op":"test","path":"/metadata/annotations","value":null},{"op":"add","path":"/metadata/annotations","value":{"nightshift.dev/plan-spot":"3->2: rest"}}]`},
		"empty list": {Change{Replicas: 3}, "[" + guards + `,{"op":"test","path":"/spec/workerGroupSpecs/1/scaleStrategy/workersToDelete","value":["gone"]},
			{"op":"add","path":"/spec/workerGroupSpecs/1/scaleStrategy","value":{"workersToDelete":[]}}]`},
	} {
		var got, want any
		patch := group.Patch("spot", test.change)
		if patch != nil {
			if err := json.Unmarshal(patch, &got); err != nil {
				t.Fatal(err)
			}
		}
		if test.want != "" {
			if err := json.Unmarshal([]byte(test.want), &want); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
