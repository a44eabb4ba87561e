package scorer

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// benchmarkRows is a batch of rows of about 94 bytes: a string, two floats and two whole numbers.
func benchmarkRows(count int) [][]byte {
	random := rand.New(rand.NewPCG(1, 1))
	lines := make([][]byte, count)
	for i := range lines {
		lines[i] = fmt.Appendf(nil, `{"id":"txn-%08d","amount":%.2f,"risk":%v,"count":%d,"merchant":%d}`,
			random.IntN(1e8), random.Float64()*1000, random.Float64(), random.IntN(1000), random.IntN(1e6))
	}
	return lines
}

func benchmarkRecord(b *testing.B, lines [][]byte) arrow.RecordBatch {
	b.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.BinaryTypes.String}, {Name: "amount", Type: arrow.PrimitiveTypes.Float64},
		{Name: "risk", Type: arrow.PrimitiveTypes.Float64}, {Name: "count", Type: arrow.PrimitiveTypes.Int64},
		{Name: "merchant", Type: arrow.PrimitiveTypes.Int64},
	}, nil)
	var text strings.Builder
	for _, line := range lines {
		text.Write(line)
	}
	record, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(text.String()), array.WithMultipleDocs())
	if err != nil {
		b.Fatal(err)
	}
	return record
}

// BenchmarkHost measures one million rows through the Python scorer host with a class that returns its batch as it is, in
// batches of 4096: go test -bench Host -benchtime 1x.
func BenchmarkHost(b *testing.B) {
	const total, size = 1_000_000, 4096
	lines := benchmarkRows(size)
	for _, bc := range []struct {
		name    string
		modules []string
		without string
		batch   func(*testing.B) Batch
	}{
		{"jsonl_lists_json", nil, "numpy orjson pyarrow", func(*testing.B) Batch { return Lines(lines) }},
		{"jsonl_numpy_json", []string{"numpy"}, "orjson pyarrow", func(*testing.B) Batch { return Lines(lines) }},
		{"jsonl_numpy_orjson", []string{"numpy", "orjson"}, "pyarrow", func(*testing.B) Batch { return Lines(lines) }},
		{"arrow_numpy", []string{"numpy", "pyarrow"}, "", func(b *testing.B) Batch { return Record(benchmarkRecord(b, lines)) }},
	} {
		b.Run(bc.name, func(b *testing.B) {
			spec := hostSpec(b, testPython(b, bc.modules...), "models:Identity")
			spec.Env[0] += ":" + blockModules(b, bc.without)
			batch := bc.batch(b)
			p, err := Start(b.Context(), spec)
			if err != nil {
				b.Fatal(err)
			}
			defer p.Kill()
			for b.Loop() {
				scoreMany(b, p, batch, total/size+1)
			}
			b.ReportMetric(float64(b.N)*float64(total/size+1)*size/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(p.PeakMemory()>>20), "MiB")
			b.ReportMetric(float64(p.LoadDuration().Milliseconds()), "ms/load")
		})
	}
}

// scoreMany keeps two batches outstanding.
func scoreMany(b *testing.B, p *Process, batch Batch, times int) {
	b.Helper()
	var before *Pending
	for range times {
		pending, err := p.Submit(b.Context(), batch)
		if err != nil {
			b.Fatal(err)
		}
		if before != nil {
			if _, err := before.Wait(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		before = pending
	}
	if _, err := before.Wait(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// blockModules makes a folder in which modules stand that cannot be imported.
func blockModules(t testing.TB, modules string) string {
	t.Helper()
	dir := t.TempDir()
	for _, module := range strings.Fields(modules) {
		path := filepath.Join(dir, module+".py")
		if err := os.WriteFile(path, []byte("raise ImportError('blocked for this test')\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func BenchmarkRecordLines(b *testing.B) {
	record := benchmarkRecord(b, benchmarkRows(4096))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := recordLines(record, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*4096/b.Elapsed().Seconds(), "rows/s")
}
