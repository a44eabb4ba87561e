package scorer

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// Batch is rows to be scored together: JSON lines or one Arrow record batch. It shares the memory it was made of, which must
// not change until the batch is answered.
type Batch struct {
	lines  [][]byte
	record arrow.RecordBatch
}

// Lines makes a batch of JSON objects, one per line, without line breaks.
func Lines(lines [][]byte) Batch { return Batch{lines: lines} }

// Record makes a batch of an Arrow record batch. A scorer that does not accept Arrow gets it as JSON lines.
func Record(record arrow.RecordBatch) Batch { return Batch{record: record} }

// Rows is the number of rows.
func (b Batch) Rows() int {
	if b.record != nil {
		return int(b.record.NumRows())
	}
	return len(b.lines)
}

// Slice is the batch of the rows from i up to and without j. It copies no rows.
func (b Batch) Slice(i, j int) Batch {
	if b.record != nil {
		return Batch{record: b.record.NewSlice(int64(i), int64(j))}
	}
	return Batch{lines: b.lines[i:j]}
}

// payload renders the batch for a scorer (case 4).
func (b Batch) payload(arrowAccepted bool) (encoding string, payload []byte, err error) {
	switch {
	case b.Rows() == 0:
		return "", nil, errors.New("it has no rows")
	case b.record == nil:
		payload, err = joinLines(b.lines)
		return encodingLines, payload, err
	case arrowAccepted:
		payload, err = recordStream(b.record)
		return encodingArrow, payload, err
	}
	lines, err := recordLines(b.record, nil)
	if err != nil {
		return "", nil, err
	}
	payload, err = joinLines(lines)
	return encodingLines, payload, err
}

func joinLines(lines [][]byte) ([]byte, error) {
	size := len(lines)
	for row, line := range lines {
		if bytes.IndexByte(line, '\n') >= 0 {
			return nil, fmt.Errorf("row %d contains a line break; a row is one line", row)
		}
		size += len(line)
	}
	if size > maxPayloadBytes {
		return nil, fmt.Errorf("its rows have %d bytes; at most %d fit into one batch", size, maxPayloadBytes)
	}
	payload := make([]byte, 0, size)
	for _, line := range lines {
		payload = append(append(payload, line...), '\n')
	}
	return payload, nil
}

func recordStream(record arrow.RecordBatch) ([]byte, error) {
	var stream bytes.Buffer
	writer := ipc.NewWriter(&stream, ipc.WithSchema(record.Schema()))
	if err := errors.Join(writer.Write(record), writer.Close()); err != nil {
		return nil, fmt.Errorf("write arrow stream: %w", err)
	}
	if stream.Len() > maxPayloadBytes {
		return nil, fmt.Errorf("it has %d bytes as an Arrow stream; at most %d fit into one batch", stream.Len(), maxPayloadBytes)
	}
	return stream.Bytes(), nil
}

// RowError says why one row has no result.
type RowError struct {
	// Row counts from 0 within the batch.
	Row int `json:"row"`
	// Code is a short word to count by, as in bad_json.
	Code string `json:"code"`
	// Message is a sentence for a person.
	Message string `json:"message"`
}

// Result is the answer to a batch.
type Result struct {
	// Lines has one entry per row of the batch: a JSON object without a line break, or nil where the row failed. The lines
	// share one buffer.
	Lines [][]byte
	// Errors has one entry per failed row, in no particular order.
	Errors []RowError
}
