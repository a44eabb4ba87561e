package argo

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/e2e/clustertest"
)

// doctor gives what is said of the pool, without its name and the namespace that each sentence begins with.
func (in *installation) doctor() (lines []string) {
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
		if one.Check == "argo" {
			_, found, _ := strings.Cut(one.Found, in.Namespace)
			lines = append(lines, one.Verdict+strings.ReplaceAll(found, in.Namespace, "NAMESPACE"))
		}
	}
	return lines
}

// Doctor says all that keeps runners from being made, and changes nothing.
func TestDoctor(t *testing.T) {
	in := prepare(t)
	in.ServeNATS()
	expect := func(what string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, in.doctor()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	expect("the role and the template of the manifests are enough", "ok can be made")
	in.Must("patch", "workflowtemplate", "nightshift-runner", "--type=json", "-p", `[
		{"op":"replace","path":"/spec/synchronization/semaphores/0/configMapKeyRef/name","value":"other"},
		{"op":"replace","path":"/spec/templates/0/container/args/3","value":"--id=worker"},
		{"op":"add","path":"/spec/templates/0/retryStrategy","value":{"limit":"3"}}]`)
	expect("another template",
		"fail: WorkflowTemplate nightshift-runner does not name the worker {{workflow.name}}-$(POD_UID): nobody would know which runner it works in",
		"fail: WorkflowTemplate nightshift-runner does not take the semaphore {{workflow.parameters.semaphoreKey}} of ConfigMap nightshift-pools",
		"fail: WorkflowTemplate nightshift-runner retries, and keeps its lock meanwhile: nightshift itself makes another runner")
	in.Must("delete", "workflowtemplate", "nightshift-runner")
	expect("no template", "fail: there is no WorkflowTemplate nightshift-runner")
	in.Must("create", "serviceaccount", "weak")
	in.Must("create", "role", "weak", "--verb=list,watch", "--resource=workflows.argoproj.io,configmaps")
	in.Must("create", "rolebinding", "weak", "--role=weak", "--serviceaccount="+in.Namespace+":weak")
	in.Reach = in.Become("weak", in.Dir)
	expect("rights",
		"fail: the right to create workflows.argoproj.io in namespace NAMESPACE is missing",
		"fail: the right to delete workflows.argoproj.io in namespace NAMESPACE is missing",
		"fail: the right to create configmaps in namespace NAMESPACE is missing",
		"fail: the right to patch configmaps in namespace NAMESPACE is missing",
		"warn: the right to create events in namespace NAMESPACE is missing",
		"warn: the right to patch events in namespace NAMESPACE is missing",
		"warn: the right to get workflowtemplates.argoproj.io in namespace NAMESPACE is missing")
}
