package clustertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/e2e/cluster/node"
)

// Within bounds every wait.
const Within = 2 * time.Minute

// Program is the nightshift binary under test, once Main has begun.
var Program string

var (
	config  string // the kubeconfig of the cluster; empty: there is none
	kubectl string
	network *node.Network // of the cluster where its nodes run kubelet; nil: they are pretended
	cluster string        // the program that starts clusters, where nodes are real
)

// Main finds the program and the cluster, or makes them, runs the tests, and ends what it has made. It gives the exit code.
func Main(m *testing.M) int {
	folder, err := os.MkdirTemp("", "nightshift-cluster-*")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if end := prepare(folder); end != nil {
		defer end()
	}
	return m.Run()
}

// prepare finds the program and the cluster, or makes them. A KUBECONFIG counts only when cluster-up has written it: others may be somebody's production.
func prepare(folder string) (end func()) {
	if Program = os.Getenv("NIGHTSHIFT_TEST_PROGRAM"); Program == "" {
		Program = filepath.Join(folder, "nightshift")
		run("go", "build", "-o", Program, "nightshift.dev/nightshift/cmd/nightshift")
	}
	config = os.Getenv("KUBECONFIG")
	if text, err := os.ReadFile(config); err != nil || !bytes.Contains(text, []byte("\ncurrent-context: nightshift-cluster\n")) {
		config = ""
	}
	if size := os.Getenv("NIGHTSHIFT_CLUSTER"); config == "" && (size == "light" || size == "full") {
		buildCluster(folder)
		_, path, _ := strings.Cut(run(cluster, "up", "--size", size, "--dir", filepath.Join(folder, "up")), "export PATH=")
		path, _, _ = strings.Cut(path, ":")
		config, kubectl = filepath.Join(folder, "up", "kubeconfig"), filepath.Join(path, "kubectl")
		end = func() { run(cluster, "down", "--dir", filepath.Join(folder, "up")) }
	}
	if found, err := exec.LookPath("kubectl"); err == nil && kubectl == "" {
		kubectl = found
	}
	if text, err := os.ReadFile(filepath.Join(filepath.Dir(config), "network.json")); err == nil && config != "" {
		var of struct{ Network node.Network }
		if err := json.Unmarshal(text, &of); err != nil {
			panic(err)
		}
		network = &of.Network
		buildCluster(folder)
	}
	return end
}

func buildCluster(folder string) {
	if cluster == "" {
		cluster = filepath.Join(folder, "cluster")
		run("go", "build", "-o", cluster, "nightshift.dev/nightshift/e2e/cluster")
	}
}

func run(name string, arguments ...string) string {
	command := exec.Command(name, arguments...)
	command.Stderr, command.Env = os.Stderr, append(os.Environ(), "CGO_ENABLED=0") // the program travels into Ray clusters
	said, err := command.Output()
	if err != nil {
		panic(fmt.Sprintf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, said))
	}
	return string(said)
}

// Kubectl is the program, once Main has begun.
func Kubectl() string { return kubectl }

// Kube speaks to the cluster through kubectl, in a namespace of the test.
type Kube struct {
	testing.TB
	Kubeconfig, Namespace string
}

// Connect makes a namespace for a test whose pods are pretended. Without such a cluster the test is skipped.
func Connect(t testing.TB) *Kube {
	t.Helper()
	if network != nil {
		t.Skip("pods of this cluster are real: NIGHTSHIFT_CLUSTER=light for one where they are pretended")
	}
	return connect(t)
}

// ConnectReal makes a namespace for a test whose pods run, and gives the network that they are in.
func ConnectReal(t testing.TB) (*Kube, *node.Network) {
	t.Helper()
	if config != "" && network == nil {
		t.Skip("pods of this cluster are pretended: NIGHTSHIFT_CLUSTER=full, as root, for one where they run")
	}
	return connect(t), network
}

// Cluster runs a command of the program that started the cluster.
func Cluster(t testing.TB, arguments ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Within)
	defer cancel()
	if said, err := exec.CommandContext(ctx, cluster, arguments...).CombinedOutput(); err != nil {
		t.Fatalf("cluster %s: %v\n%s", strings.Join(arguments, " "), err, said)
	}
}

func connect(t testing.TB) *Kube {
	t.Helper()
	if config == "" || kubectl == "" {
		t.Skip("no cluster: make cluster-up, then KUBECONFIG and PATH as it says; or NIGHTSHIFT_CLUSTER=light for one of the test's own")
	}
	k := &Kube{TB: t, Kubeconfig: config, Namespace: fmt.Sprintf("sizes-%d", time.Now().UnixNano())}
	k.Must("create", "namespace", k.Namespace)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), Within)
		defer cancel()
		if text, err := k.Try(ctx, "delete", "namespace", k.Namespace, "--wait=false"); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	})
	return k
}

// Try runs kubectl, and gives what it says.
func (k *Kube) Try(ctx context.Context, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, kubectl, append([]string{"--kubeconfig", k.Kubeconfig, "-n", k.Namespace}, arguments...)...)
	text, err := command.CombinedOutput()
	return string(text), err
}

// Must fails the test where kubectl fails.
func (k *Kube) Must(arguments ...string) string {
	k.Helper()
	text, err := k.Try(k.Context(), arguments...)
	if err != nil {
		k.Fatalf("kubectl %s: %v\n%s", strings.Join(arguments, " "), err, text)
	}
	return text
}

// Until waits for a condition; kinds are shown where it does not come.
func (k *Kube) Until(what, kinds string, holds func() bool) {
	k.Helper()
	deadline := time.Now().Add(Within)
	for !holds() {
		if time.Now().After(deadline) {
			k.Fatalf("not within %s: %s\n%s", Within, what, k.Must("get", kinds, "-o", "wide"))
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// Become writes a kubeconfig of one of the namespace's service accounts, and gives its path; nightshift is that of the manifests.
func (k *Kube) Become(account, folder string) string {
	k.Helper()
	namespace := k.Namespace
	if account == "nightshift" {
		namespace = account
	}
	text, err := os.ReadFile(k.Kubeconfig)
	if err != nil {
		k.Fatal(err)
	}
	path := filepath.Join(folder, account)
	as := bytes.Replace(text, []byte("  user:\n"), []byte("  user:\n    as: system:serviceaccount:"+namespace+":"+account+"\n"), 1)
	if err := os.WriteFile(path, as, 0o600); err != nil {
		k.Fatal(err)
	}
	return path
}
