package format

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"nightshift.dev/nightshift/orchestrator"
)

// The transcripts of testdata show what rows become. Commands:
//
//	object [format=F] [compression=C] [cut=BYTES] [flip=BYTE]   the input is the object, without its last newline. In it,
//	        \n \r \t \xHH \" \\ are escapes, so that bytes can be seen. cut drops bytes from the end of what is stored,
//	        flip changes one byte of it.
//	rows [start=S] [end=E] [key=K] [max=BYTES] [columns=(NAME:TYPE,...)]
//	index spacing=BYTES
//	sample [key=K]
func TestTranscripts(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		t.Parallel()
		var world transcript
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			answer, err := world.run(t, d)
			if err != nil {
				answer += "error: " + strings.ReplaceAll(err.Error(), testURI, "OBJECT") + "\n"
			}
			return answer
		})
	})
}

type transcript struct {
	source memorySource
	object orchestrator.Object
}

func (w *transcript) run(t *testing.T, d *datadriven.TestData) (string, error) {
	switch d.Cmd {
	case "object":
		return "", w.store(t, d)
	case "rows":
		return w.rows(t, d)
	case "index":
		var spacing int64
		d.ScanArgs(t, "spacing", &spacing)
		offsets, err := IndexCSV(bytes.NewReader(w.source.data), spacing)
		return fmt.Sprintln(offsets), err
	case "sample":
		var key string
		d.MaybeScanArgs(t, "key", &key)
		sampled, err := Sample(t.Context(), w.source, w.object, Options{Key: key})
		answer := fmt.Sprintf("columns %q, %d rows (exact: %t) of %.1f bytes\n", sampled.Columns, sampled.Rows, sampled.Exact, sampled.RowBytes)
		if sampled.Problem != nil {
			answer += fmt.Sprintf("first problem at %d: %s\n", sampled.Problem.Offset, sampled.Problem.Code)
		}
		return answer, err
	}
	return "", fmt.Errorf("unknown command %s", d.Cmd)
}

func (w *transcript) store(t *testing.T, d *datadriven.TestData) error {
	layout, compression, cut, flip := "jsonl", "", 0, -1
	d.MaybeScanArgs(t, "format", &layout)
	d.MaybeScanArgs(t, "compression", &compression)
	d.MaybeScanArgs(t, "cut", &cut)
	d.MaybeScanArgs(t, "flip", &flip)
	var raw strings.Builder
	for i, line := range strings.Split(d.Input, "\n") {
		if i > 0 {
			raw.WriteByte('\n')
		}
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.ReplaceAll(line, `\"`, `"`), `"`, `\"`) + `"`)
		if err != nil {
			return fmt.Errorf("line %d: %w", i, err)
		}
		raw.WriteString(text)
	}
	data := pack(t, []byte(raw.String()), orchestrator.Compression(compression))
	data = data[:len(data)-cut]
	if flip >= 0 {
		data[flip] ^= 0x55
	}
	w.source = memorySource{data, 0}
	w.object = w.source.object(orchestrator.Format(layout))
	w.object.Compression = orchestrator.Compression(compression)
	return nil
}

// pack compresses in memory, which cannot fail.
func pack(t fataler, data []byte, compression orchestrator.Compression) []byte {
	t.Helper()
	var out bytes.Buffer
	var writer io.WriteCloser
	switch compression {
	case orchestrator.CompressionGzip:
		writer = gzip.NewWriter(&out)
	case orchestrator.CompressionZstd:
		var err error
		if writer, err = zstd.NewWriter(&out, zstd.WithEncoderCRC(true)); err != nil {
			t.Fatalf("pack: %v", err)
		}
	default:
		return data
	}
	if _, err := writer.Write(data); err != nil {
		t.Fatalf("pack: %v", err)
	}
	if err := writer.Close(); err != nil {
		t.Fatalf("pack: %v", err)
	}
	return out.Bytes()
}

func (w *transcript) rows(t *testing.T, d *datadriven.TestData) (string, error) {
	start, end := int64(0), w.object.Size
	options := Options{Columns: map[string]string{}}
	d.MaybeScanArgs(t, "start", &start)
	d.MaybeScanArgs(t, "end", &end)
	d.MaybeScanArgs(t, "key", &options.Key)
	d.MaybeScanArgs(t, "max", &options.MaxRowBytes)
	for _, argument := range d.CmdArgs {
		if argument.Key == "columns" {
			for _, declared := range argument.Vals {
				name, kind, _ := strings.Cut(declared, ":")
				options.Columns[name] = kind
			}
		}
	}
	reader, err := OpenRows(t.Context(), w.source, w.object, orchestrator.Range{Start: start, End: end}, options)
	if err != nil {
		return "", err
	}
	defer reader.Close()
	var out strings.Builder
	for {
		chunk, err := reader.Next(2)
		if err != nil {
			if err == io.EOF {
				return out.String(), nil
			}
			return out.String(), err
		}
		for _, row := range chunk.Rows {
			switch {
			case row.Error != nil:
				fmt.Fprintf(&out, "%d: %s: %s\n", row.Offset, row.Error.Code, row.Error.Message)
			case row.Key != nil:
				fmt.Fprintf(&out, "%d: %s key %s\n", row.Offset, row.Line, row.Key)
			default:
				fmt.Fprintf(&out, "%d: %s\n", row.Offset, row.Line)
			}
		}
		chunk.Release()
	}
}
