package raycluster

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nightshift.dev/nightshift/e2e/clustertest"
)

// "kubectl nightshift" shows the groups with their workers while a job runs, and what Kubernetes knows while there is no service.
func TestKubectlShowsTheGroups(t *testing.T) {
	in := install(t)
	if err := os.Symlink(clustertest.Program, filepath.Join(in.Dir, "kubectl-nightshift")); err != nil {
		t.Fatal(err)
	}
	shown := func(arguments ...string) string {
		command := exec.CommandContext(t.Context(), clustertest.Kubectl(), append([]string{"nightshift"}, arguments...)...)
		command.Env = append(os.Environ(), "PATH="+in.Dir+":"+os.Getenv("PATH"), "KUBECONFIG="+in.Kubeconfig, "NIGHTSHIFT_NATS="+in.Server.URL())
		said, _ := command.CombinedOutput()
		return string(said)
	}
	job := in.submit(6_000, "10s")
	row := regexp.MustCompile(`(?m)^scoring +spot +4 +[1-4] .* [1-4] +0 +double +\S`)
	var said string
	in.until("warm workers are shown, with their model", func() bool {
		said = shown("-n", in.Namespace)
		return row.MatchString(said)
	})
	t.Log("\n" + said)
	in.until("explain tells the phases of starts apart", func() bool { // RC21
		explained, err := in.Nightshift("explain", "spot")
		return err == nil && regexp.MustCompile(`the last 4 starts: node \S+ s .*image .*ready .*worker .*model `).MatchString(explained)
	})
	in.ends(job, 6_000)
	in.Kill()
	said = shown("-n", in.Namespace)
	t.Log("\n" + said)
	if !strings.Contains(said, "warm, draining and model are not known: NATS at") || !regexp.MustCompile(`(?m)^scoring +spot +0 +0 +0 +- +- +- +[1-4]->0: `).MatchString(said) {
		t.Errorf("without the service it says\n%s", said)
	}
	if said := shown("rayclusters", "other", "-n", in.Namespace); !strings.Contains(said, "there is no RayCluster other in namespace "+in.Namespace) {
		t.Errorf("of another it says\n%s", said)
	}
	in.Start()
}
