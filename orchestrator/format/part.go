package format

import (
	"context"
	"errors"
	"fmt"

	"nightshift.dev/nightshift/orchestrator"
)

// encoder writes the finished lines of a part in its format.
type encoder interface {
	append(line []byte) error
	rows() int64
	close(ctx context.Context) (orchestrator.ObjectRef, error)
}

// PartWriter writes the results of one shard. Rows come in the order of the input.
type PartWriter struct {
	*ResultLines
	encoder encoder
	out     Output
}

// NewPartWriter writes jsonl or parquet to out, which it closes or aborts. key is the job's key column or empty.
func NewPartWriter(out Output, layout orchestrator.Format, key string) (*PartWriter, error) {
	writer := &PartWriter{out: out, ResultLines: NewResultLines(key)}
	switch layout {
	case orchestrator.FormatJSONL:
		writer.encoder = &jsonlEncoder{gathered{out: out}}
	case orchestrator.FormatParquet:
		writer.encoder = &parquetEncoder{out: out, key: key, shape: &shape{kind: groupShape}}
	default:
		return nil, fmt.Errorf("open part: results cannot be written as %q; want jsonl or parquet", layout)
	}
	return writer, nil
}

// Append adds the scorer's result for one row, as ResultLines.Line puts it together.
//
// An *Error with code type_conflict means that this row was not added and others can be. A parquet part is kept in memory
// until Close, at most 512 MiB of lines (part_too_large), because its types are those of all its rows.
func (p *PartWriter) Append(key []byte, object string, offset int64, result []byte) error {
	if err := p.encoder.append(p.Line(key, object, offset, result)); err != nil {
		return placed(err, object, offset)
	}
	return nil
}

// placed names the row in an error of an encoder, which knows no rows.
func placed(err error, object string, offset int64) error {
	var problem *Error
	if errors.As(err, &problem) {
		problem.Object, problem.Offset = object, offset
	}
	return err
}

// Rows is how many rows were appended.
func (p *PartWriter) Rows() int64 { return p.encoder.rows() }

// Close makes the part durable and says what was written. When it fails nothing is left behind.
func (p *PartWriter) Close(ctx context.Context) (orchestrator.ObjectRef, error) {
	written, err := p.encoder.close(ctx)
	if err != nil {
		return orchestrator.ObjectRef{}, errors.Join(err, p.out.Abort(ctx))
	}
	return written, nil
}

// Abort gives the part up.
func (p *PartWriter) Abort(ctx context.Context) error { return p.out.Abort(ctx) }

// jsonlEncoder writes lines as they are.
type jsonlEncoder struct {
	gathered
}

func (j *jsonlEncoder) append(line []byte) error { return j.appendLine(line) }

func (j *jsonlEncoder) rows() int64 { return j.gathered.rows }
