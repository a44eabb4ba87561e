package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Namespaces are those in which Run has to be the first process.
const Namespaces = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC

// RouterNamespace is that of the process which holds the router.
const RouterNamespace = syscall.CLONE_NEWNET

// networkWithin bounds the wait for the network, which is made from outside when the process is there.
const networkWithin = time.Minute

// hidden are folders of the machine which the node has of its own.
var hidden = []string{"/run", "/var/lib", "/var/log", "/proc", "/sys"}

// Hidden says which folder, if any, keeps a path of the machine from being seen on nodes.
func Hidden(path string) string {
	for _, folder := range hidden {
		if path == folder || strings.HasPrefix(path, folder+"/") {
			return folder
		}
	}
	return ""
}

// tunables of the kernel are the whole machine's. Kubelet sets these, or gives up: on a node they are files, which say what it wants.
var tunables = map[string]string{
	"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1", "kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
}

// Run is the life of a node, which ends with the first of containerd, kubelet and kube-proxy that ends. It returns the reason.
func Run(file string) error {
	if os.Getpid() != 1 {
		return errors.New("a node's process is the first of its own namespaces: up and node up start it")
	}
	text, err := os.ReadFile(file) //nolint:gosec // which node it is
	if err != nil {
		return err
	}
	var n Node
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	runtime.LockOSThread() // its cgroup namespace is that of what it starts
	for _, step := range []func() error{n.settle, n.awaitNetwork} {
		if err := step(); err != nil {
			return err
		}
	}
	return n.serve()
}

// settle leaves the machine's mounts and cgroups for the node's own. Nothing may be mounted before mounts are private: the machine would
// see it.
func (n Node) settle() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Sethostname([]byte(n.Name)); err != nil {
		return err
	}
	if err := n.settleCgroups(); err != nil {
		return err
	}
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
	}{
		{"proc", "/proc", "proc", 0}, {"tmpfs", "/run", "tmpfs", 0}, {n.file("lib"), "/var/lib", "", unix.MS_BIND}, {n.file("log"), "/var/log", "", unix.MS_BIND},
	} {
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s at %s: %w", m.source, m.target, err)
		}
	}
	return hideTunables()
}

func (n Node) settleCgroups() error {
	all, err := presentHierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		if err := h.join(n.Cgroup()); err != nil {
			return err
		}
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("a cgroup namespace: %w", err)
	}
	if err := unix.Unmount("/sys", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("the machine's /sys: %w", err)
	}
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return fmt.Errorf("mount /sys: %w", err)
	}
	if all[0].point != "/sys/fs/cgroup" { // several hierarchies, in a folder
		if err := unix.Mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("mount /sys/fs/cgroup: %w", err)
		}
	}
	for _, h := range all {
		if err := h.mount(); err != nil {
			return err
		}
	}
	return nil
}

func hideTunables() error {
	for name, value := range tunables {
		file := filepath.Join("/run/tunables", strings.ReplaceAll(name, "/", "."))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
			return err
		}
		if err := unix.Mount(file, "/proc/sys/"+name, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("hide %s: %w", name, err)
		}
	}
	return nil
}

// awaitNetwork waits for the way out, the last that is made.
func (n Node) awaitNetwork() error {
	for end := time.Now().Add(networkWithin); ; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile("/proc/self/net/route")
		if err != nil {
			return err
		}
		if strings.Contains(string(text), "eth0\t00000000\t") {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("no network within %s", networkWithin)
		}
	}
	for _, name := range []string{"net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"} {
		if err := os.WriteFile("/proc/sys/"+name, []byte("1"), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// serve starts the node's daemons, and takes care of every process whose parent has ended.
func (n Node) serve() error {
	daemons := map[int]string{}
	start := func(name, program string, arguments ...string) error {
		pid, err := n.start(name, program, arguments...)
		if err == nil {
			daemons[pid] = name
		}
		return err
	}
	if err := start("containerd", "containerd", "--config", n.file("containerd.toml")); err != nil {
		return err
	}
	for _, image := range n.Images {
		if _, err := execute(context.Background(), "", "ctr", "--connect-timeout", "30s", "--namespace", "k8s.io", "images", "import", image); err != nil {
			return err
		}
	}
	if err := start("kubelet", n.Kubelet, "--config", n.file("kubelet.yaml"), "--kubeconfig", n.Kubeconfig, "--hostname-override", n.Name, "--node-ip", n.Network.Node(n.Number).String(),
		"--node-labels", "nightshift.dev/capacity-type="+n.Capacity); err != nil {
		return err
	}
	if err := start("kube-proxy", n.KubeProxy, "--config", n.file("kube-proxy.yaml")); err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait for processes: %w", err)
		}
		if name, known := daemons[pid]; known {
			return fmt.Errorf("%s has ended (%v): its log is %s", name, describe(status), n.log(name))
		}
	}
}

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "signal " + status.Signal().String()
	}
	return fmt.Sprintf("exit code %d", status.ExitStatus())
}

func (n Node) log(name string) string { return filepath.Join(n.Logs, n.Name+"-"+name+".log") }

// start begins a daemon's log anew.
func (n Node) start(name, program string, arguments ...string) (int, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return 0, err
	}
	log, err := os.Create(n.log(name))
	if err != nil {
		return 0, err
	}
	defer log.Close() //nolint:errcheck // the process has its own
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer nothing.Close() //nolint:errcheck // the process has its own
	process, err := os.StartProcess(path, append([]string{program}, arguments...), &os.ProcAttr{
		Dir: "/", Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=/run"}, Files: []*os.File{nothing, log, log},
	})
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", name, err)
	}
	pid := process.Pid // which its release forgets
	return pid, process.Release()
}
