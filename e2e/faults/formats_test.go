package faults

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"

	"nightshift.dev/nightshift/orchestrator/api"
)

type formatRow struct {
	ID   string `parquet:"id"`
	N    int64  `parquet:"n"`
	Text string `parquet:"text"`
}

// Every format goes the whole way, large enough to be cut: csv with newlines inside of quotes, at borders found by a worker; parquet at row groups;
// compressed objects in one piece; results as parquet.
func TestEveryFormatGoesTheWholeWay(t *testing.T) {
	const rows = 60_000
	in := install(t, setting{rows: 10, ack: 5 * time.Second, before: func(dir string) {
		for name, content := range map[string][]byte{
			"rows.csv": csvRows(rows), "rows.parquet": parquetRows(t, rows), "rows.jsonl.gz": gzipped(t, jsonlRows(rows)), "rows.csv.zst": zstdOf(t, csvRows(rows)),
		} {
			if err := os.WriteFile(filepath.Join(dir, "in", name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}})
	for _, name := range []string{"rows.csv", "rows.parquet", "rows.jsonl.gz", "rows.csv.zst"} {
		in.input = "file://" + filepath.Join(in.dir, "in", name)
		job := in.finish(in.submit(name).ID, 90*time.Second)
		in.check(job, rows)
		parts := len(in.manifest(job).Parts)
		if compressed := strings.HasSuffix(name, "gz") || strings.HasSuffix(name, "zst"); compressed != (parts == 1) {
			t.Errorf("%s has %d parts", name, parts)
		}
	}
	in.input = "file://" + filepath.Join(in.dir, "in", "rows.csv")
	in.checkParquetResults(rows)
}

func (in *installation) checkParquetResults(rows int) {
	in.t.Helper()
	answer, err := request[api.SubmitResponse](in, "jobs.submit", map[string]any{
		"queue": "echo", "input": []string{in.input}, "key": "id", "output": map[string]any{"format": "parquet"},
	})
	if err != nil {
		in.t.Fatal(err)
	}
	next := 0
	for _, part := range in.manifest(in.finish(answer.Job.ID, 90*time.Second)).Parts {
		data := in.read(part.Result.URI)
		type result struct {
			ID     string `parquet:"id"`
			Double int64  `parquet:"double"`
		}
		got, err := parquet.Read[result](bytes.NewReader(data), int64(len(data)))
		if err != nil {
			in.t.Fatal(err)
		}
		for _, row := range got {
			if want := (result{fmt.Sprintf("r%07d", next), int64(2 * next)}); row != want {
				in.t.Fatalf("row %d of the parquet results is %+v, want %+v", next, row, want)
			}
			next++
		}
	}
	if next != rows {
		in.t.Errorf("%d rows in the parquet results, want %d", next, rows)
	}
}

func jsonlRows(rows int) []byte {
	var out bytes.Buffer
	for i := range rows {
		out.WriteString(plainRow(i) + "\n")
	}
	return out.Bytes()
}

// csvRows has a newline and doubled quotes inside of every text, about 200 bytes a row, so that the object is large enough to be indexed.
func csvRows(rows int) []byte {
	var out bytes.Buffer
	out.WriteString("id,n,text\n")
	for i := range rows {
		fmt.Fprintf(&out, "r%07d,%d,\"first line\n\"\"quoted\"\" second, %s\"\n", i, i, strings.Repeat("y", 130+i%50))
	}
	return out.Bytes()
}

func parquetRows(t *testing.T, rows int) []byte {
	var out bytes.Buffer
	writer := parquet.NewGenericWriter[formatRow](&out, parquet.MaxRowsPerRowGroup(4000))
	for i := range rows {
		if _, err := writer.Write([]formatRow{{fmt.Sprintf("r%07d", i), int64(i), "text"}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gzipped(t *testing.T, data []byte) []byte {
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	if _, err := writer.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstdOf(t *testing.T, data []byte) []byte {
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return encoder.EncodeAll(data, nil)
}
