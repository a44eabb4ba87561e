// Package node runs nodes of a Kubernetes cluster on one machine, without containers around them: a network for nodes and pods, images, and
// for each node a process that is the first of its own process, mount, network, cgroup, host name and message namespaces. Kill it, and
// the kernel ends all that runs on the node, its mounts and its interfaces.
package node

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Node is what the first process of a node has to know.
type Node struct {
	Name       string
	Capacity   string // of the label nightshift.dev/capacity-type
	Number     int    // from 1 on; its part of the ranges
	Network    Network
	Folder     string // of its own; lost with it
	Logs       string // folder, which stays
	Kubeconfig string
	Authority  string // file with the certificate of whoever may ask kubelet
	Kubelet    string // program
	KubeProxy  string // program
	Images     []string
}

// Cgroup is the name of the node's cgroup in each hierarchy.
func (n Node) Cgroup() string { return n.Network.Interface + "-" + n.Name }

func (n Node) file(name string) string { return filepath.Join(n.Folder, name) }

// Prepare makes the node's folder anew, as a machine comes without what the one before it had, and returns the file that Run reads.
func (n Node) Prepare() (string, error) {
	if err := os.RemoveAll(n.Folder); err != nil {
		return "", err
	}
	for _, name := range []string{"lib", "log", "cni"} {
		if err := os.MkdirAll(n.file(name), 0o700); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(n)
	if err != nil {
		return "", err
	}
	files := map[string]string{
		"node.json": string(text), "resolv.conf": "", "containerd.toml": n.containerd(), "kubelet.yaml": n.kubelet(), "kube-proxy.yaml": n.proxy(), "cni/10-nightshift.conflist": n.cni(),
	}
	for name, text := range files {
		if err := os.WriteFile(n.file(name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return n.file("node.json"), nil
}

// containerd keeps its data where it does so by default: the node has folders of its own there. restrict_oom_score_adj is for a root that
// may not lower the score, and cannot start a pod otherwise.
func (n Node) containerd() string {
	return fmt.Sprintf(`version = 2
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`, pauseImage, "/"+pluginFolder, n.file("cni"))
}

// kubelet neither collects images, which no registry has, nor evicts pods from a machine that others use, too. A node that says nothing for
// eight seconds is taken for lost.
func (n Node) kubelet() string {
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: %q}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
clusterDNS: [%s]
clusterDomain: cluster.local
resolvConf: %q
volumePluginDir: /var/lib/kubelet/plugins
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 200Mi, nodefs.available: 1%%, imagefs.available: 1%%}
nodeStatusUpdateFrequency: 2s
nodeLeaseDurationSeconds: 8
registryPullQPS: 0
serializeImagePulls: false
`, n.Authority, n.Network.Router(), n.file("resolv.conf"))
}

func (n Node) proxy() string {
	return fmt.Sprintf(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: %q}
mode: iptables
clusterCIDR: %s
hostnameOverride: %s
conntrack: {maxPerCore: 0, min: 0}
iptables: {minSyncPeriod: 0s}
`, n.Kubeconfig, n.Network.Pods, n.Name)
}

func (n Node) cni() string {
	return fmt.Sprintf(`{"cniVersion": "1.0.0", "name": "nightshift", "plugins": [{
  "type": "bridge", "bridge": "pods", "isGateway": true, "hairpinMode": true, "ipMasq": false,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "%s"}]], "routes": [{"dst": "0.0.0.0/0"}]}
}]}
`, n.Network.podsOf(n.Number))
}
