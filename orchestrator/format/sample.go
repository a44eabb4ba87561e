package format

import (
	"context"
	"errors"
	"io"
	"slices"
	"unsafe"

	"github.com/tidwall/gjson"

	"nightshift.dev/nightshift/orchestrator"
)

const (
	sampleBytes       = 64 << 10 // looked at in an object that can be read anywhere
	packedSampleBytes = 1 << 20  // looked at in a compressed one, after decompression; fewer say little about the ratio
	mostColumns       = 1000     // named by a sample
)

// Sampled is what the beginning of an object tells about all of it.
type Sampled struct {
	Columns  []string               // in the order in which they were seen, at most a thousand
	Rows     int64                  // of the whole object, an estimate unless Exact
	RowBytes float64                // bytes of the object, as it is stored, per row; 0 without rows
	Exact    bool                   // the whole object was seen, or it says itself how many rows it has
	Problem  *orchestrator.RowError // of the first bad row among those that were seen
}

// Sample looks at the first 64 KiB of an object, at the first MiB of what comes out of a compressed one, or at the footer of
// parquet. Options are those of the job, so that a column it names but the object lacks is found here.
func Sample(ctx context.Context, source Source, from orchestrator.Object, options Options) (Sampled, error) {
	if from.Format == orchestrator.FormatParquet {
		return sampleParquet(ctx, source, from)
	}
	part, enough := orchestrator.Range{End: from.Size}, int64(packedSampleBytes)
	if from.Splittable() {
		part.End = min(from.Size, sampleBytes)
		enough = sampleBytes
	}
	rows, err := OpenRows(ctx, source, from, part, options)
	if err != nil {
		return Sampled{}, err
	}
	sampled, err := sampleRows(rows, from, enough)
	return sampled, errors.Join(err, rows.Close())
}

func sampleParquet(ctx context.Context, source Source, from orchestrator.Object) (Sampled, error) {
	file, err := openParquet(ctx, source, from)
	if err != nil {
		return Sampled{}, err
	}
	sampled := Sampled{Rows: file.NumRows(), Exact: true, Columns: names(file.Root().Columns())}
	sampled.Columns = sampled.Columns[:min(len(sampled.Columns), mostColumns)]
	if sampled.Rows > 0 {
		sampled.RowBytes = float64(from.Size) / float64(sampled.Rows)
	}
	return sampled, nil
}

func sampleRows(rows *Rows, from orchestrator.Object, enough int64) (Sampled, error) {
	var sampled Sampled
	var at *lines
	stored := func() float64 { return float64(at.offset) } // bytes of the object behind the rows seen
	switch decoder := rows.decoder.(type) {
	case *jsonl:
		at = decoder.lines
	case *csvRows:
		at = decoder.lines
		sampled.Columns = decoder.header.names
	}
	if unpacked, ok := at.in.(*packed); ok {
		stored = func() float64 {
			return float64(at.offset) * float64(unpacked.raw.bytes) / float64(max(1, unpacked.offset))
		}
	}
	ended := false
	for !ended && at.offset < enough {
		chunk, err := rows.Next(100)
		if err != nil && err != io.EOF {
			return sampled, err
		}
		if ended = err == io.EOF; !ended {
			sampled.see(chunk)
			chunk.Release()
		}
	}
	sampled.Exact = at.offset == from.Size || ended && !from.Splittable()
	sampled.extrapolate(from.Size, stored())
	return sampled, nil
}

// see counts the rows of a chunk and collects their columns.
func (s *Sampled) see(chunk *Chunk) {
	s.Rows += int64(len(chunk.Rows))
	for _, row := range chunk.Rows {
		if row.Error != nil {
			if s.Problem == nil {
				s.Problem = row.Error
			}
			continue
		}
		gjson.Parse(unsafe.String(&row.Line[0], len(row.Line))).ForEach(func(name, _ gjson.Result) bool {
			if len(s.Columns) < mostColumns && !slices.Contains(s.Columns, name.String()) {
				s.Columns = append(s.Columns, string([]byte(name.String()))) // the chunk's buffer is reused
			}
			return true
		})
	}
}

// extrapolate goes from the rows that were seen to the whole object.
func (s *Sampled) extrapolate(size int64, seen float64) {
	if s.Rows == 0 {
		return
	}
	if !s.Exact && seen > 0 {
		s.Rows = max(s.Rows, int64(float64(s.Rows)*float64(size)/seen))
	}
	s.RowBytes = float64(size) / float64(s.Rows)
}
