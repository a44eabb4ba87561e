package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/jsonrow"
)

// A compressed object has the rows of its content, also when it was compressed in several pieces.
func TestPackedRowsAreThoseOfTheContent(t *testing.T) {
	t.Parallel()
	for _, compression := range []orchestrator.Compression{orchestrator.CompressionGzip, orchestrator.CompressionZstd} {
		t.Run(string(compression), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				text := []byte(jsonlText().Draw(t, "text"))
				at := rapid.IntRange(0, len(text)).Draw(t, "second piece")
				pieces := append(pack(t, text[:at], compression), pack(t, text[at:], compression)...)
				source := memorySource{pieces, rapid.IntRange(0, 9).Draw(t, "step")}
				from := source.object(orchestrator.FormatJSONL)
				from.Compression = compression
				got, err := tryRange(source, from, 0, from.Size, 3, Options{Key: "id", MaxRowBytes: 50})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(plainRows(text, "id", 50), got); diff != "" {
					t.Fatalf("rows (-want +got):\n%s", diff)
				}
			})
		})
	}
}

var errBroken = errors.New("the connection broke")

// breaking is a source whose objects cannot be read beyond some byte.
type breaking struct {
	memorySource
	after int
}

func (b breaking) OpenRange(ctx context.Context, from orchestrator.Object, start, length int64) (io.ReadCloser, error) {
	reader, err := b.memorySource.OpenRange(ctx, from, start, length)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(io.MultiReader(io.LimitReader(reader, max(0, int64(b.after)-start)), failing{})), nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }

// A source that fails is not taken for bad data, and the rows before are given.
func TestFailureOfTheSourceIsNotCorruption(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	text.WriteString("{\"id\":0}\n")
	for i := range 20_000 {
		fmt.Fprintf(&text, "{\"id\":%d}\n", i*7919)
	}
	csvData := strings.ReplaceAll(strings.ReplaceAll(text.String(), "{\"id\":", ""), "}", "")
	cases := map[string]memorySource{
		"jsonl": {text.Bytes(), 0}, "csv": {[]byte("id\n" + csvData), 0}, "gzip": {pack(t, text.Bytes(), orchestrator.CompressionGzip), 0},
		"zstd": {pack(t, text.Bytes(), orchestrator.CompressionZstd), 0}, "parquet": transactions(t, 5000, 1000),
	}
	for name, source := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, end := source.object(orchestrator.FormatJSONL), int64(len(source.data))
			switch name {
			case "csv", "parquet":
				from.Format = orchestrator.Format(name)
			case "gzip", "zstd":
				from.Compression = orchestrator.Compression(name)
			}
			if name == "parquet" {
				end = 5000
			}
			for _, after := range []int{0, 1, len(source.data) / 2, len(source.data) - 1} {
				rows, err := tryRange(breaking{source, after}, from, 0, end, 100, Options{})
				if !errors.Is(err, errBroken) {
					t.Errorf("broken after %d of %d bytes: %d rows and error %v", after, len(source.data), len(rows), err)
				}
				if name == "jsonl" && after == len(source.data)/2 && len(rows) < 9_000 {
					t.Errorf("only %d rows before the failure", len(rows))
				}
			}
		})
	}
}

// endless has one row that never ends.
type endless struct{ size int64 }

func (e endless) OpenRange(context.Context, orchestrator.Object, int64, int64) (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(filler{}, e.size)), nil
}

type filler struct{}

func (filler) Read(buffer []byte) (int, error) {
	for i := range buffer {
		buffer[i] = '"'
	}
	return len(buffer), nil
}

