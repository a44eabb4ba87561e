package format

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"nightshift.dev/nightshift/orchestrator"
)

// Output takes the bytes of one new object; object.Writer implements it.
type Output interface {
	io.Writer
	Close(ctx context.Context) (orchestrator.ObjectRef, error)
	Abort(ctx context.Context) error
}

const writeBytes = 256 << 10 // how much is gathered before an Output gets it

// gathered collects small writes for an Output and counts lines.
type gathered struct {
	out    Output
	buffer []byte
	rows   int64
}

// appendLine adds one line and its newline.
func (g *gathered) appendLine(text []byte) error {
	g.buffer = append(append(g.buffer, text...), '\n')
	return g.ended()
}

// Write adds bytes without ending a line.
func (g *gathered) Write(text []byte) (int, error) {
	g.buffer = append(g.buffer, text...)
	return len(text), nil
}

// ended counts the line that the caller put at the end of the buffer.
func (g *gathered) ended() error {
	g.rows++
	if len(g.buffer) < writeBytes {
		return nil
	}
	return g.flush()
}

func (g *gathered) flush() error {
	_, err := g.out.Write(g.buffer)
	g.buffer = g.buffer[:0]
	return err
}

func (g *gathered) close(ctx context.Context) (orchestrator.ObjectRef, error) {
	if err := g.flush(); err != nil {
		return orchestrator.ObjectRef{}, err
	}
	written, err := g.out.Close(ctx)
	written.Rows = g.rows
	return written, err
}

// ErrorWriter writes the error file: one orchestrator.RowError as JSON per line.
type ErrorWriter struct {
	lines gathered
}

// NewErrorWriter writes to out, which it closes or aborts.
func NewErrorWriter(out Output) *ErrorWriter {
	return &ErrorWriter{lines: gathered{out: out}}
}

// Append adds one row error.
func (e *ErrorWriter) Append(problem orchestrator.RowError) error {
	encoder := json.NewEncoder(&e.lines)
	encoder.SetEscapeHTML(false) // people search these files for their own text
	if err := encoder.Encode(problem); err != nil {
		return fmt.Errorf("write row error at %s %d: %w", problem.Object, problem.Offset, err)
	}
	return e.lines.ended()
}

// Rows is how many row errors were appended.
func (e *ErrorWriter) Rows() int64 { return e.lines.rows }

// Close makes the file durable and says what was written. When it fails nothing is left behind.
func (e *ErrorWriter) Close(ctx context.Context) (orchestrator.ObjectRef, error) {
	written, err := e.lines.close(ctx)
	if err != nil {
		return orchestrator.ObjectRef{}, errors.Join(err, e.lines.out.Abort(ctx))
	}
	return written, nil
}

// Abort gives the file up.
func (e *ErrorWriter) Abort(ctx context.Context) error { return e.lines.out.Abort(ctx) }
