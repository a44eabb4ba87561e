package format

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// plainCSV splits csv byte by byte: the rows with their offsets, blank ones left out.
func plainCSV(data []byte) (rows []readRow) {
	var row []byte
	begin, quoted, fieldBegins := 0, false, true
	end := func(next int) {
		if text := bytes.TrimSuffix(row, []byte("\r")); len(text) > 0 {
			rows = append(rows, readRow{Line: string(text), Offset: int64(begin)})
		}
		row, begin, quoted, fieldBegins = nil, next, false, true
	}
	at := 0
	if bytes.HasPrefix(data, byteOrderMark) {
		at = len(byteOrderMark)
	}
	for ; at < len(data); at++ {
		char := data[at]
		switch {
		case quoted && char == '"' && at+1 < len(data) && data[at+1] == '"':
			row = append(row, '"')
			at++
		case quoted && char == '"':
			quoted = false
		case quoted:
		case char == '\n':
			end(at + 1)
			continue
		case char == '"' && fieldBegins:
			quoted = true
		}
		row = append(row, char)
		fieldBegins = !quoted && char == ','
	}
	end(len(data))
	return rows
}

func csvText() *rapid.Generator[string] {
	field := rapid.OneOf(
		rapid.SampledFrom([]string{"", "1", "-2.5e3", "007", "true", "a b", `"a,b"`, `"a""b"`, "\"a\nb\"", "\"a\r\n\n\"", `""`, `"""`, `a"b`, `"a"b`, `"`, "ü", "\xff", "\r", `"1"`, "\t\x01", "null"}),
		rapid.StringMatching(`[a-c0-9]{0,30}`),
	)
	row := rapid.Custom(func(t *rapid.T) string {
		count := rapid.SampledFrom([]int{2, 2, 2, 2, 1, 3}).Draw(t, "fields")
		return strings.Join(rapid.SliceOfN(field, count, count).Draw(t, "fields"), ",")
	})
	return rapid.Custom(func(t *rapid.T) string {
		header := rapid.SampledFrom([]string{"a,b", "\xef\xbb\xbfa,b", "\n\na,b", "\xef\xbb\xbf\"a\",\"b\"", "\"a\nx\",b"}).Draw(t, "header")
		lineEnd := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "line end")
		rows := append([]string{header}, rapid.SliceOfN(row, 0, 15).Draw(t, "rows")...)
		return strings.Join(rows, lineEnd) + rapid.SampledFrom([]string{"", lineEnd}).Draw(t, "last")
	})
}

func wholeIndex(t fataler, data []byte, step int) []int64 {
	t.Helper()
	offsets, err := IndexCSV(stepReader{bytes.NewReader(data), step}, 1)
	if err != nil {
		t.Fatalf("index: %v", err)
	}
	return offsets
}

func TestCSVIndexIsWhereRowsBegin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		data := []byte(csvText().Draw(t, "text"))
		var want []int64
		for _, row := range plainCSV(data)[1:] {
			want = append(want, row.Offset)
		}
		if diff := cmp.Diff(want, wholeIndex(t, data, rapid.IntRange(0, 5).Draw(t, "step"))); diff != "" {
			t.Fatalf("offsets (-want +got):\n%s", diff)
		}
	})
}

func TestCSVAnyIndexedCutsGiveTheSameRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		data := []byte(csvText().Draw(t, "text"))
		source := memorySource{data, rapid.IntRange(0, 9).Draw(t, "step")}
		options := Options{MaxRowBytes: rapid.IntRange(1, 60).Draw(t, "limit")}
		var cuts []int64
		for _, offset := range wholeIndex(t, data, 0) {
			if rapid.Bool().Draw(t, "cut") {
				cuts = append(cuts, offset)
			}
		}
		from := source.object(orchestrator.FormatCSV)
		got := readCuts(t, source, from, cuts, rapid.IntRange(1, 4).Draw(t, "most"), options)
		if diff := cmp.Diff(readCuts(t, memorySource{data, 0}, from, nil, 100, options), got); diff != "" {
			t.Fatalf("cuts %v (-whole +cut):\n%s", cuts, diff)
		}
		want := plainCSV(data)[1:]
		if len(want) != len(got) {
			t.Fatalf("%d rows, want %d", len(got), len(want))
		}
		for i, row := range got {
			if row.Offset != want[i].Offset || (row.Code == CodeRowTooLong) != (len(want[i].Line) > options.MaxRowBytes) {
				t.Fatalf("row %d is %+v, want one like %+v", i, row, want[i])
			}
		}
	})
}

// What the standard library writes, we read: same fields, same rows.
func TestCSVAgreesWithTheStandardLibrary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-zü ,"\n]{1,5}`), 1, 5, rapid.ID).Draw(t, "header")
		field := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"a,b", "\"", "\n", "x\r\ny", " ", "1", "true", ""}))
		records := rapid.SliceOfN(rapid.SliceOfN(field, len(names), len(names)), 0, 8).Draw(t, "records")
		var text bytes.Buffer
		writer := csv.NewWriter(&text)
		if err := writer.WriteAll(append([][]string{names}, records...)); err != nil {
			t.Fatal(err)
		}
		columns := map[string]string{}
		for _, name := range names {
			columns[name] = typeString
		}
		read, err := csv.NewReader(bytes.NewReader(text.Bytes())).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		want := []map[string]string{}
		for _, record := range read[1:] {
			want = append(want, zip(names, record))
		}
		source := memorySource{text.Bytes(), 0}
		got := []map[string]string{}
		for _, row := range readCuts(t, source, source.object(orchestrator.FormatCSV), nil, 10, Options{Columns: columns}) {
			var one map[string]string
			if err := json.Unmarshal([]byte(row.Line), &one); err != nil {
				t.Fatalf("row %+v: %v", row, err)
			}
			for name, value := range one { // the standard library reads \r\n inside quotes as \n
				one[name] = strings.ReplaceAll(value, "\r\n", "\n")
			}
			got = append(got, one)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("csv %q (-want +got):\n%s", text.String(), diff)
		}
	})
}

