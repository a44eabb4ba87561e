package node

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// machine is what nodes are to run on.
type machine struct {
	user  int   // effective, 0 for root
	files fs.FS // from the root folder on
	// program says whether PATH has one of this name.
	program func(name string) bool
}

// Lacks says all that keeps nodes from running on this machine, each with what helps; empty: nothing does.
func Lacks() []string { return thisMachine().lacks() }

func thisMachine() machine {
	return machine{user: os.Geteuid(), files: os.DirFS("/"), program: func(name string) bool {
		_, err := exec.LookPath(name)
		return err == nil
	}}
}

// plugins of the pods' network, by their names without the first slash. The folder is that of Debian's and Ubuntu's package.
var plugins = []string{pluginFolder + "/bridge", pluginFolder + "/host-local", pluginFolder + "/loopback"}

const pluginFolder = "usr/lib/cni"

// programs that real nodes need, and the packages of Debian and Ubuntu that have them.
var programs = []struct{ name, pack string }{
	{"containerd", "containerd"}, {"containerd-shim-runc-v2", "containerd"}, {"ctr", "containerd"}, {"runc", "runc"},
	{"ip", "iproute2"}, {"iptables", "iptables"}, {"nsenter", "util-linux"},
}

// capabilities by their bits, as capabilities(7) numbers them. Root has them, but not in most containers.
var capabilities = []struct {
	name string
	bit  uint
	use  string
}{
	{"CAP_NET_ADMIN", 12, "networks of nodes and pods"},
	{"CAP_SYS_ADMIN", 21, "namespaces and mounts of nodes and pods"},
}

func (m machine) lacks() []string {
	var all []string
	if m.user != 0 {
		all = append(all, fmt.Sprintf("root, for namespaces, mounts and cgroups: this is user %d", m.user))
	} else {
		all = append(all, m.lacksCapabilities()...)
	}
	all = append(all, m.lacksKernel()...)
	return append(all, m.lacksPrograms()...)
}

func (m machine) lacksCapabilities() []string {
	text, err := fs.ReadFile(m.files, "proc/self/status")
	if err != nil {
		return []string{"/proc, to see what this process may do: " + err.Error()}
	}
	_, rest, _ := strings.Cut(string(text), "CapEff:")
	line, _, _ := strings.Cut(rest, "\n")
	effective, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	if err != nil {
		return []string{"CapEff in /proc/self/status, to see what this process may do: " + err.Error()}
	}
	var all []string
	for _, c := range capabilities {
		if effective>>c.bit&1 == 0 {
			all = append(all, fmt.Sprintf("%s, for %s: this root lacks it, as in most containers", c.name, c.use))
		}
	}
	return all
}

// lacksKernel looks for what is there or not before anything is installed.
func (m machine) lacksKernel() []string {
	var all []string
	if text, err := fs.ReadFile(m.files, "proc/filesystems"); err != nil || !slices.Contains(strings.Fields(string(text)), "overlay") {
		all = append(all, "the overlay file system, for images"+why(err)+": modprobe overlay")
	}
	if _, err := fs.Stat(m.files, "proc/sys/net/bridge/bridge-nf-call-iptables"); err != nil {
		all = append(all, "filtering on bridges, for services between pods of one node: modprobe br_netfilter")
	}
	if text, err := fs.ReadFile(m.files, "proc/self/mounts"); err != nil || !writableCgroup(string(text)) {
		all = append(all, "a mount of cgroups that may be written, for pods"+why(err)+": containers mostly have none")
	}
	return all
}

// writableCgroup reads lines of proc_mounts(5): device, folder, type, options.
func writableCgroup(mounts string) bool {
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) > 3 && strings.HasPrefix(fields[2], "cgroup") && slices.Contains(strings.Split(fields[3], ","), "rw") {
			return true
		}
	}
	return false
}

// lacksPrograms names what is not there, and one command that installs all of it.
func (m machine) lacksPrograms() []string {
	var names, packages []string
	for _, p := range programs {
		if !m.program(p.name) {
			names, packages = append(names, p.name), append(packages, p.pack)
		}
	}
	for _, path := range plugins {
		if _, err := fs.Stat(m.files, path); err != nil {
			names, packages = append(names, "/"+path), append(packages, "containernetworking-plugins")
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(packages)
	return []string{fmt.Sprintf("%s; on Debian and Ubuntu: apt-get install --no-install-recommends %s", strings.Join(names, ", "), strings.Join(slices.Compact(packages), " "))}
}

func why(err error) string {
	if err == nil {
		return ""
	}
	return " (" + err.Error() + ")"
}
