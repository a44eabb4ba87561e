package replay

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	caseOfPage = regexp.MustCompile(`(?m)^\| ([KAVB]\d) \|`)
	caseOfTest = regexp.MustCompile(`(?m)^\s*(?://|#) (?:[KAVB]\d, )*[KAVB]\d:`)
	oneCase    = regexp.MustCompile(`[KAVB]\d`)
)

// TestEveryCaseHasATest: each case that docs/replay.md numbers stands in the comment of a test.
func TestEveryCaseHasATest(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "replay.md"))
	if err != nil {
		t.Fatal(err)
	}
	tested := map[string]bool{}
	for _, folder := range []string{"orchestrator", "cmd", "e2e"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") && !strings.Contains(path, "transcripts") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, comment := range caseOfTest.FindAllString(string(text), -1) {
				for _, name := range oneCase.FindAllString(comment, -1) {
					tested[name] = true
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	found := caseOfPage.FindAllStringSubmatch(string(page), -1)
	if len(found) < 20 {
		t.Fatalf("the page has %d cases", len(found))
	}
	for _, match := range found {
		if !tested[match[1]] {
			t.Errorf("no test names the case %s", match[1])
		}
	}
}