func zip(names, values []string) map[string]string {
	one := map[string]string{}
	for i, name := range names {
		one[name] = values[i]
	}
	return one
}

func TestIsNumber(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.StringMatching(`-?[0-9]{0,3}\.?[0-9]{0,2}([eE][+-]?[0-9]{0,2})?[ x]?`).Draw(t, "text"))
		if got, want := isNumber(text), json.Valid(text) && !bytes.ContainsAny(text, " "); got != want {
			t.Fatalf("isNumber(%q) = %v", text, got)
		}
	})
}

func TestTextIsJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.String().Draw(t, "text")
		var got string
		if err := json.Unmarshal(appendText(nil, want), &got); err != nil || got != want {
			t.Fatalf("%q became %q, %v", want, got, err)
		}
	})
}

func TestIndexCSVSpacing(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	text.WriteString("id,text\n")
	for i := range 60_000 {
		fmt.Fprintf(&text, "%d,\"a\nb\"\n", i)
	}
	for _, spacing := range []int64{0, 1, 100, 10_000, 1 << 40} {
		offsets, err := IndexCSV(bytes.NewReader(text.Bytes()), spacing)
		if err != nil {
			t.Fatal(err)
		}
		if len(offsets) > mostOffsets {
			t.Errorf("spacing %d: %d offsets, at most %d", spacing, len(offsets), mostOffsets)
		}
		if spacing == 10_000 && len(offsets) < text.Len()/10_100 {
			t.Errorf("spacing %d: only %d offsets in %d bytes", spacing, len(offsets), text.Len())
		}
		if spacing <= 1 && len(offsets) < mostOffsets/3 {
			t.Errorf("spacing %d: only %d offsets were kept", spacing, len(offsets))
		}
		for i, offset := range offsets {
			if text.Bytes()[offset-1] != '\n' || text.Bytes()[offset] == 'b' {
				t.Fatalf("no row begins at %d", offset)
			}
			if i > 0 && offset-offsets[i-1] < spacing {
				t.Fatalf("offsets %d and %d are nearer than %d", offsets[i-1], offset, spacing)
			}
		}
	}
}

func FuzzCSVRanges(f *testing.F) {
	for _, text := range []string{"a,b\n1,2\n", "a\n\"x\ny\"\n\"z\"\"\"", "\xef\xbb\xbf\"a\",b\r\n1,\"\r\n\"\r\n\r\n3", "a,b\n\"1\"2,3\n4\n\"", "a\n\xff\n,\n"} {
		f.Add([]byte(text), uint16(1), uint16(2), uint8(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, first, second uint16, step uint8) {
		if len(data) > 4096 {
			return
		}
		source := memorySource{data, int(step)}
		from := source.object(orchestrator.FormatCSV)
		options := Options{MaxRowBytes: 100}
		whole, err := tryRange(memorySource{data, 0}, from, 0, from.Size, 7, options)
		if err != nil {
			return // a header that cannot be used
		}
		index := wholeIndex(t, data, int(step))
		var cuts []int64
		if len(index) > 0 {
			cuts = []int64{index[int(first)%len(index)], index[int(second)%len(index)]}
		}
		if diff := cmp.Diff(whole, readCuts(t, source, from, cuts, 3, options)); diff != "" {
			t.Fatalf("cuts %v (-whole +cut):\n%s", cuts, diff)
		}
		for _, row := range whole {
			if row.Code == "" && !json.Valid([]byte(row.Line)) {
				t.Fatalf("row %q is no JSON", row.Line)
			}
		}
	})
}

func benchmarkCSV() ([]byte, int) {
	var text bytes.Buffer
	const rows = 200_000
	text.WriteString("id,amount,country,text,flag,note\n")
	for i := range rows {
		fmt.Fprintf(&text, "%d,%d.5,DE,%050d,true,\"a, b\"\n", 10_000_000+i, i%1000, i)
	}
	return text.Bytes(), rows
}

func BenchmarkCSV(b *testing.B) {
	text, rows := benchmarkCSV()
	source := memorySource{text, 0}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		reader, err := OpenRows(b.Context(), source, source.object(orchestrator.FormatCSV), orchestrator.Range{End: int64(len(text))}, Options{Key: "id"})
		if err != nil {
			b.Fatal(err)
		}
		for chunk, err := reader.Next(512); err == nil; chunk, err = reader.Next(512) {
			chunk.Release()
		}
		reader.Close()
	}
	b.ReportMetric(float64(len(text))/float64(rows), "bytes/row")
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkIndexCSV(b *testing.B) {
	text, _ := benchmarkCSV()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := IndexCSV(bytes.NewReader(text), 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}
