package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// hierarchy of cgroups: of version 1 there are several, each with some controllers.
type hierarchy struct {
	point   string // where it is mounted
	kind    string // cgroup, or cgroup2
	options string // that a mount of the same hierarchy takes
}

// hierarchies reads lines of proc_pid_mountinfo(5): "ID parent device root point options [optional fields] - kind source options".
func hierarchies(mounts string) []hierarchy {
	var all []hierarchy
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(line, " - ")
		place, what := strings.Fields(before), strings.Fields(after)
		if len(place) < 6 || len(what) < 3 || !strings.HasPrefix(what[0], "cgroup") {
			continue
		}
		h := hierarchy{point: place[4], kind: what[0]}
		if h.kind == "cgroup" {
			_, h.options, _ = strings.Cut(what[2], ",") // after rw or ro
			if strings.HasPrefix(h.options, "name=") {
				h.options = "none," + h.options
			}
		}
		all = append(all, h)
	}
	return all
}

func presentHierarchies() ([]hierarchy, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	all := hierarchies(string(text))
	if err == nil && len(all) == 0 {
		err = errors.New("no cgroups are mounted")
	}
	return all, err
}

// join moves the process into a new cgroup of each hierarchy.
func (h hierarchy) join(name string) error {
	folder := filepath.Join(h.point, name)
	if err := os.Mkdir(folder, 0o755); err != nil { //nolint:gosec // as all cgroups
		return err
	}
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} { // of version 1: empty at first, and nothing may join then
		all, err := os.ReadFile(filepath.Join(h.point, file))
		if errors.Is(err, fs.ErrNotExist) || h.kind == "cgroup2" {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, file), all, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(folder, "cgroup.procs"), []byte("0"), 0o600)
}

// mount shows the hierarchy from the process's cgroup on, as if that were all. In version 2 a cgroup with processes has no controllers to
// give to others: the processes of the node itself go one below.
func (h hierarchy) mount() error {
	if err := os.MkdirAll(h.point, 0o755); err != nil { //nolint:gosec // as all cgroups
		return err
	}
	if err := unix.Mount("cgroup", h.point, h.kind, 0, h.options); err != nil {
		return fmt.Errorf("mount %s %q at %s: %w", h.kind, h.options, h.point, err)
	}
	if h.kind == "cgroup" {
		return nil
	}
	controllers, err := os.ReadFile(filepath.Join(h.point, "cgroup.controllers"))
	if err != nil || len(strings.Fields(string(controllers))) == 0 {
		return err
	}
	own := filepath.Join(h.point, "node")
	if err := os.Mkdir(own, 0o755); err != nil { //nolint:gosec // as all cgroups
		return err
	}
	if err := os.WriteFile(filepath.Join(own, "cgroup.procs"), []byte("0"), 0o600); err != nil {
		return err
	}
	given := "+" + strings.Join(strings.Fields(string(controllers)), " +")
	return os.WriteFile(filepath.Join(h.point, "cgroup.subtree_control"), []byte(given), 0o600)
}

// RemoveCgroups takes away what a node has left of its cgroups: nothing runs in them.
func RemoveCgroups(name string) error {
	all, err := presentHierarchies()
	if err != nil {
		return err
	}
	var problems []error
	for _, h := range all {
		problems = append(problems, removeCgroup(filepath.Join(h.point, name)))
	}
	return errors.Join(problems...)
}

// removeCgroup goes from the leaves to the root: a cgroup's files are no hindrance, but its cgroups are.
func removeCgroup(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeCgroup(filepath.Join(folder, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(folder); err != nil {
		return fmt.Errorf("remove cgroup %s: %w", folder, err)
	}
	return nil
}
