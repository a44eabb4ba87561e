package format

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"nightshift.dev/nightshift/orchestrator"
)

// Concat joins result parts into one object, in order. jsonl parts are copied and compared with their checksums. Of parquet
// parts the row groups are copied as they are; where the parts' column types differ (integers here, fractions there, a column
// that only some have) the rows are written again with types that fit all. On failure out is aborted.
func Concat(ctx context.Context, source Source, parts []orchestrator.ObjectRef, layout orchestrator.Format, out Output) (orchestrator.ObjectRef, error) {
	var err error
	switch layout {
	case orchestrator.FormatJSONL:
		err = concatLines(ctx, source, parts, out)
	case orchestrator.FormatParquet:
		err = concatParquet(ctx, source, parts, out)
	default:
		err = fmt.Errorf("join parts: results are never %q; want jsonl or parquet", layout)
	}
	if err != nil {
		return orchestrator.ObjectRef{}, errors.Join(err, out.Abort(ctx))
	}
	written, err := out.Close(ctx)
	for _, part := range parts {
		written.Rows += part.Rows
	}
	return written, err
}

func concatLines(ctx context.Context, source Source, parts []orchestrator.ObjectRef, out io.Writer) error {
	buffer := make([]byte, writeBytes)
	for _, part := range parts {
		if err := copyPart(ctx, source, part, out, buffer); err != nil {
			return fmt.Errorf("join part %s: %w", part.URI, err)
		}
	}
	return nil
}

func copyPart(ctx context.Context, source Source, part orchestrator.ObjectRef, out io.Writer, buffer []byte) (err error) {
	reader, err := source.OpenRange(ctx, partObject(part, orchestrator.FormatJSONL), 0, -1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	sum := sha256.New()
	// Only Read is passed on, so that the buffer is used.
	count, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(out, sum)}, struct{ io.Reader }{reader}, buffer)
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != part.SHA256 {
		return &Error{Code: CodePartMismatch, Object: part.URI, Offset: count, Message: fmt.Sprintf("has SHA-256 %s, was written with %s", got, part.SHA256)}
	}
	return nil
}

func concatParquet(ctx context.Context, source Source, parts []orchestrator.ObjectRef, out Output) (err error) {
	defer guard(func(cause error) { err = fmt.Errorf("join parts: %w", cause) })
	all := &shape{kind: groupShape}
	for _, part := range parts {
		file, err := openParquet(ctx, source, partObject(part, orchestrator.FormatParquet))
		if err != nil {
			return fmt.Errorf("join part %s: %w", part.URI, err)
		}
		one, err := shapeOf(file)
		if err != nil {
			return err
		}
		if err := all.join(one, ""); err != nil {
			return &Error{Code: CodeTypeConflict, Object: part.URI, Message: err.Error()}
		}
	}
	if len(all.members) == 0 {
		all.members = identity("")
	}
	writer := newParquetWriter(out, all)
	for _, part := range parts {
		if err := addPart(ctx, source, part, writer); err != nil {
			return fmt.Errorf("join part %s: %w", part.URI, err)
		}
	}
	return writer.close()
}

// addPart copies the row groups of a part, or its rows when its types are narrower than the writer's.
func addPart(ctx context.Context, source Source, part orchestrator.ObjectRef, writer *parquetWriter) error {
	file, err := openParquet(ctx, source, partObject(part, orchestrator.FormatParquet))
	if err != nil {
		return err
	}
	if file.NumRows() != part.Rows {
		return &Error{Code: CodePartMismatch, Object: part.URI, Message: fmt.Sprintf("has %d rows instead of %d", file.NumRows(), part.Rows)}
	}
	if parquet.EqualNodes(writer.Schema(), file.Schema()) {
		for _, group := range file.RowGroups() {
			if _, err := writer.WriteRowGroup(group); err != nil {
				return file.in.failure(0, err)
			}
		}
		return nil
	}
	return rewritePart(ctx, source, part, writer)
}

func rewritePart(ctx context.Context, source Source, part orchestrator.ObjectRef, writer *parquetWriter) (err error) {
	reader, err := OpenPart(ctx, source, part, orchestrator.FormatParquet)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for {
		line, err := reader.Next()
		if err == io.EOF {
			return errors.Join(writer.flush(), writer.Flush())
		}
		if err != nil {
			return err
		}
		if err := writer.add(string(line)); err != nil {
			return err
		}
	}
}

// shapeOf reads the shape back from a file that we wrote.
func shapeOf(file *parquetFile) (*shape, error) {
	of := &shape{kind: groupShape}
	for _, column := range file.Root().Columns() {
		one, err := columnShape(column, file.in.from.URI)
		if err != nil {
			return nil, err
		}
		of.members = append(of.members, member{column.Name(), one})
	}
	return of, nil
}

func columnShape(column *parquet.Column, uri string) (*shape, error) {
	foreign := &Error{Code: CodePartMismatch, Object: uri, Message: fmt.Sprintf("column %q has a type that is never written here", column.Path())}
	if column.Leaf() {
		switch {
		case column.Type() == parquet.NullType, column.Type().Kind() < 0:
			return &shape{}, nil
		case column.Type().Kind() == parquet.Boolean:
			return &shape{kind: boolShape}, nil
		case column.Type().Kind() == parquet.Int64:
			return &shape{kind: intShape}, nil
		case column.Type().Kind() == parquet.Double:
			return &shape{kind: floatShape}, nil
		case column.Type().Kind() == parquet.ByteArray:
			return &shape{kind: textShape}, nil
		}
		return nil, foreign
	}
	members := column.Columns()
	if _, list := logicalOf(column.Type()).(*format.ListType); list {
		if len(members) != 1 || len(members[0].Columns()) != 1 {
			return nil, foreign
		}
		element, err := columnShape(members[0].Columns()[0], uri)
		return &shape{kind: listShape, element: element}, err
	}
	of := &shape{kind: groupShape}
	for _, one := range members {
		inner, err := columnShape(one, uri)
		if err != nil {
			return nil, err
		}
		of.members = append(of.members, member{one.Name(), inner})
	}
	return of, nil
}
