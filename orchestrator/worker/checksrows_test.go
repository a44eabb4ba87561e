package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

// rubbish are lines that are no rows, or nearly none.
var rubbish = []string{
	``, ` `, `null`, `[]`, `1`, `{`, `}`, `{}}`, `{"id":"x"}0`, `{} {}`, `{"id":"x"},{"id":"y"}`, `{"id":"x","n"}`, `{"id":"x","n":}`, `{"id":"x",}`, `{"id":"x" "n":2}`,
	`{'id':1}`, `{"id":"x","n":01}`, `{"id":"x","n":1.}`, `{"id":"x","n":NaN}`, `{"id":"x","n":-Infinity}`, `{"id":"x","n":tru}`, `{"id":"x","n":"`, `{"id":"x","n":"\x"}`,
	`{"id":"x","n":"\u12g4"}`, "{\"id\":\"x\",\"n\":\"\t\"}", "{\"id\":\"x\",\"n\":\"\x00\"}", "{\"id\":\"\xff\"}", "{\"id\":\"x\",\"n\":\"\xed\xa0\x80\"}",
	`{"id":"x","n":[1,]}`, `{"id":"x","n":[1`, `{"id":"x","n":1]`, `2]}`, "\xef\xbb\xbf{\"id\":1}", "{\"id\":\"x\",\"n\":\v1}", "{\"id\":\"x\"}\u00a0",
	`{"id":"x","n":` + strings.Repeat("[", 499) + strings.Repeat("]", 499) + `}`, `{"id":"x","n":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`,
	`{"id":"x","n":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, `{"id":"x","n":` + strings.Repeat("[", 2000) + `}`,
	`{ "id" : "spaces" , "n" : 2 } `, `{"n":1,"id":"second"}`, `{"id":"\u0078"}`, `{"id":null}`, `{"n":3}`, `{}`,
}

// keepInput is a customization of Python by which the host keeps what it is sent.
const keepInput = `
import sys
from nightshift_scorer import stream
read = stream.Stream.read_payload
def keep(self, size):
    payload = read(self, size)
    with open(sys.argv[-1] + "/seen", "ab") as out:
        out.write(payload)
    return payload
stream.Stream.read_payload = keep
`

// Whether the worker looks at every row, or the scorer says that it does so itself, with orjson or with the standard library: the results
// and the errors are the same.
func TestRowsAreCheckedByWhoeverSaysSo(t *testing.T) {
	t.Parallel()
	interpreter := hostedPython(t, "orjson")
	var input strings.Builder
	for i, line := range rubbish {
		fmt.Fprintf(&input, "{\"id\":\"good %d\",\"n\":%d}\n%s\n", i, i, line)
	}
	score := func(setup string, unread bool) (orchestrator.Commit, []map[string]any, []orchestrator.RowError) {
		folder := t.TempDir()
		b := prepare(t, func(_ *orchestrator.Job, model *orchestrator.ModelSnapshot) {
			host(t, model, folder, interpreter, "class Model:\n    def __call__(self, batch): return {'ids': batch['id']}\n", keepInput+setup)
			model.BatchRows = 8
		})
		b.write("rows.jsonl", input.String())
		shard := b.shard()
		b.work(shard)
		seen, err := os.ReadFile(filepath.Join(folder, "seen"))
		b.must(err)
		if strings.Contains(string(seen), `{"id":"x","n":01}`) != unread {
			t.Errorf("the scorer was sent %.2000q; a line that is no row should be in it: %t", seen, unread)
		}
		commit := b.commit(shard)
		errors := readLines[orchestrator.RowError](t, commit.Errors)
		for i := range errors {
			errors[i].Object = ""
		}
		results := readLines[map[string]any](t, commit.Result)
		for i := range results {
			delete(results[i], "_object")
		}
		return commit, results, errors
	}
	commit, results, errors := score(`
write = stream.Stream.write
def silent(self, header, *payloads):
    header.pop("checks_rows", None)
    write(self, header, *payloads)
stream.Stream.write = silent
`, false)
	if commit.Failed < 30 || commit.RowsOK < int64(len(rubbish)) {
		t.Fatalf("commit %+v; the input should have good and bad rows", commit)
	}
	for name, setup := range map[string]string{"orjson": "", "the standard library": "import sys; sys.modules['orjson'] = None"} {
		gotCommit, gotResults, gotErrors := score(setup, true)
		if gotCommit.RowsIn != commit.RowsIn || gotCommit.RowsOK != commit.RowsOK || gotCommit.Failed != commit.Failed {
			t.Errorf("%s: commit %+v; by the worker %+v", name, gotCommit, commit)
		}
		if diff := cmp.Diff(results, gotResults); diff != "" {
			t.Errorf("results (-worker +%s):\n%s", name, diff)
		}
		if diff := cmp.Diff(errors, gotErrors); diff != "" {
			t.Errorf("errors (-worker +%s):\n%s", name, diff)
		}
	}
}
