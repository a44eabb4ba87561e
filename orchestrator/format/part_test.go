package format

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/object"
)

// newStore gives a store over a folder of the test and the folder's URI.
func newStore(t testing.TB) (*object.Store, string) {
	t.Helper()
	root := "file://" + t.TempDir()
	store, err := object.New(object.Access{Write: []string{root}})
	if err != nil {
		t.Fatal(err)
	}
	return store, root
}

func create(t testing.TB, store *object.Store, uri string) *object.Writer {
	t.Helper()
	writer, err := store.Create(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	return writer
}

func newPart(t testing.TB, store *object.Store, uri string, layout orchestrator.Format, key string) *PartWriter {
	t.Helper()
	part, err := NewPartWriter(create(t, store, uri), layout, key)
	if err != nil {
		t.Fatal(err)
	}
	return part
}

func TestPartLines(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, keyColumn, key, result, want string }{
		{"key put first", "id", `7`, `{"score":0.5}`, `{"id":7,"score":0.5}`},
		{"same key stays where it is", "id", `7`, `{"score":0.5, "id": 7}`, `{"score":0.5, "id": 7}`},
		{"other key is replaced", "id", `7`, `{"score":0.5,"id":"seven","x":[1, 2]}`, `{"id":7,"score":0.5,"x":[1, 2]}`},
		{"same number written otherwise is replaced", "id", `7`, `{"id":7.0}`, `{"id":7}`},
		{"empty result", "id", `"a b"`, ` { } `, `{"id":"a b" } `},
		{"key is an object", "id", `{"a":1}`, `{"id":{"a":1}}`, `{"id":{"a":1}}`},
		{"key named with dots and stars", "a.b*", `1`, `{"a":{"b*":2}}`, `{"a.b*":1,"a":{"b*":2}}`},
		{"key with quotes in its name", `a"b`, `1`, `{"a\"b":2,"c":3}`, `{"a\"b":1,"c":3}`},
		{"key spelled with escapes", "id", `1`, `{"\u0069d":2,"c":3}`, `{"id":1,"c":3}`},
		{"no key column", "", ``, `{"score":1}`, `{"_object":"file:///in/a.jsonl","_offset":12,"score":1}`},
		{"row without the key column", "id", ``, `{"score":1}`, `{"_object":"file:///in/a.jsonl","_offset":12,"score":1}`},
		{"row with a key of null", "id", `null`, `{"id":null}`, `{"_object":"file:///in/a.jsonl","_offset":12,"id":null}`},
		{"columns of ours are replaced", "", ``, `{"_offset":3,"_object":1,"s":2}`, `{"_object":"file:///in/a.jsonl","_offset":12,"s":2}`},
		{"key in front, of which ours is a part", "id", `1`, `{"id":12,"c":3}`, `{"id":1,"c":3}`},
		{"key in front behind a space", "id", `1`, `{"id": 1, "c":3}`, `{"id": 1, "c":3}`},
		{"key in front and alone", "id", `"x"`, `{"id":"x"}`, `{"id":"x"}`},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			store, root := newStore(t)
			part := newPart(t, store, root+"/part.jsonl", orchestrator.FormatJSONL, test.keyColumn)
			var key []byte
			if test.key != "" {
				key = []byte(test.key)
			}
			if err := part.Append(key, "file:///in/a.jsonl", 12, []byte(test.result)); err != nil {
				t.Fatal(err)
			}
			got := closePart(t, store, part)
			if diff := cmp.Diff(test.want+"\n", got); diff != "" {
				t.Errorf("part (-want +got):\n%s", diff)
			}
		})
	}
}

