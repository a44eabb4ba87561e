package raycluster

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/e2e/clustertest"
)

// doctor gives what is said of the spot pool, without the pool and the RayCluster that each sentence begins with.
func (in *installation) doctor() []string { return in.doctorOf("spot") }

func (in *installation) doctorOf(pool string) (lines []string) {
	in.Helper()
	command := exec.CommandContext(in.Context(), clustertest.Program, "doctor", "-f", filepath.Join(in.Dir, "docs.yaml"), "--nats", in.Server.URL(), "-o", "json")
	command.Dir, command.Env = in.Dir, append(os.Environ(), "KUBECONFIG="+in.Reach)
	said, _ := command.Output() // it fails where something is found
	var report struct {
		Checks []struct{ Check, Verdict, Found string }
	}
	if err := json.Unmarshal(said, &report); err != nil {
		in.Fatalf("%v\n%s", err, said)
	}
	for _, one := range report.Checks {
		if one.Check == "raycluster" && strings.HasPrefix(one.Found, "pool "+pool+":") {
			_, found, _ := strings.Cut(one.Found, in.Namespace+"/scoring")
			lines = append(lines, one.Verdict+strings.ReplaceAll(found, in.Namespace, "NAMESPACE"))
		}
	}
	return lines
}

// Doctor says all that keeps a worker group from being sized, and changes nothing.
func TestDoctor(t *testing.T) {
	in := prepareInstallation(t)
	in.ServeNATS()
	expect := func(what string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, in.doctor()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	in.until("the head is ready", func() bool { return slices.Equal(in.doctor(), []string{"ok can be sized"}) })
	change := func(from, to string) {
		file := filepath.Join(in.Dir, "docs.yaml")
		text, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(text, []byte(from)) {
			t.Fatalf("%q is not in %s (%v)", from, text, err)
		}
		if err := os.WriteFile(file, bytes.Replace(text, []byte(from), []byte(to), 1), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	change("replicas: {max: 4}", "replicas: {max: 9}")
	in.Must("patch", "raycluster", "scoring", "--type=merge", "-p", `{"metadata":{"labels":{"kueue.x-k8s.io/queue-name":"gpus"}}}`)
	expect("Kueue, and bounds",
		"fail: Kueue admits and suspends the cluster (label kueue.x-k8s.io/queue-name: gpus): remove the label, and nightshift sizes it",
		"warn: the pool may have 9 replicas, and the group's maxReplicas is 8: more never come")
	in.Must("label", "raycluster", "scoring", "kueue.x-k8s.io/queue-name-")
	change("replicas: {max: 9}", "replicas: {max: 4}")

	in.Must("create", "-f", filepath.Join("..", "..", "manifests", "sizing", "role.yaml"))
	in.Must("apply", "-f", filepath.Join("..", "..", "manifests", "base", "nodes.yaml"))
	in.Reach = in.Become("nightshift", in.Dir)
	in.until("the role of the manifests is enough", func() bool { return slices.Equal(in.doctor(), []string{"ok can be sized"}) })
	in.Must("create", "serviceaccount", "weak")
	in.Must("create", "role", "weak", "--verb=get,list,watch", "--resource=rayclusters.ray.io,pods")
	in.Must("create", "rolebinding", "weak", "--role=weak", "--serviceaccount="+in.Namespace+":weak")
	in.Reach = in.Become("weak", in.Dir)
	in.until("the role counts", func() bool { return len(in.doctor()) == 7 })
	expect("rights",
		"fail: the right to patch rayclusters.ray.io in namespace NAMESPACE is missing",
		"warn: the right to create events in namespace NAMESPACE is missing",
		"warn: the right to patch events in namespace NAMESPACE is missing",
		"warn: the right to list horizontalpodautoscalers.autoscaling in namespace NAMESPACE is missing",
		"warn: the right to list scaledobjects.keda.sh in namespace NAMESPACE is missing",
		"warn: the right to list nodes in the cluster is missing", "warn: the right to watch nodes in the cluster is missing")
	in.Reach = in.Kubeconfig
	change("group: spot,", "group: spto,")
	expect("another group", `fail: RayCluster NAMESPACE/scoring has no worker group "spto"; it has spot, on-demand`)
	in.Must("delete", "raycluster", "scoring")
	expect("no cluster", "fail: there is no RayCluster NAMESPACE/scoring")
}
