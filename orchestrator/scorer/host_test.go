package scorer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/go-cmp/cmp"
)

func TestHostScoresLines(t *testing.T) {
	t.Parallel()
	spec := hostSpec(t, testPython(t), "models:Doubled")
	spec.Columns = map[string]string{"amount": "float64", "id": "string"}
	p := start(t, spec)
	got, err := p.Score(t.Context(), Lines([][]byte{
		[]byte(`{"id":"a","amount":1}`), []byte(`{"id":"b","amount":"much"}`), []byte(`{`), []byte(`{"id":"ü","amount":null}`), []byte(`{"amount":0.25}`),
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`{"id":"a","double":2.0}`, "", "", `{"id":"ü","double":null}`, `{"id":null,"double":0.5}`}
	lines := texts(got.Lines)
	lines[3] = strings.ReplaceAll(lines[3], `\u00fc`, "ü")
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]RowError{
		{1, "bad_value", "column amount: 'much' is not float64"}, {2, "bad_json", "{ is not JSON: "},
	}, got.Errors, cmp.Comparer(func(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) })); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// A record goes to the host as Arrow where it has pyarrow, else as lines; the results are the same.
func TestHostScoresRecords(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		needs   []string
		without string
	}{
		"with numpy and pyarrow":   {[]string{"numpy", "pyarrow"}, ""},
		"without numpy and orjson": {nil, "numpy orjson"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := hostSpec(t, testPython(t, tc.needs...), "models:Identity")
			spec.Env[0] += ":" + blockModules(t, tc.without)
			p := start(t, spec)
			if p.acceptsArrow != p.returnsArrow || len(tc.needs) > 0 && !p.acceptsArrow {
				t.Fatalf("accepts arrow %t, returns it %t", p.acceptsArrow, p.returnsArrow)
			}
			record := sampleRecord(t)
			want, err := recordLines(record, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, batch := range []Batch{Record(record), Record(record).Slice(1, 2), Lines(want)} {
				got, err := p.Score(t.Context(), batch)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(texts(want)[len(want)-batch.Rows():], texts(got.Lines)); diff != "" {
					t.Errorf("lines (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// Rows at fault in a record that the host cannot take as they are, are errors of rows there too.
func TestHostFindsBadRowsInRecords(t *testing.T) {
	t.Parallel()
	spec := hostSpec(t, testPython(t, "numpy", "pyarrow"), "models:Identity")
	spec.Columns = map[string]string{"v": "int64"}
	got, err := start(t, spec).Score(t.Context(), Record(newRecord(t, arrow.PrimitiveTypes.Int32, "[1,null,3]")))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`{"v":1}`, "", `{"v":3}`}, texts(got.Lines)); diff != "" || len(got.Errors) != 1 {
		t.Errorf("errors %v, lines (-want +got):\n%s", got.Errors, diff)
	}
}

func TestHostSaysWhyItDoesNotLoad(t *testing.T) {
	t.Parallel()
	for parameter, want := range map[string]string{
		"path":  "FileNotFoundError",
		"pathh": "TypeError",
	} {
		spec := hostSpec(t, testPython(t), "models:Doubled")
		spec.Parameters = map[string]any{parameter: "/no/such/weights"}
		_, err := Start(t.Context(), spec)
		var load *LoadError
		if !errors.As(err, &load) || load.Code != want || !strings.Contains(load.Stderr, "Traceback") {
			t.Errorf("%s: got %v", parameter, err)
		}
	}
}

func TestHostFailures(t *testing.T) {
	t.Parallel()
	row := func(do string) Batch { return rows(3, 1, do) }
	for do, want := range map[string]struct {
		kind any
		text string
	}{
		"raise": {new(*BatchError), "scorer test: batch 1 (3 rows) failed: ValueError: ValueError: amount is negative (models.py, line "},
		"fewer": {new(*BatchError), "wrong_row_count: column row has 2 rows; the model was given 3"},
		"die":   {new(*CrashError), "ended by itself with exit code 7"},
		"hang":  {new(*HangError), "gave no answer within 2s"},
	} {
		t.Run(do, func(t *testing.T) {
			t.Parallel()
			spec := hostSpec(t, testPython(t), "models:Does")
			spec.BatchTimeout = 2 * time.Second
			_, err := start(t, spec).Score(t.Context(), row(do))
			if !errors.As(err, want.kind) || !strings.Contains(err.Error(), want.text) {
				t.Errorf("got  %T: %v\nwant %T: %s", err, err, want.kind, want.text)
			}
		})
	}
}

func TestHostKeepsPrintsOutOfTheProtocol(t *testing.T) {
	t.Parallel()
	p := start(t, hostSpec(t, testPython(t), "models:Does"))
	got, err := p.Score(t.Context(), rows(2, 1, "print"))
	if err != nil || len(got.Lines) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
}

// One bad row of a thousand in a Python model: everything else is scored.
func TestHostAndBisect(t *testing.T) {
	t.Parallel()
	for do, code := range map[string]string{"raise": "ValueError", "fewer": "wrong_row_count", "die": "crash"} {
		t.Run(do, func(t *testing.T) {
			t.Parallel()
			spec := hostSpec(t, testPython(t), "models:Does")
			spec.Columns = map[string]string{"do": "string"} // The parts of the batch without the row have it too.
			scorers := &restarting{t: t, spec: spec}
			batch := rows(1000, 777, do)
			_, failure := scorers.score(t.Context(), batch)
			score := func(ctx context.Context, part Batch) (Result, error) { return scorers.score(ctx, part) }
			got, err := Bisect(t.Context(), batch, failure, 12, score)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Errors) != 1 || got.Errors[0].Row != 777 || got.Errors[0].Code != code {
				t.Errorf("%d errors; want row 777 with %s: %.300s", len(got.Errors), code, fmt.Sprint(got.Errors))
			}
			for row, line := range got.Lines {
				if want := fmt.Sprintf(`{"row":%d}`, row); row != 777 && string(line) != want {
					t.Fatalf("row %d is %s", row, line)
				}
			}
		})
	}
}
