package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// plainRows reads jsonl the obvious way, as the truth for the range reader.
func plainRows(data []byte, key string, limit int) []readRow {
	var rows []readRow
	offset := int64(0)
	for text := range bytes.SplitAfterSeq(data, []byte("\n")) {
		at := offset
		offset += int64(len(text))
		text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
		row := readRow{Offset: at}
		switch tooLong := len(text) > limit; {
		case tooLong:
			row.Code = CodeRowTooLong
		default:
			if at == 0 {
				text = bytes.TrimPrefix(text, byteOrderMark)
			}
			if len(bytes.Trim(text, " \t\r")) == 0 {
				continue
			}
			row = plainRow(row, text, key)
		}
		rows = append(rows, row)
	}
	return rows
}

func plainRow(row readRow, text []byte, key string) readRow {
	var value any
	var columns map[string]json.RawMessage
	switch {
	case !bytes.Equal(text, bytes.ToValidUTF8(text, nil)):
		row.Code = CodeInvalidUTF8
	case json.Unmarshal(text, &value) != nil:
		row.Code = CodeInvalidJSON
	case json.Unmarshal(text, &columns) != nil || columns == nil:
		row.Code = CodeNotAnObject
	default:
		row.Line, row.Key = string(text), string(notNull(columns[key]))
	}
	return row
}

var awkward = map[string]string{
	"empty object":               "",
	"only a newline":             "\n",
	"only newlines":              "\n\n\r\n",
	"one row":                    "{\"id\":1}\n",
	"no trailing newline":        "{\"id\":1}\n{\"id\":2}",
	"carriage returns":           "{\"id\":1}\r\n{\"id\":2}\r\n\r\n{\"id\":3}\r",
	"blank lines":                "\n{\"id\":1}\n\n  \t\n{\"id\":2}\n\n",
	"byte order mark":            "\xef\xbb\xbf{\"id\":1}\n{\"id\":2}\n",
	"byte order mark alone":      "\xef\xbb\xbf",
	"byte order mark later":      "{\"id\":1}\n\xef\xbb\xbf{\"id\":2}\n",
	"not objects":                "1\n[1]\nnull\n\"x\"\n{\"id\":5}\n",
	"broken rows":                "{\"id\":1\n{\"id\":2}}\n{id:3}\n{\"id\":4}\n",
	"invalid utf-8":              "{\"id\":\"\xff\"}\n{\"id\":2}\n",
	"row too long":               "{\"id\":1}\n{\"id\":\"" + strings.Repeat("x", 100) + "\"}\n{\"id\":3}\n",
	"row exactly as long":        "{\"id\":\"" + strings.Repeat("x", 33) + "\"}\r\n{\"id\":3}\n",
	"row one byte too long":      "{\"id\":\"" + strings.Repeat("x", 34) + "\"}\r\n{\"id\":3}\n",
	"last row too long":          "{\"id\":1}\n{\"id\":\"" + strings.Repeat("x", 100),
	"key late, twice and nested": "{\"a\":{\"id\":1},\"id\":2}\n{\"x\":\"\\\"id\\\":9\",\"id\":3}\n{\"a\":1}\n{\"id\":null}\n",
}

const awkwardLimit = 42

func TestJSONLWholeObject(t *testing.T) {
	t.Parallel()
	for name, text := range awkward {
		for _, step := range []int{0, 1, 3} {
			t.Run(fmt.Sprintf("%s step %d", name, step), func(t *testing.T) {
				t.Parallel()
				source := memorySource{[]byte(text), step}
				got := readRange(t, source, source.object(orchestrator.FormatJSONL), 0, int64(len(text)), 2, Options{Key: "id", MaxRowBytes: awkwardLimit})
				if diff := cmp.Diff(plainRows([]byte(text), "id", awkwardLimit), got); diff != "" {
					t.Errorf("rows (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// Every single border, and every pair of borders, of every awkward object.
func TestJSONLBordersAtEveryByte(t *testing.T) {
	t.Parallel()
	for name, text := range awkward {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := memorySource{[]byte(text), 0}
			size := int64(len(text))
			options := Options{Key: "id", MaxRowBytes: awkwardLimit}
			want := plainRows(source.data, "id", awkwardLimit)
			for first := range size + 1 {
				for second := first; second <= size; second++ {
					var got []readRow
					for _, part := range [][2]int64{{0, first}, {first, second}, {second, size}} {
						got = append(got, readRange(t, source, source.object(orchestrator.FormatJSONL), part[0], part[1], 100, options)...)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("borders %d and %d (-want +got):\n%s", first, second, diff)
					}
				}
			}
		})
	}
}

func jsonlText() *rapid.Generator[string] {
	row := rapid.OneOf(
		rapid.SampledFrom([]string{"", " ", "\r", "{}", "{\"id\":1}", "{\"id\":\"a\\\"b\"}", "[1]", "{", "\xff", "null", "{\"id\":{\"a\":[1]}}"}),
		rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf(`{"x":%q,"id":%d}`, strings.Repeat("y", rapid.IntRange(0, 60).Draw(t, "length")), rapid.Int().Draw(t, "id"))
		}),
	)
	return rapid.Custom(func(t *rapid.T) string {
		text := strings.Join(rapid.SliceOfN(row, 0, 20).Draw(t, "rows"), rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "line end"))
		return rapid.SampledFrom([]string{"", "\xef\xbb\xbf"}).Draw(t, "mark") + text + rapid.SampledFrom([]string{"", "\n"}).Draw(t, "last")
	})
}

func TestJSONLAnyCutsGiveTheSameRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := jsonlText().Draw(t, "text")
		source := memorySource{[]byte(text), rapid.IntRange(0, 9).Draw(t, "step")}
		options := Options{Key: "id", MaxRowBytes: rapid.IntRange(1, 70).Draw(t, "limit")}
		cuts := rapid.SliceOfN(rapid.Int64Range(0, int64(len(text))), 0, 8).Draw(t, "cuts")
		got := readCuts(t, source, source.object(orchestrator.FormatJSONL), cuts, rapid.IntRange(1, 5).Draw(t, "most"), options)
		if diff := cmp.Diff(plainRows(source.data, "id", options.MaxRowBytes), got); diff != "" {
			t.Fatalf("cuts %v (-want +got):\n%s", cuts, diff)
		}
	})
}

