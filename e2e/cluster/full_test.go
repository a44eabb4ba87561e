package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"nightshift.dev/nightshift/e2e/cluster/node"
	"nightshift.dev/nightshift/e2e/raytest"
)

// TestMain lets up start this program as a node, too.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == runNode {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// fullCluster starts a cluster of two nodes, or skips with the reason.
func fullCluster(t *testing.T) (dir string, c *client) {
	t.Helper()
	if os.Getenv("NIGHTSHIFT_CLUSTER") != "full" {
		t.Skip("no cluster of real nodes: NIGHTSHIFT_CLUSTER=full")
	}
	if lacks := node.Lacks(); len(lacks) > 0 {
		t.Skipf("no real nodes on this machine, which lacks\n  %s", strings.Join(lacks, "\n  "))
	}
	programs := builtPrograms(t, slices.Concat(sets, realSets))
	dir = filepath.Join(t.TempDir(), "cluster")
	mustCommand(t, "up", "--size", "full", "--dir", dir)
	t.Cleanup(func() { // what a failed test has left
		if _, err := os.Stat(dir); err == nil {
			mustCommand(t, "down", "--dir", dir)
		}
	})
	return dir, &client{kubectl: programs["kubectl"], kubeconfig: filepath.Join(dir, "kubeconfig"), namespace: "default", cache: t.TempDir()}
}

func mustCommand(t *testing.T, arguments ...string) string {
	t.Helper()
	var out, complaints bytes.Buffer
	if code := run(context.WithoutCancel(t.Context()), arguments, &out, &complaints); code != 0 {
		t.Fatalf("cluster %s: exit code %d\n%s%s", strings.Join(arguments, " "), code, out.String(), complaints.String())
	}
	t.Logf("cluster %s\n%s", strings.Join(arguments, " "), out.String())
	return out.String()
}

// TestRealNodes goes through the life of a cluster: Ray on two nodes, the loss of one, its return, and an end of which nothing stays.
func TestRealNodes(t *testing.T) {
	manifest := raytest.Manifest(t, t.TempDir())
	before := machineState(t)
	dir, c := fullCluster(t)
	r, err := readReal(dir)
	if err != nil {
		t.Fatal(err)
	}

	c.mustRun(t, "create", "--validate=false", "-f", manifest)
	head := c.waitForPods(t, "head", 1, "on-demand-1")[0].Metadata.Name
	c.mustRun(t, "patch", "raycluster", "scoring", "--type=json", "-p", resize(0, 1, ""))
	c.mustRun(t, "patch", "raycluster", "scoring", "--type=json", "-p", strings.ReplaceAll(strings.ReplaceAll(resize(0, 1, ""), "Specs/0", "Specs/1"), `"spot"`, `"on-demand"`))
	workers := c.waitForPods(t, "worker", 2, "")
	lost, left := workers[0], workers[1]
	if lost.Spec.NodeName != "spot-1" {
		lost, left = left, lost
	}
	if lost.Spec.NodeName != "spot-1" || left.Spec.NodeName != "on-demand-1" {
		t.Fatalf("workers run on %s and %s", lost.Spec.NodeName, left.Spec.NodeName)
	}
	if text := c.mustRun(t, "exec", head, "--", "ray", "status"); !strings.Contains(text, "0.0/2.0 GPU") {
		t.Errorf("Ray does not have a GPU of each worker:\n%s", text)
	}
	running := traces(t, r.Network)

	mustCommand(t, "node", "kill", "spot-1", "--dir", dir)
	c.waitForReady(t, lost.Metadata.Name, "False")
	c.waitForReady(t, left.Metadata.Name, "True")
	if text := mustCommand(t, "status", "--dir", dir); !strings.Contains(text, "spot-1                     killed\n") {
		t.Errorf("status of a node that was killed:\n%s", text)
	}
	mustCommand(t, "node", "up", "--dir", dir, "spot-1")
	again := c.waitForPods(t, "worker", 2, "")
	if slices.Contains(identities(again), identities([]pod{lost})[0]) || !slices.Contains(identities(again), identities([]pod{left})[0]) {
		t.Errorf("workers %v, want another one than %s beside %s", identities(again), lost.Metadata.Name, left.Metadata.Name)
	}

	endDaemon(t, dir, "spot-1", "kube-proxy")
	mustCommand(t, "down", "--dir", dir)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s after down: %v", dir, err)
	}
	for kind, found := range traces(t, r.Network) {
		if len(found) > 0 {
			t.Errorf("%s after down: %v", kind, found)
		}
		if len(running[kind]) == 0 {
			t.Errorf("of a running cluster no %s are seen: its end proves nothing", kind)
		}
	}
	for _, namespace := range running["namespaces"] {
		if slices.Contains(namespaces(t, func(string) bool { return true }), namespace) {
			t.Errorf("a process is in %s after down", namespace)
		}
	}
	if after := machineState(t); !maps.Equal(before, after) {
		t.Errorf("the machine after down: %v\nbefore up: %v", after, before)
	}
}

