package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// valueOfKind draws values of one type, some of them null.
func valueOfKind(t *rapid.T, depth int) *rapid.Generator[any] {
	kinds := []string{"bool", "int", "float", "text", "null", "list", "group"}
	if depth == 0 {
		kinds = kinds[:5]
	}
	var value *rapid.Generator[any]
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "bool":
		value = rapid.Map(rapid.Bool(), func(v bool) any { return v })
	case "int":
		value = rapid.Map(rapid.Int64(), func(v int64) any { return json.Number(fmt.Sprint(v)) })
	case "float":
		value = rapid.OneOf(rapid.Map(rapid.Float64Range(-1e30, 1e30), func(v float64) any { return v }), rapid.Just[any](3.0))
	case "text":
		value = rapid.Map(rapid.String(), func(v string) any { return v })
	case "list":
		value = rapid.Map(rapid.SliceOfN(valueOfKind(t, depth-1), 0, 3), func(v []any) any { return append([]any{}, v...) })
	case "group":
		value = rapid.Map(objectOf(t, depth-1, 0), func(v map[string]any) any { return v })
	default:
		return rapid.Just[any](nil)
	}
	return rapid.OneOf(value, value, value, rapid.Just[any](nil))
}

// objectOf draws objects whose columns have one type each; columns may be missing.
func objectOf(t *rapid.T, depth, least int) *rapid.Generator[map[string]any] {
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"b", "a", "score", "x.y", "with, comma", "ü", "list", "element"}), least, 4, rapid.ID).Draw(t, "columns")
	values := map[string]*rapid.Generator[any]{}
	for _, name := range names {
		values[name] = valueOfKind(t, depth)
	}
	return rapid.Custom(func(t *rapid.T) map[string]any {
		one := map[string]any{}
		rapid.Bool().Draw(t, "something") // an object without columns draws nothing else
		for _, name := range names {
			if rapid.IntRange(0, 4).Draw(t, "present") > 0 {
				one[name] = values[name].Draw(t, name)
			}
		}
		return one
	})
}

