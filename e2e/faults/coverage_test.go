package faults

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	crashPoint = regexp.MustCompile(`(?m)^- \*\*([A-Z]\d+)\*\*`)
	tableRow   = regexp.MustCompile(`(?m)^\| ([A-Z]\d+) \| (.+) \|$`)
	comment    = regexp.MustCompile(`(?m)^\s*// ((?:[A-Z]\d+(?:, | to )?)+): .*\n(?:\s*//.*\n)*\s*func (Test\w+)`)
	number     = regexp.MustCompile(`([A-Z])(\d+)(?: to [A-Z](\d+))?`)
)

// The table at the end of docs/protocol.md is what the tests' first comments say, and no crash point is without a test.
func TestEveryCrashPointIsCovered(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	covered := map[string][]string{}
	err = filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, match := range comment.FindAllStringSubmatch(string(source), -1) {
			for _, point := range points(match[1]) {
				covered[point] = append(covered[point], match[2])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, match := range crashPoint.FindAllStringSubmatch(string(page), -1) {
		tests := covered[match[1]]
		if len(tests) == 0 {
			t.Errorf("%s has no test: begin the comment of one with \"// %s: ...\"", match[1], match[1])
		}
		slices.Sort(tests)
		want = append(want, "| "+match[1]+" | "+strings.Join(slices.Compact(tests), ", ")+" |")
	}
	got := tableRow.FindAllString(string(page), -1)
	if !slices.Equal(want, got) {
		t.Errorf("the table at the end of docs/protocol.md is not what the tests say; it should be:\n%s", strings.Join(want, "\n"))
	}
	for _, point := range slices.Sorted(maps.Keys(covered)) {
		// Cases of other pages have other letters.
		if strings.Contains(string(page), "- **"+point[:1]) && !strings.Contains(string(page), "- **"+point+"**") {
			t.Errorf("a test covers %s, which the page does not have", point)
		}
	}
}

// points expands "W1 to W3, P5".
func points(text string) (all []string) {
	for _, match := range number.FindAllStringSubmatch(text, -1) {
		from, to := toInt(match[2]), toInt(match[2])
		if match[3] != "" {
			to = toInt(match[3])
		}
		for n := from; n <= to; n++ {
			all = append(all, fmt.Sprint(match[1], n))
		}
	}
	return all
}

func toInt(digits string) int {
	n, _ := strconv.Atoi(digits) // the pattern has digits only
	return n
}