// closePart closes a part, compares what Close says with the bytes, and gives them.
func closePart(t testing.TB, store *object.Store, part *PartWriter) string {
	t.Helper()
	written, err := part.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	data, err := store.ReadAll(t.Context(), written.URI, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	want := orchestrator.ObjectRef{URI: written.URI, Bytes: int64(len(data)), Rows: part.Rows(), SHA256: hex.EncodeToString(sum[:])}
	if diff := cmp.Diff(want, written); diff != "" {
		t.Errorf("written object (-want +got):\n%s", diff)
	}
	return string(data)
}

// Whatever the result, the line has the key, and all other columns as they were.
func TestPartKeepsColumns(t *testing.T) {
	t.Parallel()
	name := rapid.SampledFrom([]string{"id", "a.b", "@x", "#", "*", "a\"b", "", "ü", "a\\b", "0", "_object", "_offset", "<&>", "{", "[", "!", "|", "a|b", "..#"})
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SampledFrom([]string{"1", `"k"`, `{"a":[1]}`}).Draw(t, "key")
		column := name.Filter(func(text string) bool { return text != "" }).Draw(t, "key column")
		result := rapid.MapOf(name, rapid.SampledFrom([]any{1.0, "x", nil, []any{"y"}, map[string]any{"id": 2.0}})).Draw(t, "result")
		line, err := json.Marshal(result)
		if err != nil {
			t.Fatal(err)
		}
		store := shelf{}
		part, err := NewPartWriter(store.create(testURI), orchestrator.FormatJSONL, column)
		if err != nil {
			t.Fatal(err)
		}
		if err := part.Append([]byte(key), "file:///x", 0, line); err != nil {
			t.Fatal(err)
		}
		if _, err := part.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(store[testURI], &got); err != nil {
			t.Fatalf("line %s: %v", store[testURI], err)
		}
		var keyValue any
		if err := json.Unmarshal([]byte(key), &keyValue); err != nil {
			t.Fatal(err)
		}
		result[column] = keyValue
		if diff := cmp.Diff(result, got); diff != "" {
			t.Fatalf("line %s (-want +got):\n%s", store[testURI], diff)
		}
	})
}

func TestErrorFile(t *testing.T) {
	t.Parallel()
	store, root := newStore(t)
	errorsOut := NewErrorWriter(create(t, store, root+"/errors.jsonl"))
	problems := []orchestrator.RowError{
		{Key: json.RawMessage(`"a<b"`), Object: "file:///in/a.jsonl", Offset: 3, Code: "invalid_json", Message: "byte 3 of the row: no", Attempts: 2},
		{Object: "file:///in/a.jsonl", Offset: 30, Code: "row_too_long", Message: "long & bad"},
	}
	for _, problem := range problems {
		if err := errorsOut.Append(problem); err != nil {
			t.Fatal(err)
		}
	}
	written, err := errorsOut.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(strings.TrimPrefix(written.URI, "file://"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"key":"a<b","object":"file:///in/a.jsonl","offset":3,"code":"invalid_json","message":"byte 3 of the row: no","attempts":2}
{"object":"file:///in/a.jsonl","offset":30,"code":"row_too_long","message":"long & bad","attempts":0}
`
	if diff := cmp.Diff(want, string(data)); diff != "" || written.Rows != 2 {
		t.Errorf("%d rows, error file (-want +got):\n%s", written.Rows, diff)
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	t.Parallel()
	store, root := newStore(t)
	part := newPart(t, store, root+"/part.jsonl", orchestrator.FormatJSONL, "")
	if err := part.Append(nil, "file:///in/a.jsonl", 0, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := part.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(strings.TrimPrefix(root, "file://") + "/*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func BenchmarkPartJSONL(b *testing.B) {
	store, root := newStore(b)
	const rows = 200_000
	result := []byte(`{"score":0.123456,"label":"legitimate transaction","features":[0.1,0.2,0.3,0.4],"model":"fraud-7"}`)
	b.SetBytes(int64(rows * (len(result) + 14)))
	for b.Loop() {
		part := newPart(b, store, root+"/part.jsonl", orchestrator.FormatJSONL, "id")
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
