package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator/trace"
)

// mostWindows bounds what is read of traces.
const mostWindows = 100_000

// window is one trace of spot availability.
type window struct {
	name      string
	gap       time.Duration
	first     int   // tick of the series with which it begins; -1: unknown
	available []int // 1: a spot worker is granted in this tick
}

// traceSeries are the windows of one zone and device, by name.
type traceSeries struct {
	name    string
	windows []window
}

// readTraces reads windows from a folder or a tar.gz, one folder for each series.
func readTraces(from string) ([]traceSeries, error) {
	folders := map[string][]window{}
	count := 0
	add := func(name string, in io.Reader) error {
		if path.Ext(name) != ".json" {
			return nil
		}
		if count++; count > mostWindows {
			return fmt.Errorf("more than %d windows", mostWindows)
		}
		one, err := readWindow(name, in)
		if err == nil {
			folders[path.Dir(name)] = append(folders[path.Dir(name)], one)
		}
		return err
	}
	read := readTraceFolder
	if strings.HasSuffix(from, ".tar.gz") || strings.HasSuffix(from, ".tgz") {
		read = readTraceArchive
	}
	if err := read(from, add); err != nil {
		return nil, fmt.Errorf("read traces from %s: %w", from, err)
	}
	if len(folders) == 0 {
		return nil, fmt.Errorf("read traces from %s: there is no *.json", from)
	}
	return seriesOf(folders), nil
}

func readTraceFolder(from string, add func(string, io.Reader) error) error {
	return filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // only read
		relative, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		return add(filepath.ToSlash(relative), file)
	})
}

func readTraceArchive(from string, add func(string, io.Reader) error) error {
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	plain, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	archive := tar.NewReader(plain)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := add(path.Clean(header.Name), archive); err != nil {
			return err
		}
	}
}

func readWindow(name string, in io.Reader) (window, error) {
	data, err := io.ReadAll(io.LimitReader(in, trace.MostBytes+1))
	if err != nil {
		return window{}, fmt.Errorf("%s: %w", name, err)
	}
	read, err := trace.Decode(data)
	if err != nil {
		return window{}, fmt.Errorf("%s: %w", name, err)
	}
	for tick, granted := range read.Granted {
		read.Granted[tick] = min(granted, 1)
	}
	return window{name: name, gap: read.Gap, first: read.First, available: read.Granted}, nil
}

// seriesOf names each folder by what distinguishes its path from the others'.
func seriesOf(folders map[string][]window) []traceSeries {
	var paths [][]string
	for folder := range folders {
		paths = append(paths, strings.Split(folder, "/"))
	}
	same := func(element func([]string, int) string) (count int) {
		for ; ; count++ {
			for _, one := range paths {
				if count+1 >= len(one) || element(one, count) != element(paths[0], count) {
					return count
				}
			}
		}
	}
	var all []traceSeries
	for folder, windows := range folders {
		name := strings.Split(folder, "/")
		if len(paths) > 1 {
			first := same(func(one []string, at int) string { return one[at] })
			last := same(func(one []string, at int) string { return one[len(one)-1-at] })
			if first < len(name)-last {
				name = name[first : len(name)-last]
			}
		}
		slices.SortFunc(windows, func(a, b window) int { return strings.Compare(a.name, b.name) })
		all = append(all, traceSeries{strings.Join(name, "/"), windows})
	}
	slices.SortFunc(all, func(a, b traceSeries) int { return strings.Compare(a.name, b.name) })
	return all
}

// spread picks so many windows evenly, the first and the last among them; 0 or too many: all.
func (s traceSeries) spread(count int) []window {
	if count <= 0 || count >= len(s.windows) {
		return s.windows
	}
	picked := make([]window, count)
	for i := range picked {
		at := 0.0
		if count > 1 {
			at = math.RoundToEven(float64(len(s.windows)-1) * float64(i) / float64(count-1))
		}
		picked[i] = s.windows[int(at)]
	}
	return picked
}

// unseen is a tick of which no window tells.
const unseen = -1

// whole is the series as its windows tell it: how many spot workers are granted in each tick, from its first to the beginning of the last window.
func (s traceSeries) whole() []int {
	last := 0
	for _, one := range s.windows {
		last = max(last, one.first)
	}
	granted := slices.Repeat([]int{unseen}, last)
	for _, one := range s.windows {
		if one.first >= 0 {
			copy(granted[one.first:], one.available)
		}
	}
	return granted
}

// past is what the whole series tells of the time before the window.
func (w window) past(whole []int) []int {
	if w.first < 0 {
		return nil
	}
	return whole[:w.first]
}