// readCuts reads the ranges between the cuts one after the other.
func readCuts(t fataler, source memorySource, from orchestrator.Object, cuts []int64, most int, options Options) []readRow {
	t.Helper()
	var got []readRow
	for _, part := range ranges(append(slices.Clone(cuts), 0, from.Size)) {
		rows, err := tryRange(source, from, part[0], part[1], most, options)
		if err != nil {
			t.Fatalf("read range %v: %v", part, err)
		}
		got = append(got, rows...)
	}
	return got
}

// ranges are what lies between the cuts, in order.
func ranges(cuts []int64) [][2]int64 {
	slices.Sort(cuts)
	var all [][2]int64
	for i := 1; i < len(cuts); i++ {
		all = append(all, [2]int64{cuts[i-1], cuts[i]})
	}
	return all
}

func FuzzJSONLRanges(f *testing.F) {
	for _, text := range awkward {
		f.Add([]byte(text), uint16(3), uint16(len(text)/2), uint8(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, first, second uint16, step uint8) {
		if len(data) > 4096 {
			return
		}
		source := memorySource{data, int(step)}
		cuts := []int64{int64(first) % int64(len(data)+1), int64(second) % int64(len(data)+1)}
		got := readCuts(t, source, source.object(orchestrator.FormatJSONL), cuts, 3, Options{Key: "id", MaxRowBytes: 200})
		want := plainRows(data, "id", 200)
		for i := range want { // the first of two columns with one name wins here, the last one in the standard library
			want[i].Key = ""
		}
		for i := range got {
			got[i].Key = ""
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("cuts %v (-want +got):\n%s", cuts, diff)
		}
	})
}

// Rows and keys stay valid until their chunk is released, whatever is read meanwhile.
func TestChunksOwnTheirRows(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	for i := range 50_000 {
		fmt.Fprintf(&text, "{\"id\":%d,\"filler\":\"%050d\"}\n", i, i)
	}
	source := memorySource{text.Bytes(), 10_000}
	reader, err := OpenRows(t.Context(), source, source.object(orchestrator.FormatJSONL), orchestrator.Range{End: int64(text.Len())}, Options{Key: "id"})
	if err != nil {
		t.Fatal(err)
	}
	var held []*Chunk
	next := 0
	check := func(chunk *Chunk) {
		for _, row := range chunk.Rows {
			if want := fmt.Sprintf("{\"id\":%d,\"filler\":\"%050d\"}", next, next); string(row.Line) != want || string(row.Key) != fmt.Sprint(next) {
				t.Fatalf("row %d is %q with key %s", next, row.Line, row.Key)
			}
			next++
		}
		chunk.Release()
	}
	for chunk, err := reader.Next(700); err == nil; chunk, err = reader.Next(700) {
		if held = append(held, chunk); len(held) == 5 {
			check(held[0])
			held = held[1:]
		}
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	for _, chunk := range held {
		check(chunk)
	}
	if next != 50_000 {
		t.Errorf("read %d rows, want 50000", next)
	}
}

func BenchmarkJSONL(b *testing.B) {
	var text bytes.Buffer
	const rows = 200_000
	for i := range rows {
		fmt.Fprintf(&text, "{\"id\":%d,\"amount\":%d.5,\"country\":\"DE\",\"text\":\"%032d\",\"flag\":true}\n", 10_000_000+i, i%1000, i)
	}
	source := memorySource{text.Bytes(), 0}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		reader, _ := OpenRows(b.Context(), source, source.object(orchestrator.FormatJSONL), orchestrator.Range{End: int64(text.Len())}, Options{Key: "id"})
		for chunk, err := reader.Next(512); err == nil; chunk, err = reader.Next(512) {
			chunk.Release()
		}
		reader.Close()
	}
	b.ReportMetric(float64(text.Len())/rows, "bytes/row")
	b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
