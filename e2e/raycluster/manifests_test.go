package raycluster

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
)

// The manifests are taken by an API server that enforces the restricted pod security standard: the pods of the service are made. (Nothing runs in them on nodes that are pretended.)
func TestManifestsAreTaken(t *testing.T) {
	in := connect(t)
	folder := func(name string) string { return filepath.Join("..", "..", "manifests", name) }
	t.Cleanup(func() {
		if said, err := in.try(context.WithoutCancel(t.Context()), "delete", "namespace", "nightshift", "--wait=false"); err != nil {
			t.Errorf("%v\n%s", err, said)
		}
	})
	for _, arguments := range [][]string{{"apply", "-k", folder("base"), "-n", "nightshift"}, {"apply", "-k", folder("nats"), "-n", "nightshift"}, {"apply", "-k", folder("sizing")}} {
		if said := in.must(arguments...); strings.Contains(said, "Warning") {
			t.Errorf("%s", said)
		}
	}
	in.until("the pods are made", func() bool {
		said, err := in.try(t.Context(), "-n", "nightshift", "get", "pods", "-o", "name")
		return err == nil && strings.Count(said, "pod/nightshift-") == 2 && strings.Contains(said, "pod/nats-0")
	})
	for verb, want := range map[string]string{"patch rayclusters.ray.io": "yes", "delete rayclusters.ray.io": "no", "delete pods": "no", "get secrets": "no"} {
		said, _ := in.try(t.Context(), append([]string{"auth", "can-i", "--as=system:serviceaccount:nightshift:nightshift"}, strings.Fields(verb)...)...)
		if strings.TrimSpace(said) != want {
			t.Errorf("may the service %s: %s, want %s", verb, said, want)
		}
	}
}
