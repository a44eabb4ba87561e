package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const within = 2 * time.Minute

// client speaks to a running cluster through kubectl, in a namespace of the test.
type client struct {
	kubectl, kubeconfig, namespace, cache string
}

// pod is as much of a pod as the test looks at.
type pod struct {
	Metadata struct{ Name, UID string }
	Spec     struct{ NodeName string }
	Status   struct {
		Phase      string
		Conditions []condition
	}
}

// TestRayClusterOnFakeNodes resizes a worker group as nightshift does it: by patches that the API server refuses when the group is not as it was.
func TestRayClusterOnFakeNodes(t *testing.T) {
	c := connect(t)
	c.mustRun(t, "create", "--validate=false", "-f", filepath.Join("testdata", "raycluster.yaml"))
	c.waitForPods(t, "head", 1, "on-demand-")

	c.mustRun(t, "patch", "raycluster", "scoring", "--type=json", "-p", resize(0, 3, ""))
	workers := c.waitForPods(t, "worker", 3, "spot-")

	before := c.mustRun(t, "get", "raycluster", "scoring", "-o", "jsonpath={.metadata.generation} {.spec}")
	refused, err := c.run(t.Context(), "-v=6", "patch", "raycluster", "scoring", "--type=json", "-p", resize(0, 8, ""))
	if err == nil || !strings.Contains(refused, "422 Unprocessable Entity") {
		t.Fatalf("a patch that takes the group for an empty one: %v\n%s", err, refused)
	}
	if after := c.mustRun(t, "get", "raycluster", "scoring", "-o", "jsonpath={.metadata.generation} {.spec}"); after != before {
		t.Fatalf("after a refused patch\n%s\nbefore\n%s", after, before)
	}

	victim := workers[1]
	c.mustRun(t, "patch", "raycluster", "scoring", "--type=json", "-p", resize(3, 2, victim.Metadata.Name))
	c.mustRun(t, "wait", "--for=delete", "pod/"+victim.Metadata.Name, "--timeout="+within.String())
	c.waitForStatus(t, 2)
	want := slices.Delete(identities(workers), 1, 2)
	if left := identities(c.waitForPods(t, "worker", 2, "spot-")); !slices.Equal(left, want) {
		t.Fatalf("left are %v, want %v: those that were not named", left, want)
	}
}

// resize is a patch with guards; victim, unless it is empty, is the pod to take away.
func resize(from, to int, victim string) string {
	const group = "/spec/workerGroupSpecs/0"
	patch := []map[string]any{
		{"op": "test", "path": group + "/groupName", "value": "spot"},
		{"op": "test", "path": group + "/replicas", "value": from},
		{"op": "replace", "path": group + "/replicas", "value": to},
	}
	if victim != "" {
		patch = append(patch, map[string]any{"op": "add", "path": group + "/scaleStrategy", "value": map[string]any{"workersToDelete": []string{victim}}})
	}
	text, err := json.Marshal(patch)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// connect skips where no cluster was asked for. A KUBECONFIG is used only when up has written it: others may be somebody's production.
func connect(t *testing.T) *client {
	t.Helper()
	kubeconfig, light := os.Getenv("KUBECONFIG"), os.Getenv("NIGHTSHIFT_CLUSTER") == "light"
	if kubeconfig == "" && !light {
		t.Skip("no cluster of nodes that are pretended: make cluster-up and KUBECONFIG, or NIGHTSHIFT_CLUSTER=light for one of the test's own")
	}
	programs := builtPrograms(t, sets)
	if light {
		kubeconfig = ownCluster(t)
	} else if text, err := os.ReadFile(kubeconfig); err != nil || !bytes.Contains(text, []byte("\ncurrent-context: "+contextName+"\n")) {
		t.Skipf("no cluster for tests: KUBECONFIG=%s is not what make cluster-up writes (%v)", kubeconfig, err)
	}
	return newClient(t, programs["kubectl"], kubeconfig)
}

// newClient makes the namespace, and deletes it when the test ends.
func newClient(t *testing.T, kubectl, kubeconfig string) *client {
	t.Helper()
	c := &client{kubectl: kubectl, kubeconfig: kubeconfig, namespace: fmt.Sprintf("smoke-%d", time.Now().UnixNano()), cache: t.TempDir()}
	c.mustRun(t, "create", "namespace", c.namespace)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), within)
		defer cancel()
		if text, err := c.run(ctx, "delete", "namespace", c.namespace); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	})
	return c
}

