package raycluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/e2e/clustertest"
	"nightshift.dev/nightshift/e2e/raytest"
)

// autoscalerOptions let Ray's autoscaler run from the folders of the machine, as the other containers of raycluster-real.yaml do.
const autoscalerOptions = `enableInTreeAutoscaling: true
  autoscalerOptions:
    version: v2
    idleTimeoutSeconds: 300
    image: docker.io/nightshift/machine:1
    imagePullPolicy: Never
    env: [{name: PATH, value: "VENV/bin:/usr/local/bin:/usr/bin:/bin"}, {name: RAY_USAGE_STATS_ENABLED, value: "0"}]
    volumeMounts:
    - {name: usr, mountPath: /usr, readOnly: true}
    - {name: venv, mountPath: VENV, readOnly: true}
    - {name: python, mountPath: HOME, readOnly: true}
    resources: {requests: {cpu: 100m, memory: 256Mi}, limits: {memory: 1Gi}}
`

// withAutoscaler gives a manifest of raytest whose head has Ray's autoscaler in its pod.
func withAutoscaler(t *testing.T, manifest string) string {
	t.Helper()
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	mounted := func(volume string) string {
		_, rest, _ := strings.Cut(string(text), "{name: "+volume+", hostPath: {path: ")
		path, _, _ := strings.Cut(rest, ",")
		return path
	}
	options := strings.NewReplacer("VENV", mounted("venv"), "HOME", mounted("python")).Replace(autoscalerOptions)
	file := filepath.Join(t.TempDir(), "autoscaled.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "enableInTreeAutoscaling: false\n", options, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// MB2, MB4, MB5, RD17: beside Ray's own autoscaler, in real pods. It makes as many workers as the lower bound says; when the job is done Ray drains their nodes, and the
// autoscaler removes them, long before they would have been idle for long enough.
func TestBoundsInRealPods(t *testing.T) {
	k, network := clustertest.ConnectReal(t)
	in := newInstallation(&kube{clustertest.NewService(k)}, "spot")
	in.Must("create", "--validate=false", "-f", withAutoscaler(t, raytest.Manifest(t, in.Dir)))
	in.ServeNATSAt(network.Machine().String())
	dashboard := "http://" + in.head() + ":8265"
	t.Cleanup(func() { in.tellDriver(dashboard, func() string { return in.Must("get", "pods", "-o", "wide") }) })
	in.edit("group: spot, grantLimit: 5s", fmt.Sprintf("group: spot, autoscaler: bounds, dashboard: %q, nats: %q, grantLimit: 60s", dashboard, in.Server.URL()))
	in.edit("replicas: {max: 4}", "replicas: {max: 2}")
	in.runWith(func(context.Context) {}) // kubelets do it
	present := in.presence()
	began := time.Now()
	took := func(what string) {
		t.Logf("%5.1f s: %s; %s", time.Since(began).Seconds(), what, in.bounds())
		began = time.Now()
	}
	job := in.submit(6_000, "10s")
	in.until("workers are present", func() bool { return len(present()) == 2 })
	took("submitted, two workers present")
	if got := in.bounds(); !strings.HasPrefix(got, "2..2 of ") {
		t.Errorf("the bounds are %s", got)
	}
	in.until("the job is done", func() bool {
		_, err := in.Nightshift("watch", job)
		return err == nil
	})
	took("the job is done")
	in.until("no worker is left", func() bool { return len(present()) == 0 })
	took("no worker is left")
	in.until("the bounds are down", func() bool {
		return strings.HasSuffix(in.bounds(), `{"user":{"min":0,"max":8},"ours":{"min":0,"max":0}}`)
	})
	in.until("Ray's autoscaler has removed the pods", func() bool {
		return in.Must("get", "pods", "-l", "ray.io/group=spot", "-o", "name") == ""
	})
	took("the pods are gone")
}