// A row of many megabytes is skipped in the memory of a short one.
func TestHugeRowsAreNotKept(t *testing.T) { // not parallel: it measures allocations
	const size = 64 << 20
	for _, layout := range []orchestrator.Format{orchestrator.FormatJSONL, orchestrator.FormatCSV} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		rows, err := tryRange(endless{size}, orchestrator.Object{URI: testURI, Size: size, Format: layout}, 0, size, 10, Options{})
		runtime.ReadMemStats(&after)
		if layout == orchestrator.FormatCSV {
			wantError(t, err, CodeBadHeader)
		} else if err != nil || len(rows) != 1 || rows[0].Code != CodeRowTooLong {
			t.Errorf("%s: %+v, %v", layout, rows, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20 { // the race detector makes pools forget
			t.Errorf("%s: allocated %d bytes", layout, used)
		}
	}
}

// Rows made of quotes and commas are read in time that grows with their length only.
func TestRowsOfManyQuotes(t *testing.T) {
	t.Parallel()
	const fields = 300_000
	for _, field := range []string{`""`, `x"`, `"`} {
		text := "a\n" + strings.Repeat(field+",", fields) + "\nlast\n"
		source := memorySource{[]byte(text), 0}
		began := time.Now()
		rows := readRange(t, source, source.object(orchestrator.FormatCSV), 0, int64(len(text)), 10, Options{MaxRowBytes: 4 << 20})
		if took := time.Since(began); took > 10*time.Second { // quadratic work would take minutes
			t.Errorf("%q: took %s", field, took)
		}
		if field != `"` && (len(rows) != 2 || rows[0].Code != CodeWrongFieldCount || rows[1].Line != `{"a":"last"}`) {
			t.Errorf("%q: %d rows", field, len(rows))
		}
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	t.Parallel()
	nested := func(depth int) string {
		return `{"a":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + "}"
	}
	text := nested(10) + "\n" + nested(jsonrow.MaxNesting-1) + "\n" + nested(jsonrow.MaxNesting) + "\n" + nested(400_000) + "\n{\"a\":\"" + strings.Repeat("[", 10_000) + "\\\"\"}\n"
	source := memorySource{[]byte(text), 0}
	var codes []string
	for _, row := range readRange(t, source, source.object(orchestrator.FormatJSONL), 0, int64(len(text)), 10, Options{}) {
		codes = append(codes, row.Code)
	}
	if diff := cmp.Diff([]string{"", "", CodeInvalidJSON, CodeInvalidJSON, ""}, codes); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
}

// A sample of a part of an object comes near the truth.
func TestSampleEstimates(t *testing.T) {
	t.Parallel()
	const rows = 50_000
	var lines, fields bytes.Buffer
	fields.WriteString("id,text\n")
	for i := range rows {
		fmt.Fprintf(&lines, "{\"id\":%d,\"text\":\"%0*d\"}\n", i, i*7%40, i)
		fmt.Fprintf(&fields, "%d,%0*d\n", i, i*7%40, i)
	}
	cases := []struct {
		format      orchestrator.Format
		compression orchestrator.Compression
		data        []byte
	}{
		{orchestrator.FormatJSONL, "", lines.Bytes()}, {orchestrator.FormatCSV, "", fields.Bytes()},
		{orchestrator.FormatJSONL, orchestrator.CompressionGzip, pack(t, lines.Bytes(), orchestrator.CompressionGzip)},
		{orchestrator.FormatCSV, orchestrator.CompressionZstd, pack(t, fields.Bytes(), orchestrator.CompressionZstd)},
	}
	for _, test := range cases {
		source := memorySource{test.data, 0}
		from := source.object(test.format)
		from.Compression = test.compression
		sampled, err := Sample(t.Context(), source, from, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"id", "text"}, sampled.Columns); diff != "" {
			t.Errorf("columns (-want +got):\n%s", diff)
		}
		if sampled.Exact || sampled.Rows < rows*7/10 || sampled.Rows > rows*13/10 {
			t.Errorf("%s %s: %d rows (exact: %t), there are %d", test.format, test.compression, sampled.Rows, sampled.Exact, rows)
		}
		if whole := sampled.RowBytes * float64(sampled.Rows); int64(whole+0.5) != from.Size {
			t.Errorf("%s %s: %.1f bytes per row make %.0f bytes, the object has %d", test.format, test.compression, sampled.RowBytes, whole, from.Size)
		}
	}
	source := transactions(t, 1000, 300)
	sampled, err := Sample(t.Context(), source, source.object(orchestrator.FormatParquet), Options{})
	if err != nil || !sampled.Exact || sampled.Rows != 1000 || len(sampled.Columns) != 6 {
		t.Errorf("parquet: %+v, %v", sampled, err)
	}
}

func TestBorders(t *testing.T) {
	t.Parallel()
	var fields bytes.Buffer
	fields.WriteString("id,text\n")
	for i := range 20_000 {
		fmt.Fprintf(&fields, "%d,\"a\nb\"\n", i)
	}
	source := memorySource{fields.Bytes(), 0}
	from := source.object(orchestrator.FormatCSV)
	borders, err := Borders(t.Context(), source, from)
	if err != nil || len(borders) < 2 || borders[0] < leastSpacing {
		t.Fatalf("csv: %v, %v", borders, err)
	}
	if got := readCuts(t, source, from, borders, 1000, Options{}); len(got) != 20_000 {
		t.Errorf("csv: %d rows between the borders", len(got))
	}
	columnar := transactions(t, 1000, 300)
	borders, err = Borders(t.Context(), columnar, columnar.object(orchestrator.FormatParquet))
	if diff := cmp.Diff([]int64{0, 300, 600, 900, 1000}, borders); diff != "" || err != nil {
		t.Errorf("parquet: %v (-want +got):\n%s", err, diff)
	}
	for _, one := range []orchestrator.Object{{Format: orchestrator.FormatJSONL}, {Format: orchestrator.FormatCSV, Compression: orchestrator.CompressionGzip}} {
		if borders, err = Borders(t.Context(), source, one); borders != nil || err != nil {
			t.Errorf("%+v: %v, %v", one, borders, err)
		}
	}
}
