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
)

// doctor gives what is said of the spot pool, without the pool and the RayCluster that each sentence begins with.
func (in *installation) doctor() []string { return in.doctorOf("spot") }

func (in *installation) doctorOf(pool string) (lines []string) {
	in.Helper()
	command := exec.CommandContext(in.Context(), program, "doctor", "-f", filepath.Join(in.dir, "docs.yaml"), "--nats", in.server.URL(), "-o", "json")
	command.Dir, command.Env = in.dir, append(os.Environ(), "KUBECONFIG="+in.reach)
	said, _ := command.Output() // it fails where something is found
	var report struct {
		Checks []struct{ Check, Verdict, Found string }
	}
	if err := json.Unmarshal(said, &report); err != nil {
		in.Fatalf("%v\n%s", err, said)
	}
	for _, one := range report.Checks {
		if one.Check == "raycluster" && strings.HasPrefix(one.Found, "pool "+pool+":") {
			_, found, _ := strings.Cut(one.Found, in.namespace+"/scoring")
			lines = append(lines, one.Verdict+strings.ReplaceAll(found, in.namespace, "NAMESPACE"))
		}
	}
	return lines
}

// Doctor says all that keeps a worker group from being sized, and changes nothing.
func TestDoctor(t *testing.T) {
	in := prepareInstallation(t)
	in.serveNATS()
	expect := func(what string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, in.doctor()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	in.until("the head is ready", func() bool { return slices.Equal(in.doctor(), []string{"ok can be sized"}) })
	change := func(from, to string) {
		file := filepath.Join(in.dir, "docs.yaml")
		text, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(text, []byte(from)) {
			t.Fatalf("%q is not in %s (%v)", from, text, err)
		}
		if err := os.WriteFile(file, bytes.Replace(text, []byte(from), []byte(to), 1), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	change("replicas: {max: 4}", "replicas: {max: 9}")
	in.must("patch", "raycluster", "scoring", "--type=merge", "-p", `{"metadata":{"labels":{"kueue.x-k8s.io/queue-name":"gpus"}}}`)
	expect("Kueue, and bounds",
		"fail: Kueue admits and suspends the cluster (label kueue.x-k8s.io/queue-name: gpus): remove the label, and nightshift sizes it",
		"warn: the pool may have 9 replicas, and the group's maxReplicas is 8: more never come")
	in.must("label", "raycluster", "scoring", "kueue.x-k8s.io/queue-name-")
	change("replicas: {max: 9}", "replicas: {max: 4}")

	in.must("create", "-f", filepath.Join("..", "..", "manifests", "sizing", "role.yaml"))
	in.must("apply", "-f", filepath.Join("..", "..", "manifests", "base", "nodes.yaml"))
	in.become("nightshift")
	in.until("the role of the manifests is enough", func() bool { return slices.Equal(in.doctor(), []string{"ok can be sized"}) })
	in.must("create", "serviceaccount", "weak")
	in.must("create", "role", "weak", "--verb=get,list,watch", "--resource=rayclusters.ray.io,pods")
	in.must("create", "rolebinding", "weak", "--role=weak", "--serviceaccount="+in.namespace+":weak")
	in.become("weak")
	in.until("the role counts", func() bool { return len(in.doctor()) == 7 })
	expect("rights",
		"fail: the right to patch rayclusters.ray.io in namespace NAMESPACE is missing",
		"warn: the right to create events in namespace NAMESPACE is missing",
		"warn: the right to patch events in namespace NAMESPACE is missing",
		"warn: the right to list horizontalpodautoscalers.autoscaling in namespace NAMESPACE is missing",
		"warn: the right to list scaledobjects.keda.sh in namespace NAMESPACE is missing",
		"warn: the right to list nodes in the cluster is missing", "warn: the right to watch nodes in the cluster is missing")
	in.reach = in.kubeconfig
	change("group: spot,", "group: spto,")
	expect("another group", `fail: RayCluster NAMESPACE/scoring has no worker group "spto"; it has spot, on-demand`)
	in.must("delete", "raycluster", "scoring")
	expect("no cluster", "fail: there is no RayCluster NAMESPACE/scoring")
}

// become makes the service one of the namespace's service accounts; nightshift is that of the manifests.
func (in *installation) become(account string) {
	in.Helper()
	namespace := in.namespace
	if account == "nightshift" {
		namespace = account
	}
	text, err := os.ReadFile(in.kubeconfig)
	if err != nil {
		in.Fatal(err)
	}
	in.reach = filepath.Join(in.dir, account)
	as := bytes.Replace(text, []byte("  user:\n"), []byte("  user:\n    as: system:serviceaccount:"+namespace+":"+account+"\n"), 1)
	if err := os.WriteFile(in.reach, as, 0o600); err != nil {
		in.Fatal(err)
	}
}