// builtPrograms builds nothing: that takes a quarter of an hour, and is asked for by name.
func builtPrograms(t *testing.T, wanted []set) built {
	t.Helper()
	tools, err := toolsFolder()
	if err != nil {
		t.Fatal(err)
	}
	cache, err := cacheFolder()
	if err != nil {
		t.Fatal(err)
	}
	programs, missing, err := find(wanted, tools, cache)
	if err != nil {
		t.Fatal(err)
	}
	if len(missing) > 0 {
		t.Skipf("no cluster: %s and %d more are not built; make cluster-up builds them", missing[0].name, len(missing)-1)
	}
	return programs
}

// ownCluster runs until the end of the test, and leaves neither process nor file.
func ownCluster(t *testing.T) (kubeconfig string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cluster")
	var complaints bytes.Buffer
	if code := run(t.Context(), []string{"up", "--dir", dir}, t.Output(), &complaints); code != 0 {
		t.Fatalf("up: exit code %d\n%s", code, complaints.String())
	}
	all, err := processes(dir)
	if err != nil || len(all) != 6 {
		t.Fatalf("%d processes, want 6: %v", len(all), err)
	}
	t.Cleanup(func() {
		if code := run(context.WithoutCancel(t.Context()), []string{"down", "--dir", dir}, t.Output(), &complaints); code != 0 {
			t.Errorf("down: exit code %d\n%s", code, complaints.String())
		}
		for _, p := range all {
			if runs, err := p.runs(); runs || err != nil {
				t.Errorf("%s runs after down: %v %v", p.name, runs, err)
			}
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s after down: %v", dir, err)
		}
	})
	return filepath.Join(dir, "kubeconfig")
}

func (c *client) run(ctx context.Context, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	command := exec.CommandContext(ctx, c.kubectl, append([]string{"--kubeconfig", c.kubeconfig, "--cache-dir", c.cache, "--namespace", c.namespace}, arguments...)...)
	text, err := command.CombinedOutput()
	return string(text), err
}

func (c *client) mustRun(t *testing.T, arguments ...string) string {
	t.Helper()
	text, err := c.run(t.Context(), arguments...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(arguments, " "), err, text)
	}
	return text
}

// waitForPods waits until there are exactly count pods of a kind (head, worker), each Running and Ready on a node whose name begins so.
func (c *client) waitForPods(t *testing.T, kind string, count int, node string) []pod {
	t.Helper()
	var list struct{ Items []pod }
	err := await(t.Context(), fmt.Sprintf("%d %s pods", count, kind), within, nil, func(ctx context.Context) error {
		text, err := c.run(ctx, "get", "pods", "-l", "ray.io/cluster=scoring,ray.io/node-type="+kind, "-o", "json")
		if err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
		list.Items = nil
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			return err
		}
		ready := 0
		for _, p := range list.Items {
			if p.Status.Phase == "Running" && holds(p.Status.Conditions, "Ready") == nil && strings.HasPrefix(p.Spec.NodeName, node) {
				ready++
			}
		}
		if ready != count || len(list.Items) != count {
			return fmt.Errorf("%d pods, %d of them ready on nodes %s*: %+v", len(list.Items), ready, node, list.Items)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// waitForStatus waits until the operator has seen the present specification and counts so many workers.
func (c *client) waitForStatus(t *testing.T, workers int) {
	t.Helper()
	err := await(t.Context(), fmt.Sprintf("a status of %d workers", workers), within, nil, func(ctx context.Context) error {
		text, err := c.run(ctx, "get", "raycluster", "scoring", "-o", "jsonpath={.metadata.generation} {.status.observedGeneration} {.status.desiredWorkerReplicas} {.status.availableWorkerReplicas}")
		if err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
		var generation, observed, desired, available int
		if _, err := fmt.Sscan(text, &generation, &observed, &desired, &available); err != nil || generation != observed || desired != workers || available != workers {
			return fmt.Errorf("generation, observed, desired, available: %s (%v)", text, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// identities of pods, in the order of names: a pod that was made anew has another one.
func identities(pods []pod) []string {
	var all []string
	for _, p := range pods {
		all = append(all, p.Metadata.Name+" "+p.Metadata.UID)
	}
	return all
}
