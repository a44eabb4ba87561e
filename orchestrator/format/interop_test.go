package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

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