// endDaemon kills a daemon of a node, which ends with it, and says why.
func endDaemon(t *testing.T, dir, name, daemon string) {
	t.Helper()
	p, err := named(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := exec.CommandContext(t.Context(), "sh", "-c", fmt.Sprintf("cat /proc/%d/task/*/children", p.pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(child)
		if err != nil {
			t.Fatal(err)
		}
		if command, err := os.ReadFile(filepath.Join("/proc", child, "comm")); err == nil && string(command) == daemon+"\n" {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := await(t.Context(), "the end of "+name, within, nil, func(context.Context) error {
		if runs, err := p.runs(); runs || err != nil {
			return fmt.Errorf("it runs: %v", err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if said, err := os.ReadFile(p.log); err != nil || !strings.Contains(string(said), daemon+" has ended (signal killed)") {
		t.Errorf("%s says %q %v", name, said, err)
	}
	var out, complaints bytes.Buffer
	if code := run(t.Context(), []string{"status", "--dir", dir}, &out, &complaints); code != 1 || !strings.Contains(complaints.String(), "1 of 10 have ended") {
		t.Errorf("status: %d %s%s", code, out.String(), complaints.String())
	}
}

// waitForReady waits for the pod's condition, which the controllers take away when the node is lost.
func (c *client) waitForReady(t *testing.T, pod, wanted string) {
	t.Helper()
	c.mustRun(t, "wait", "pod/"+pod, "--for=condition=Ready="+wanted, "--timeout="+within.String())
}

// traces of a cluster on the machine, outside of its folder.
func traces(t *testing.T, network node.Network) map[string][]string {
	t.Helper()
	found := map[string][]string{"interfaces": nil, "routes": nil, "cgroups": nil}
	for _, of := range []struct{ kind, object, name string }{{"interfaces", "link", network.Interface}, {"routes", "route", strings.TrimSuffix(network.Pods.String(), ".0.0/16")}} {
		arguments := []string{"-o", of.object, "show"}
		if of.object == "route" {
			arguments = append(arguments, "table", "all")
		}
		text, err := exec.CommandContext(t.Context(), "ip", arguments...).Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, of.name) {
				found[of.kind] = append(found[of.kind], strings.TrimSpace(line))
			}
		}
	}
	if err := filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(entry.Name(), network.Interface) {
			found["cgroups"] = append(found["cgroups"], path)
		}
		return nil // other cgroups come and go
	}); err != nil {
		t.Fatal(err)
	}
	found["namespaces"] = namespaces(t, func(cgroups string) bool { return strings.Contains(cgroups, network.Interface) })
	return found
}

// namespaces of processes in cgroups that are chosen, without those of the test itself.
func namespaces(t *testing.T, chosen func(cgroups string) bool) []string {
	t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, process := range processes {
		pid, err := strconv.Atoi(filepath.Base(process))
		if err != nil {
			t.Fatal(err)
		}
		if _, runs, err := identity(pid); !runs || err != nil {
			continue // ended, and its parent has not asked for it yet
		}
		if cgroups, err := os.ReadFile(filepath.Join(process, "cgroup")); err != nil || !chosen(string(cgroups)) {
			continue // others come and go
		}
		for _, kind := range []string{"net", "mnt", "pid", "cgroup", "uts", "ipc"} {
			own, err := os.Readlink("/proc/self/ns/" + kind)
			if err != nil {
				t.Fatal(err)
			}
			if namespace, err := os.Readlink(filepath.Join(process, "ns", kind)); err == nil && namespace != own {
				seen[namespace] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// machineState is what kubelet, containerd and kube-proxy change on a machine that they have for themselves.
func machineState(t *testing.T) map[string]string {
	t.Helper()
	state := map[string]string{}
	for _, folder := range []string{"/run/containerd", "/run/netns", "/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/log/pods", "/usr/libexec/kubernetes", "/opt/containerd", "/sys/fs/cgroup/memory/kubepods", "/sys/fs/cgroup/memory/k8s.io"} {
		entries, err := os.ReadDir(folder)
		state[folder] = fmt.Sprint(len(entries), " ", errors.Is(err, fs.ErrNotExist))
	}
	for _, name := range []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "net/ipv4/ip_forward", "net/ipv4/conf/all/route_localnet"} {
		text, err := os.ReadFile("/proc/sys/" + name)
		state[name] = fmt.Sprint(string(text), err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	state["mounts"] = fmt.Sprint(string(mounts), err)
	return state
}
