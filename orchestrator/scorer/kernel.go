package scorer

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// kernelKills is how many processes of our cgroup the kernel has killed for want of memory, 0 where it does not say. root is where
// /proc and /sys are. In a container the path of the cgroup may be one that only the host sees: then its root is ours.
func kernelKills(root string) int64 {
	content, err := os.ReadFile(filepath.Join("/", root, "proc/self/cgroup"))
	if err != nil {
		return 0
	}
	kills := int64(0)
	for line := range strings.Lines(string(content)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // number, controllers, path
		if len(fields) < 3 {
			continue
		}
		folder, file := "sys/fs/cgroup", "memory.events"
		if fields[1] == "memory" { // version 1
			folder, file = "sys/fs/cgroup/memory", "memory.oom_control"
		} else if fields[1] != "" {
			continue
		}
		for _, path := range []string{fields[2], "/"} {
			if count, said := killsIn(filepath.Join("/", root, folder, path, file)); said {
				kills += count
				break
			}
		}
	}
	return kills
}

// killsIn reads the line "oom_kill N".
func killsIn(path string) (count int64, said bool) {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(content)) {
		if text, is := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); is {
			count, err = strconv.ParseInt(text, 10, 64)
			return count, err == nil
		}
	}
	return 0, false
}