// normal makes objects comparable: what is null is absent, numbers are compared as numbers.
func normal(value any) any {
	switch value := value.(type) {
	case map[string]any:
		kept := map[string]any{}
		for name, one := range value {
			if one = normal(one); one != nil {
				kept[name] = one
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	case []any:
		kept := make([]any, len(value))
		for i, one := range value {
			kept[i] = normal(one)
		}
		return kept
	case json.Number:
		if number, err := value.Int64(); err == nil {
			return number
		}
		number, _ := value.Float64()
		if float64(int64(number)) == number {
			return int64(number)
		}
		return number
	}
	return value
}

func decode(t fataler, text []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("decode %s: %v", text, err)
	}
	return normal(value)
}

// writeParts writes rows into one part and gives it back with a source to read it.
func writeRows(t fataler, store shelf, uri string, layout orchestrator.Format, key string, rows []FreshRow) orchestrator.ObjectRef {
	t.Helper()
	part, err := NewPartWriter(store.create(uri), layout, key)
	if err != nil {
		t.Fatalf("new part: %v", err)
	}
	for _, row := range rows {
		if err := part.Append(row.Key, row.Object, row.Offset, row.Result); err != nil {
			t.Fatalf("append: %v", err)
		}
	}
	written, err := part.Close(contextOf(t))
	if err != nil {
		t.Fatalf("close: %v", err)
	}
	return written
}

func readPart(t fataler, store shelf, part orchestrator.ObjectRef, layout orchestrator.Format) []any {
	t.Helper()
	reader, err := OpenPart(contextOf(t), store, part, layout)
	if err != nil {
		t.Fatalf("open part: %v", err)
	}
	defer reader.Close()
	rows := []any{}
	for {
		line, err := reader.Next()
		if err == io.EOF {
			return rows
		}
		if err != nil {
			t.Fatalf("read part: %v", err)
		}
		rows = append(rows, decode(t, line))
	}
}

func drawRows(t *rapid.T, most int) []FreshRow {
	results := rapid.SliceOfN(objectOf(t, 2, 1), 0, most).Draw(t, "results")
	rows := make([]FreshRow, len(results))
	for i, result := range results {
		text, err := json.Marshal(result)
		if err != nil {
			t.Fatal(err)
		}
		rows[i] = FreshRow{Key: fmt.Append(nil, i), Object: "file:///in/a.jsonl", Offset: int64(i * 10), Result: text}
	}
	return rows
}

// What a part holds is what the scorer answered, with the key.
func TestPartsHoldTheResults(t *testing.T) {
	t.Parallel()
	for _, layout := range []orchestrator.Format{orchestrator.FormatJSONL, orchestrator.FormatParquet} {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			store, root := shelf{}, "file:///out"
			rapid.Check(t, func(t *rapid.T) {
				rows := drawRows(t, 12)
				part := writeRows(t, store, root+"/whole."+string(layout), layout, "id", rows)
				want := []any{}
				for i, row := range rows {
					one, _ := decode(t, row.Result).(map[string]any)
					if one == nil {
						one = map[string]any{}
					}
					one["id"] = int64(i)
					want = append(want, one)
				}
				if diff := cmp.Diff(want, readPart(t, store, part, layout)); diff != "" {
					t.Fatalf("rows (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Another library reads the same from a parquet part.
func TestOthersReadOurParquet(t *testing.T) {
	t.Parallel()
	store, root := shelf{}, "file:///out"
	results := []string{
		`{"score":1,"label":"a","tags":["x",null],"inner":{"deep":[{"v":1},{}]},"never":null,"ok":true}`,
		`{"label":null,"score":0.5,"tags":[],"inner":null,"later":"z"}`,
		`{"tags":null,"inner":{"deep":[]}}`,
	}
	var rows []FreshRow
	for i, result := range results {
		rows = append(rows, FreshRow{Key: fmt.Appendf(nil, "%d", i), Result: []byte(result)})
	}
	part := writeRows(t, store, root+"/part.parquet", orchestrator.FormatParquet, "id", rows)
	opened, err := file.NewParquetReader(bytes.NewReader(store[part.URI]))
	if err != nil {
		t.Fatal(err)
	}
	reader, err := pqarrow.NewFileReader(opened, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	table, err := reader.ReadTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer table.Release()
	wantSchema := "id: int64, score: float64, label: utf8, tags: list<element: utf8>, inner: struct<deep: list<element: struct<v: int64>>>, never: null, ok: bool, later: utf8"
	got := ""
	for i, field := range table.Schema().Fields() {
		if i > 0 {
			got += ", "
		}
		got += field.Name + ": " + plainType(field.Type.String())
	}
	if diff := cmp.Diff(wantSchema, got); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
	want := []string{
		`[0,1,2]`, `[1,0.5,null]`, `["a",null,null]`, `[["x",null],[],null]`, `[{"deep":[{"v":1},{"v":null}]},null,{"deep":[]}]`,
		`[null,null,null]`, `[true,null,null]`, `[null,"z",null]`,
	}
	for i := range int(table.NumCols()) {
		var all []json.RawMessage
		for _, chunk := range table.Column(i).Data().Chunks() {
			text, err := chunk.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			var some []json.RawMessage
			if err := json.Unmarshal(text, &some); err != nil {
				t.Fatal(err)
			}
			all = append(all, some...)
		}
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[i], string(text)); diff != "" {
			t.Errorf("column %d (-want +got):\n%s", i, diff)
		}
	}
}

// plainType leaves out what says that everything is nullable.
func plainType(text string) string {
	for _, noise := range []string{", nullable", " nullable"} {
		text = string(bytes.ReplaceAll([]byte(text), []byte(noise), nil))
	}
	return text
}

func TestTypeConflicts(t *testing.T) {
	t.Parallel()
	store, root := shelf{}, "file:///out"
	part, err := NewPartWriter(store.create(root+"/part.parquet"), orchestrator.FormatParquet, "id")
	if err != nil {
		t.Fatal(err)
	}
	appendRow := func(key, result string) error {
		return part.Append([]byte(key), "file:///in/a.jsonl", 7, []byte(result))
	}
	for i, result := range []string{`{"a":1,"l":[1],"g":{"x":"s"}}`, `{"a":0.5,"l":[null,2.5],"n":null}`, `{"n":{"y":1}}`} {
		if err := appendRow(fmt.Sprint(i), result); err != nil {
			t.Fatal(err)
		}
	}
	for _, result := range []string{`{"a":"1"}`, `{"a":true}`, `{"l":["s"]}`, `{"l":{"x":1}}`, `{"g":{"x":1}}`, `{"g":[]}`, `{"n":7}`, `{"new":18446744073709551615}`, `{"id":"text"}`} {
		err := appendRow("9", result)
		if result == `{"id":"text"}` {
			if err != nil {
				t.Errorf("a replaced key must not conflict: %v", err)
			}
			continue
		}
		wantError(t, err, CodeTypeConflict)
		var problem *Error
		if errors.As(err, &problem) && (problem.Object != "file:///in/a.jsonl" || problem.Offset != 7) {
			t.Errorf("the error does not name the row: %v", err)
		}
	}
	wantError(t, appendRow(`"text"`, `{}`), CodeTypeConflict)
	written, err := part.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := readPart(t, store, written, orchestrator.FormatParquet)
	want := []any{
		map[string]any{"id": int64(0), "a": int64(1), "l": []any{int64(1)}, "g": map[string]any{"x": "s"}},
		map[string]any{"id": int64(1), "a": 0.5, "l": []any{nil, 2.5}},
		map[string]any{"id": int64(2), "n": map[string]any{"y": int64(1)}},
		map[string]any{"id": int64(9)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// Scoring with failures and retrying them gives what undisturbed scoring gives, less the rows that failed again.
func TestMergedPartsAreAsIfNothingHadFailed(t *testing.T) {
	t.Parallel()
	for _, layout := range []orchestrator.Format{orchestrator.FormatJSONL, orchestrator.FormatParquet} {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			store, root := shelf{}, "file:///out"
			rapid.Check(t, func(t *rapid.T) {
				rows := drawRows(t, 12)
				var first, all []FreshRow
				var failed []int64
				again := map[int64]bool{}
				for i, row := range rows {
					if rapid.Bool().Draw(t, "failed") {
						failed = append(failed, int64(i))
						if again[int64(i)] = rapid.Bool().Draw(t, "failed again"); again[int64(i)] {
							continue
						}
					} else {
						first = append(first, row)
					}
					all = append(all, row)
				}
				suffix := "." + string(layout)
				old := writeRows(t, store, root+"/old"+suffix, layout, "id", first)
				merged := mergeRows(t, store, root+"/merged"+suffix, layout, old, int64(len(rows)), failed, func(ordinal int64) (FreshRow, bool) {
					return rows[ordinal], !again[ordinal]
				})
				want := writeRows(t, store, root+"/undisturbed"+suffix, layout, "id", all)
				if diff := cmp.Diff(readPart(t, store, want, layout), readPart(t, store, merged, layout)); diff != "" {
					t.Fatalf("rows (-undisturbed +merged):\n%s", diff)
				}
				if layout == orchestrator.FormatJSONL && want.SHA256 != merged.SHA256 {
					t.Fatalf("the merged part differs from the undisturbed one")
				}
			})
		})
	}
}

func mergeRows(t fataler, store shelf, uri string, layout orchestrator.Format, old orchestrator.ObjectRef, rows int64, failed []int64,
	fresh func(int64) (FreshRow, bool)) orchestrator.ObjectRef {
	t.Helper()
	reader, err := OpenPart(contextOf(t), store, old, layout)
	if err != nil {
		t.Fatalf("open part: %v", err)
	}
	defer reader.Close()
	part, err := NewPartWriter(store.create(uri), layout, "id")
	if err != nil {
		t.Fatalf("new part: %v", err)
	}
	if err := MergePart(reader, part, rows, failed, fresh); err != nil {
		t.Fatalf("merge: %v", err)
	}
	written, err := part.Close(contextOf(t))
	if err != nil {
		t.Fatalf("close: %v", err)
	}
	return written
}

func TestMergeRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	store, root := shelf{}, "file:///out"
	rows := []FreshRow{{Key: []byte("1"), Result: []byte("{}")}, {Key: []byte("2"), Result: []byte("{}")}}
	old := writeRows(t, store, root+"/old.jsonl", orchestrator.FormatJSONL, "id", rows)
	lying := old
	lying.Rows = 3
	cases := []struct {
		name   string
		old    orchestrator.ObjectRef
		rows   int64
		failed []int64
	}{
		{"too few failed", old, 4, []int64{1}},
		{"too many failed", old, 2, []int64{1}},
		{"failed beyond the range", old, 3, []int64{3}},
		{"not ascending", old, 4, []int64{2, 1}},
		{"fewer rows than said", lying, 3, nil},
	}
	for _, test := range cases {
		reader, err := OpenPart(t.Context(), store, test.old, orchestrator.FormatJSONL)
		if err != nil {
			t.Fatal(err)
		}
		part, err := NewPartWriter(store.create(root+"/new.jsonl"), orchestrator.FormatJSONL, "id")
		if err != nil {
			t.Fatal(err)
		}
		err = MergePart(reader, part, test.rows, test.failed, func(int64) (FreshRow, bool) { return FreshRow{}, false })
		wantError(t, err, CodePartMismatch)
		if err := errors.Join(reader.Close(), part.Abort(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

func TestConcatKeepsRowsInOrder(t *testing.T) {
	t.Parallel()
	for _, layout := range []orchestrator.Format{orchestrator.FormatJSONL, orchestrator.FormatParquet} {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			store, root := shelf{}, "file:///out"
			rapid.Check(t, func(t *rapid.T) {
				rows := drawRows(t, 15)
				var parts []orchestrator.ObjectRef
				for begin := 0; begin < len(rows); {
					end := rapid.IntRange(begin, len(rows)).Draw(t, "end")
					parts = append(parts, writeRows(t, store, fmt.Sprintf("%s/%d.%s", root, len(parts), layout), layout, "id", rows[begin:end]))
					if begin = end; len(parts) == 6 {
						rows = rows[:begin]
					}
				}
				joined, err := Concat(contextOf(t), store, parts, layout, store.create(root+"/all."+string(layout)))
				if err != nil {
					t.Fatalf("concat: %v", err)
				}
				whole := writeRows(t, store, root+"/whole."+string(layout), layout, "id", rows)
				if joined.Rows != whole.Rows || layout == orchestrator.FormatJSONL && joined.SHA256 != whole.SHA256 {
					t.Fatalf("joined %+v, whole %+v", joined, whole)
				}
				if diff := cmp.Diff(readPart(t, store, whole, layout), readPart(t, store, joined, layout)); diff != "" {
					t.Fatalf("rows (-whole +joined):\n%s", diff)
				}
			})
		})
	}
}

func TestConcatRefusesDamagedParts(t *testing.T) {
	t.Parallel()
	store, root := shelf{}, "file:///out"
	for _, layout := range []orchestrator.Format{orchestrator.FormatJSONL, orchestrator.FormatParquet} {
		number := writeRows(t, store, root+"/number."+string(layout), layout, "id", []FreshRow{{Key: []byte("1"), Result: []byte(`{"a":1}`)}})
		text := writeRows(t, store, root+"/text."+string(layout), layout, "id", []FreshRow{{Key: []byte("1"), Result: []byte(`{"a":"s"}`)}})
		lying := number
		lying.SHA256, lying.Rows = "00", 2
		join := func(parts ...orchestrator.ObjectRef) error {
			_, err := Concat(t.Context(), store, parts, layout, store.create(root+"/all."+string(layout)))
			return err
		}
		wantError(t, join(number, lying), CodePartMismatch)
		if layout == orchestrator.FormatParquet {
			wantError(t, join(number, text), CodeTypeConflict)
		}
		if store[root+"/all."+string(layout)] != nil {
			t.Error("a failed join left an object")
		}
	}
}

func BenchmarkPartParquet(b *testing.B) {
	store, root := newStore(b)
	const rows = 100_000
	result := []byte(`{"score":0.123456,"label":"legitimate transaction","features":[0.1,0.2,0.3,0.4],"model":"fraud-7"}`)
	for b.Loop() {
		part := newPart(b, store, root+"/part.parquet", orchestrator.FormatParquet, "id")
		for range rows {
			if err := part.Append([]byte("10000001"), "file:///in/a.jsonl", 0, result); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := part.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
