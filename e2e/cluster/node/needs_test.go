package node

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// able is a machine that lacks nothing. Programs of its list are not there.
func able(without ...string) machine {
	files := fstest.MapFS{
		"proc/self/status": {Data: []byte("Name:\tcluster\nCapPrm:\t0000000000201000\nCapEff:\t0000000000201000\nCapBnd:\t0\n")},
		"proc/filesystems": {Data: []byte("nodev\ttmpfs\nnodev\toverlay\n\text4\n")},
		"proc/self/mounts": {Data: []byte("/dev/vda / ext4 rw,relatime 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,relatime 0 0\n")},
		"proc/sys/net/bridge/bridge-nf-call-iptables": {},
	}
	for _, path := range plugins {
		files[path] = &fstest.MapFile{}
	}
	return machine{files: files, program: func(name string) bool { return !slices.Contains(without, name) }}
}

func TestMachineLacksNothing(t *testing.T) {
	if all := able().lacks(); len(all) > 0 {
		t.Fatalf("lacks %q", all)
	}
}

func TestEachThingThatAMachineLacks(t *testing.T) {
	write := func(path, text string) func(*machine) {
		return func(m *machine) { m.files.(fstest.MapFS)[path] = &fstest.MapFile{Data: []byte(text)} }
	}
	without := func(path string) func(*machine) {
		return func(m *machine) { delete(m.files.(fstest.MapFS), path) }
	}
	cases := map[string]struct {
		change func(*machine)
		want   string
	}{
		"user":              {func(m *machine) { m.user = 1000 }, "root, for namespaces, mounts and cgroups: this is user 1000"},
		"no network rights": {write("proc/self/status", "CapEff:\t0000000000200000\n"), "CAP_NET_ADMIN, for networks of nodes and pods"},
		"no mount rights":   {write("proc/self/status", "CapEff:\t0000000000001000\n"), "CAP_SYS_ADMIN, for namespaces and mounts"},
		"odd status":        {write("proc/self/status", "Name:\tcluster\n"), "CapEff in /proc/self/status"},
		"no proc":           {without("proc/self/status"), "/proc, to see what this process may do"},
		"no overlay":        {write("proc/filesystems", "nodev\ttmpfs\n"), "modprobe overlay"},
		"no bridge filter":  {without("proc/sys/net/bridge/bridge-nf-call-iptables"), "modprobe br_netfilter"},
		"read-only cgroup":  {write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 ro,relatime 0 0\n/dev/vda / ext4 rw 0 0\n"), "a mount of cgroups that may be written"},
		"no plugin":         {without("usr/lib/cni/bridge"), "/usr/lib/cni/bridge; on Debian and Ubuntu: apt-get install --no-install-recommends containernetworking-plugins"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := able()
			c.change(&m)
			if all := m.lacks(); len(all) != 1 || !strings.Contains(all[0], c.want) {
				t.Fatalf("lacks %q, want one that has %q", all, c.want)
			}
		})
	}
}

// A package that has two of the missing programs is named once.
func TestAllPackagesInOneCommand(t *testing.T) {
	for _, p := range programs {
		if all := able(p.name).lacks(); len(all) != 1 || !strings.HasPrefix(all[0], p.name+";") || !strings.HasSuffix(all[0], " "+p.pack) {
			t.Errorf("without %s: lacks %q", p.name, all)
		}
	}
	want := "containerd, ctr, runc; on Debian and Ubuntu: apt-get install --no-install-recommends containerd runc"
	if all := able("containerd", "ctr", "runc").lacks(); !slices.Equal(all, []string{want}) {
		t.Fatalf("lacks %q, want %q", all, want)
	}
}
