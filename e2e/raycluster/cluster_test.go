package raycluster

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

const within = 2 * time.Minute

// kube speaks to the cluster through kubectl, in a namespace of the test.
type kube struct {
	testing.TB
	kubectl, kubeconfig, namespace string
}

var (
	program string // the nightshift binary under test
	config  string // the kubeconfig of the cluster; empty: there is none
	kubectl string
	real    *node.Network // of the cluster where its nodes run kubelet; nil: they are pretended
	cluster string        // the program that started it, where nodes are real
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		folder, err := os.MkdirTemp("", "nightshift-raycluster-*")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(folder) }()
		if end := prepare(folder); end != nil {
			defer end()
		}
		return m.Run()
	}())
}

// prepare finds the program and the cluster, or makes them. A KUBECONFIG counts only when cluster-up has written it: others may be somebody's production.
func prepare(folder string) (end func()) {
	if program = os.Getenv("NIGHTSHIFT_TEST_PROGRAM"); program == "" {
		program = filepath.Join(folder, "nightshift")
		run("go", "build", "-o", program, "nightshift.dev/nightshift/cmd/nightshift")
	}
	config = os.Getenv("KUBECONFIG")
	if text, err := os.ReadFile(config); err != nil || !bytes.Contains(text, []byte("\ncurrent-context: nightshift-cluster\n")) {
		config = ""
	}
	if size := os.Getenv("NIGHTSHIFT_CLUSTER"); config == "" && (size == "light" || size == "full") {
		cluster = filepath.Join(folder, "cluster")
		run("go", "build", "-o", cluster, "nightshift.dev/nightshift/e2e/cluster")
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
		real = &of.Network
	}
	if real != nil && cluster == "" {
		cluster = filepath.Join(folder, "cluster")
		run("go", "build", "-o", cluster, "nightshift.dev/nightshift/e2e/cluster")
	}
	return end
}

func run(name string, arguments ...string) string {
	command := exec.Command(name, arguments...)
	command.Stderr = os.Stderr
	said, err := command.Output()
	if err != nil {
		panic(fmt.Sprintf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, said))
	}
	return string(said)
}

// connect makes a namespace for a test whose pods are pretended.
func connect(t testing.TB) *kube {
	t.Helper()
	if real != nil {
		t.Skip("pods of this cluster are real: NIGHTSHIFT_CLUSTER=light for one where they are pretended")
	}
	return newKube(t)
}

func newKube(t testing.TB) *kube {
	t.Helper()
	if config == "" || kubectl == "" {
		t.Skip("no cluster: make cluster-up, then KUBECONFIG and PATH as it says; or NIGHTSHIFT_CLUSTER=light for one of the test's own")
	}
	k := &kube{TB: t, kubectl: kubectl, kubeconfig: config, namespace: fmt.Sprintf("sizes-%d", time.Now().UnixNano())}
	k.must("create", "namespace", k.namespace)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), within)
		defer cancel()
		if text, err := k.try(ctx, "delete", "namespace", k.namespace, "--wait=false"); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	})
	return k
}

func (k *kube) try(ctx context.Context, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, k.kubectl, append([]string{"--kubeconfig", k.kubeconfig, "-n", k.namespace}, arguments...)...)
	text, err := command.CombinedOutput()
	return string(text), err
}

func (k *kube) must(arguments ...string) string {
	k.Helper()
	text, err := k.try(k.Context(), arguments...)
	if err != nil {
		k.Fatalf("kubectl %s: %v\n%s", strings.Join(arguments, " "), err, text)
	}
	return text
}

// group is the worker group of the test's RayCluster.
type group struct {
	Replicas      int `json:"replicas"`
	ScaleStrategy struct {
		WorkersToDelete []string `json:"workersToDelete"`
	} `json:"scaleStrategy"`
}

type rayCluster struct {
	Metadata struct {
		Annotations     map[string]string `json:"annotations"`
		ResourceVersion string            `json:"resourceVersion"`
	} `json:"metadata"`
	Spec struct {
		Groups []group `json:"workerGroupSpecs"`
	} `json:"spec"`
}

func (k *kube) cluster() (of rayCluster) {
	k.Helper()
	if err := json.Unmarshal([]byte(k.must("get", "raycluster", "scoring", "-o", "json")), &of); err != nil {
		k.Fatal(err)
	}
	return of
}

// group is the spot group, the first.
func (k *kube) group() group {
	k.Helper()
	return k.cluster().Spec.Groups[0]
}

type pod struct {
	Metadata struct {
		Name     string `json:"name"`
		Deletion string `json:"deletionTimestamp"`
	} `json:"metadata"`
	Status struct {
		Conditions []struct{ Type, Status string } `json:"conditions"`
	} `json:"status"`
}

func (p pod) ready() bool {
	for _, one := range p.Status.Conditions {
		if one.Type == "Ready" {
			return one.Status == "True" && p.Metadata.Deletion == ""
		}
	}
	return false
}

func (k *kube) pods(ctx context.Context) map[string]pod {
	text, err := k.try(ctx, "get", "pods", "-l", "ray.io/node-type=worker", "-o", "json")
	var list struct {
		Items []pod `json:"items"`
	}
	if err != nil || json.Unmarshal([]byte(text), &list) != nil {
		return nil
	}
	pods := map[string]pod{}
	for _, one := range list.Items {
		pods[one.Metadata.Name] = one
	}
	return pods
}

// until waits for a condition of the cluster.
func (k *kube) until(what string, holds func() bool) {
	k.Helper()
	deadline := time.Now().Add(within)
	for !holds() {
		if time.Now().After(deadline) {
			k.Fatalf("not within %s: %s\n%s", within, what, k.must("get", "raycluster,pods", "-o", "wide"))
		}
		time.Sleep(200 * time.Millisecond)
	}
}
