package schedules

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	numbered = regexp.MustCompile(`(?m)^- \*\*(SC\d+)\*\*`)
	tableRow = regexp.MustCompile(`(?m)^\| (SC\d+) \| (.+) \|$`)
	carries  = regexp.MustCompile(`(?m)^// ((?:SC\d+(?:, | to )?)+): .*\n(?://.*\n)*func (\w+)`)
	number   = regexp.MustCompile(`SC(\d+)(?: to SC(\d+))?`)
)

// The table at the end of docs/schedules.md is what the tests' first comments say, and no case is without a test.
func TestEveryCaseIsCovered(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/schedules.md")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, pattern := range []string{"*_test.go", "../orchestrator/calendar/*_test.go", "../e2e/faults/schedules_test.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	covered := map[string][]string{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range carries.FindAllStringSubmatch(string(source), -1) {
			for _, span := range number.FindAllStringSubmatch(match[1], -1) {
				from, _ := strconv.Atoi(span[1]) // digits only
				to := from
				if span[2] != "" {
					to, _ = strconv.Atoi(span[2])
				}
				for one := from; one <= to; one++ {
					covered[fmt.Sprint("SC", one)] = append(covered[fmt.Sprint("SC", one)], match[2])
				}
			}
		}
	}
	var want []string
	for i, match := range numbered.FindAllStringSubmatch(string(page), -1) {
		tests := covered[match[1]]
		if slices.Sort(tests); len(tests) == 0 || match[1] != fmt.Sprint("SC", i+1) {
			t.Errorf("%s has no test, or is not the next number", match[1])
		}
		want = append(want, "| "+match[1]+" | "+strings.Join(tests, ", ")+" |")
		delete(covered, match[1])
	}
	if got := tableRow.FindAllString(string(page), -1); !slices.Equal(want, got) {
		t.Errorf("the table at the end of docs/schedules.md is not what the tests say; it should be:\n%s", strings.Join(want, "\n"))
	}
	if len(covered) > 0 {
		t.Errorf("tests cover what the page does not have: %v", covered)
	}
}
