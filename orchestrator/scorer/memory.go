package scorer

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	sampleEvery = 250 * time.Millisecond
	// searchEvery is after how many samples the members of the group are looked up again, which reads all of /proc.
	searchEvery = 8
)

// meter measures the memory of a process group from /proc.
type meter struct {
	group   int
	members []int
	samples int
	peak    atomic.Int64
}

// watch samples until ended is closed, or until the group holds more than the bytes that limit gives, which it returns. 0 is no limit.
func (m *meter) watch(ended <-chan struct{}, limit func() int64) (exceeded, above int64) {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		used := m.sample()
		m.peak.Store(max(m.peak.Load(), used, highWater(m.group)))
		if most := limit(); most > 0 && used > most {
			return used, most
		}
		select {
		case <-ended:
			return 0, 0
		case <-ticker.C:
		}
	}
}

// sample returns the bytes that the group holds. Processes that were forked from each other share pages, which would count
// once for each; so the pages of several processes are shared out, where the kernel says how.
func (m *meter) sample() int64 {
	if m.samples%searchEvery == 0 {
		m.members = groupMembers(m.group)
	}
	m.samples++
	read := residentBytes
	if len(m.members) > 1 {
		read = proportionalBytes
	}
	var used int64
	for _, pid := range m.members {
		used += read(pid)
	}
	return used
}

// groupMembers are the processes of a group. A process may end at any time, so what cannot be read is left out.
func groupMembers(group int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var members []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue
		}
		// The name, which may hold anything, ends at the last parenthesis; state, parent and group follow.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) > 2 && string(fields[2]) == strconv.Itoa(group) {
			members = append(members, pid)
		}
	}
	return members
}

// residentBytes is the resident memory of a process, or 0 where it has ended.
func residentBytes(pid int) int64 {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// proportionalBytes is the memory of a process with shared pages divided by those who share them; its resident memory where
// the kernel does not say.
func proportionalBytes(pid int) int64 {
	if size := sizeIn(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:"); size > 0 {
		return size
	}
	return residentBytes(pid)
}

// highWater is the most resident memory that a process ever had, or 0 where it has ended. The count that wait gives would not
// do: it includes the memory of the worker at the moment of the fork.
func highWater(pid int) int64 {
	return sizeIn(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:")
}

// sizeIn reads the size in a line "name size kB" of a file in /proc, in bytes; 0 where there is none.
func sizeIn(path, name string) int64 {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == name {
			if kibibytes, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				return kibibytes << 10
			}
		}
	}
	return 0
}
