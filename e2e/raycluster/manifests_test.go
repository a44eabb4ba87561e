package raycluster

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"nightshift.dev/nightshift/e2e/clustertest"
)

// The manifests are taken by an API server that enforces the restricted pod security standard: the pods of the service are made. (Nothing runs in them on nodes that are pretended.)
func TestManifestsAreTaken(t *testing.T) {
	in := clustertest.Connect(t)
	folder := func(name string) string { return filepath.Join("..", "..", "manifests", name) }
	t.Cleanup(func() {
		if said, err := in.Try(context.WithoutCancel(t.Context()), "delete", "namespace", "nightshift", "--wait=false"); err != nil {
			t.Errorf("%v\n%s", err, said)
		}
	})
	for _, arguments := range [][]string{{"apply", "-k", folder("base"), "-n", "nightshift"}, {"apply", "-k", folder("nats"), "-n", "nightshift"}, {"apply", "-k", folder("sizing")}, {"apply", "-k", folder("runners")}, {"apply", "-k", folder("raycluster")}} {
		if said := in.Must(arguments...); strings.Contains(said, "Warning") {
			t.Errorf("%s", said)
		}
	}
	in.Until("the pods are made", "pods", func() bool {
		said, err := in.Try(t.Context(), "-n", "nightshift", "get", "pods", "-o", "name")
		return err == nil && strings.Count(said, "pod/nightshift-") == 2 && strings.Contains(said, "pod/nats-0")
	})
	in.Until("KubeRay takes the example", "pods", func() bool {
		said, err := in.Try(t.Context(), "get", "pods", "-l", "ray.io/cluster=nightly,ray.io/node-type=head", "-o", "name")
		return err == nil && strings.Count(said, "pod/nightly-head-") == 1
	})
	if said := in.Must("get", "raycluster", "nightly", "-o", "jsonpath={.spec.workerGroupSpecs[*].template.spec.containers[*].lifecycle.preStop.exec.command[0]}"); said != "sh sh" {
		t.Errorf("the groups' preStop hooks run %q", said)
	}
	for verb, want := range map[string]string{"patch rayclusters.ray.io": "yes", "create workflows.argoproj.io": "yes", "delete rayclusters.ray.io": "no", "patch pods": "no", "delete pods": "no", "get secrets": "no"} {
		said, _ := in.Try(t.Context(), append([]string{"auth", "can-i", "--as=system:serviceaccount:nightshift:nightshift"}, strings.Fields(verb)...)...)
		if strings.TrimSpace(said) != want {
			t.Errorf("may the service %s: %s, want %s", verb, said, want)
		}
	}
}
