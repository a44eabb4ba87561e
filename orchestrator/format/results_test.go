package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"

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
