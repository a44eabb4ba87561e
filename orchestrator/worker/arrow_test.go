package worker

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/object"
	"nightshift.dev/nightshift/raycluster/python"
)

// typed is a class that writes down the types of the columns it is given. It writes into its batch, cannot score the row 13, and refuses those below 0.
const typed = `
class Model:
    def __init__(self, seen):
        self.seen = seen

    def __call__(self, batch):
        with open(self.seen, "a") as out:
            out.write(f"{batch['n'].dtype} {batch['f'].dtype} {batch['ok'].dtype}\n")
        if 13 in batch["n"]:
            raise ValueError("13 brings bad luck")
        wrong = ["negative: n is below 0" if n < 0 else None for n in batch["n"]]
        batch["f"] /= 2
        return {"name": batch["name"], "double": batch["n"] * 2, "half": batch["f"], "no": ~batch["ok"], "__error__": wrong}
`

type typedRow struct {
	ID   string   `parquet:"id"`
	Name *string  `parquet:"name,optional"`
	N    int32    `parquet:"n"`
	F    *float64 `parquet:"f,optional"`
	OK   bool     `parquet:"ok"`
}

// typedInput is a parquet file with nulls, a number that JSON lacks, and a row that is no UTF-8.
func typedInput(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	writer := parquet.NewGenericWriter[typedRow](&out)
	for i := range 40 {
		number, name := float64(i)/8, strings.Repeat("ü\"", i%3)
		row := typedRow{ID: string(rune('A' + i)), Name: &name, N: int32(i), F: &number, OK: i%2 == 0}
		switch i {
		case 3:
			row.Name, row.F = nil, nil
		case 5:
			number = math.NaN()
		case 7:
			name = "\xff"
		case 20, 21:
			row.N = -row.N
		}
		if _, err := writer.Write([]typedRow{row}); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// scoredTyped is what a worker made of the typed input.
type scoredTyped struct {
	seen    []string // types of the columns, one line per batch
	commit  orchestrator.Commit
	results []map[string]any
	errors  []orchestrator.RowError
	folder  string
}

// hostedPython is an interpreter that can run the scorer host with these modules.
func hostedPython(t *testing.T, modules string) string {
	t.Helper()
	interpreter := os.Getenv("NIGHTSHIFT_TEST_PYTHON")
	if interpreter == "" {
		interpreter = "python3"
	}
	if err := exec.CommandContext(t.Context(), interpreter, "-c", "import "+modules).Run(); err != nil {
		t.Skipf("%s cannot import %s (%v); set NIGHTSHIFT_TEST_PYTHON to an interpreter that can", interpreter, modules, err)
	}
	return interpreter
}

// host lets a model be a class in the Python scorer host, which lies in folder and runs setup as Python's site customization.
func host(t *testing.T, model *orchestrator.ModelSnapshot, folder, interpreter, class, setup string) {
	t.Helper()
	model.Command = []string{interpreter, "-m", "nightshift_scorer", "hosted:Model", "--path", folder}
	model.Env = map[string]string{"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
	if err := errors.Join(python.Write(folder),
		os.WriteFile(filepath.Join(folder, "hosted.py"), []byte(class), 0o600),
		os.WriteFile(filepath.Join(folder, "sitecustomize.py"), []byte(setup), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// scoreTyped has a worker score the typed input in the Python scorer host, after setup has been run.
func scoreTyped(t *testing.T, setup string, base *scoredTyped) (got scoredTyped) {
	t.Helper()
	interpreter, folder := hostedPython(t, "numpy, pyarrow"), t.TempDir()
	seen := filepath.Join(folder, "seen")
	b := prepare(t, func(job *orchestrator.Job, model *orchestrator.ModelSnapshot) {
		host(t, model, folder, interpreter, typed, setup)
		model.Parameters = map[string]any{"seen": seen}
		model.BatchRows = 16
		if base != nil {
			job.ReadRoots = append(job.ReadRoots, "file://"+base.folder)
			job.Epoch = 1
		}
	})
	b.write("rows.parquet", string(typedInput(t)))
	objects, err := object.New(object.Access{Read: b.job.ReadRoots})
	b.must(err)
	found, err := objects.Stat(t.Context(), "file://"+b.dir+"/rows.parquet", "")
	b.must(err)
	shard := orchestrator.Shard{JobKey: b.job.JobKey, Kind: orchestrator.ShardScore, Object: found, Range: orchestrator.Range{Start: 1, End: 40}}
	if base != nil {
		shard.Epoch, shard.Base = 1, &base.commit
	}
	b.work(shard)
	got = scoredTyped{commit: b.commit(shard), folder: b.dir}
	text, err := os.ReadFile(seen)
	b.must(err)
	got.seen = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	got.results = readLines[map[string]any](t, got.commit.Result)
	got.errors = readLines[orchestrator.RowError](t, got.commit.Errors)
	for i := range got.errors {
		got.errors[i].Object, got.errors[i].Attempts = "", 0
	}
	return got
}

func readLines[T any](t *testing.T, from *orchestrator.ObjectRef) (all []T) {
	t.Helper()
	if from == nil {
		t.Fatal("there is no such object")
	}
	data, err := os.ReadFile(strings.TrimPrefix(from.URI, "file://"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		var one T
		if err := json.Unmarshal(line, &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// Parquet goes to a scorer that accepts Arrow as records, which the types of the columns show, and the results are those of
// lines: also where rows fail alone, and where the failed ones are scored again.
func TestParquetIsScoredAsRecords(t *testing.T) {
	t.Parallel()
	lines := scoreTyped(t, "import sys; sys.modules['pyarrow'] = None", nil)
	records := scoreTyped(t, "", nil)
	again := scoreTyped(t, "", &records)
	for name, tc := range map[string]struct {
		got  scoredTyped
		want string
	}{
		"lines": {lines, "int64 float64 bool"}, "records": {records, "int32 float64 bool"}, "again": {again, "int64 float64 bool"},
	} {
		for _, seen := range tc.got.seen {
			if seen != tc.want {
				t.Errorf("%s: the class was given %q; want %q", name, seen, tc.want)
			}
		}
		if commit := tc.got.commit; commit.RowsIn != 39 || commit.RowsOK != 35 || commit.Failed != 4 {
			t.Errorf("%s: commit %+v; want 4 of 39 rows failed", name, commit)
		}
		if diff := cmp.Diff(lines.results, tc.got.results); diff != "" {
			t.Errorf("results (-lines +%s):\n%s", name, diff)
		}
		if diff := cmp.Diff(lines.errors, tc.got.errors); diff != "" {
			t.Errorf("errors (-lines +%s):\n%s", name, diff)
		}
	}
	if len(lines.errors) != 4 || lines.errors[0].Code != "invalid_utf8" || lines.errors[1].Code != "ValueError" || lines.errors[3].Code != "negative" {
		t.Errorf("errors %+v", lines.errors)
	}
}
