package node

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func network() Network {
	return Network{Interface: Label("/cluster"), Nodes: netip.MustParsePrefix("10.128.0.0/16"), Pods: netip.MustParsePrefix("10.129.0.0/16"), Services: netip.MustParsePrefix("10.130.0.0/16")}
}

func TestAddresses(t *testing.T) {
	n := network()
	got := []string{n.Machine().String(), n.Router().String(), n.API().String(), n.Node(MostNodes).String(), n.gateway(2).String(), n.podsOf(2).String()}
	want := []string{"10.128.0.1", "10.128.0.2", "10.130.0.1", "10.128.254.2", "10.128.2.1", "10.129.2.0/24"}
	if !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
}

// The kernel takes no interface with a longer name than 15 characters.
func TestLabelsTellFoldersApart(t *testing.T) {
	if one, other := Label("/a"), Label("/b"); one == other || len(one) > 15 {
		t.Fatalf("%s and %s", one, other)
	}
}

// What a machine with several hierarchies has, and one with one.
func TestHierarchies(t *testing.T) {
	const mounts = `22 27 0:21 / /proc rw,relatime - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
`
	want := []hierarchy{{"/sys/fs/cgroup/cpu,cpuacct", "cgroup", "cpu,cpuacct"}, {"/sys/fs/cgroup/systemd", "cgroup", "none,name=systemd"}, {"/sys/fs/cgroup/unified", "cgroup2", ""}}
	if got := hierarchies(mounts); !slices.Equal(got, want) {
		t.Fatalf("%q, want %q", got, want)
	}
}

func TestRemovedCgroupsAreAllOfThem(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "node")
	if err := os.MkdirAll(filepath.Join(folder, "kubepods", "pod"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing
		if err := removeCgroup(folder); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

func TestNodesDoNotSeeSomeFolders(t *testing.T) {
	for path, want := range map[string]string{"/var/lib/cluster": "/var/lib", "/run": "/run", "/runs/a": "", "/root/a": "", "/var/library": ""} {
		if got := Hidden(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// A node that comes back has nothing of the one that was lost.
func TestNodesBeginAnew(t *testing.T) {
	n := Node{Name: "spot-1", Capacity: "spot", Number: 2, Network: network(), Folder: filepath.Join(t.TempDir(), "spot-1"), Images: []string{"pause.tar"}, Kubeconfig: "/cluster/kubeconfig"}
	file, err := n.Prepare()
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(n.Folder, "lib", "containerd")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if again, err := n.Prepare(); err != nil || again != file {
		t.Fatal(again, err)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("data of the node before: %v", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var read Node
	if err := json.Unmarshal(text, &read); err != nil || read.Cgroup() != n.Network.Interface+"-spot-1" || read.Network != n.Network || !slices.Equal(read.Images, n.Images) {
		t.Fatalf("%+v %v", read, err)
	}
	for name, want := range map[string]string{"kubelet.yaml": "clusterDNS: [10.128.0.2]\n", "kube-proxy.yaml": "clusterCIDR: 10.129.0.0/16\n", "cni/10-nightshift.conflist": `"subnet": "10.129.2.0/24"`, "containerd.toml": `sandbox_image = "docker.io/nightshift/pause:1"`} {
		if text, err := os.ReadFile(filepath.Join(n.Folder, name)); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s without %q: %v\n%s", name, want, err, text)
		}
	}
}

// Outside of its namespaces it would mount over the machine's folders.
func TestNodeRunsOnlyAsTheFirstProcess(t *testing.T) {
	if err := Run(filepath.Join(t.TempDir(), "node.json")); err == nil || !strings.Contains(err.Error(), "the first of its own namespaces") {
		t.Fatal(err)
	}
}

func TestHowADaemonHasEnded(t *testing.T) {
	if got := describe(syscall.WaitStatus(0x0100)); got != "exit code 1" {
		t.Error(got)
	}
	if got := describe(syscall.WaitStatus(syscall.SIGKILL)); got != "signal killed" {
		t.Error(got)
	}
}
