package planner

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEveryStepIsDocumented holds docs/planner.md to the list of steps and to the codes in the sources: all of them stand there, in order, and each code is seen in a transcript that
// its row names.
func TestEveryStepIsDocumented(t *testing.T) {
	t.Parallel()
	const page = "../../docs/planner.md"
	var names, want []string
	documented := map[string]bool{}
	for i, one := range steps {
		want = append(want, fmt.Sprintf("P%d %s", i+1, one.name))
	}
	for _, row := range regexp.MustCompile(`(?m)^\| (P\d+) \|([^|]*)\|([^|]*)\|[^|]+\|([^|]+)\|$`).FindAllStringSubmatch(read(t, page), -1) {
		names = append(names, row[1]+" "+strings.TrimSpace(row[2]))
		shown := ""
		for _, transcript := range strings.Split(strings.TrimSpace(row[4]), ", ") {
			shown += read(t, filepath.Join("testdata/plans", transcript))
		}
		for _, code := range strings.FieldsFunc(row[3], func(r rune) bool { return r == ',' || r == ' ' }) {
			documented[code] = true
			if !regexp.MustCompile(`(?m)^  [0-9][0-9 >-]*  ` + code + `  `).MatchString(shown) {
				t.Errorf("%s: code %s is not shown in %s", row[1], code, row[4])
			}
		}
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("steps of %s (-compute.go +page):\n%s", page, diff)
	}
	for _, code := range codes(t) {
		if !documented[code] {
			t.Errorf("code %s does not stand in %s", code, page)
		}
		delete(documented, code)
	}
	for code := range documented {
		t.Errorf("%s names code %s, which nothing gives", page, code)
	}
}

// codes are those that the sources of the package give to a draft.
func codes(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, call := range regexp.MustCompile(`\.(?:change|note)\(([^,]+),`).FindAllStringSubmatch(read(t, file), -1) {
			code, literal := strings.CutPrefix(call[1], `"`)
			if literal {
				found = append(found, strings.TrimSuffix(code, `"`))
			} else if file != "draft.go" {
				t.Errorf("%s: the code of %s is no literal", file, call[0])
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
