package scorer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"nightshift.dev/nightshift/orchestrator/jsonrow"
)

const (
	protocolVersion = 1
	encodingLines   = "jsonl"
	encodingArrow   = "arrow"
	// maxHeaderBytes bounds a header line with its line break, in both directions (case 12).
	maxHeaderBytes = 1 << 20
	// maxPayloadBytes bounds what follows a header, in both directions (case 12).
	maxPayloadBytes = 256 << 20
)

// violation is what a scorer did against the protocol. The reader turns it into a ProtocolError.
type violation string

func (v violation) Error() string { return string(v) }

func violationf(format string, arguments ...any) error {
	return violation(fmt.Sprintf(format, arguments...))
}

// answer is the header of any message of a scorer; which fields count depends on the type.
type answer struct {
	Type string `json:"type"`

	Protocol int      `json:"protocol"` // ready
	Accept   []string `json:"accept"`   // ready
	Return   string   `json:"return"`   // ready

	ChecksRows bool `json:"checks_rows"` // ready

	ID          int64      `json:"id"`           // result, error
	Encoding    string     `json:"encoding"`     // result
	Rows        int        `json:"rows"`         // result
	Bytes       *int64     `json:"bytes"`        // result; nil where the scorer left it out
	Errors      []RowError `json:"errors"`       // result
	ErrorsBytes int64      `json:"errors_bytes"` // result

	Code    string `json:"code"`    // error, fatal
	Message string `json:"message"` // error, fatal
}

// readAnswer reads one header line. It returns io.EOF at a clean end, and a violation for what is not a header.
func readAnswer(reader *bufio.Reader) (answer, error) {
	first, err := reader.Peek(1)
	if err != nil {
		return answer{}, err
	}
	if first[0] != '{' {
		// The rest of the line may never come, so show what has.
		seen, _ := reader.Peek(min(reader.Buffered(), 80))
		seen, _, _ = bytes.Cut(seen, []byte("\n"))
		return answer{}, violationf("a message must begin with a JSON object, got %q; standard output belongs to the protocol, "+
			"so a print of the model must go to standard error", seen)
	}
	line, err := readLine(reader, maxHeaderBytes)
	if err != nil {
		return answer{}, err
	}
	var header answer
	if err := json.Unmarshal(line, &header); err != nil {
		return answer{}, violationf("the header line %.80q is not a message: %v", line, err)
	}
	return header, nil
}

// readLine reads up to and without the next line break, at most limit bytes with it. An end of input inside the line is
// io.ErrUnexpectedEOF.
func readLine(reader *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		piece, err := reader.ReadSlice('\n')
		if len(line)+len(piece) > limit {
			return nil, violationf("a line is longer than %d bytes", limit)
		}
		line = append(line, piece...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// readResult reads what follows the header of a result for a batch of so many rows, and checks all of it.
func readResult(reader *bufio.Reader, header answer, rows int, arrowAllowed bool) (Result, error) {
	if header.Rows != rows {
		return Result{}, violationf("batch %d has %d rows and was answered with %d", header.ID, rows, header.Rows)
	}
	if header.Encoding != encodingLines && header.Encoding != encodingArrow {
		return Result{}, violationf("the result of batch %d has encoding %q; allowed are jsonl and arrow", header.ID, header.Encoding)
	}
	if header.Encoding == encodingArrow && !arrowAllowed {
		return Result{}, violationf(`the result of batch %d is arrow, which "return" in ready did not announce`, header.ID)
	}
	payload, err := readPayload(reader, header, rows)
	if err != nil {
		return Result{}, err
	}
	failures, err := readRowErrors(reader, header, rows)
	if err != nil {
		return Result{}, err
	}
	failed := make(map[int]bool, len(failures))
	for _, failure := range failures {
		failed[failure.Row] = true
	}
	var lines [][]byte
	if header.Encoding == encodingArrow {
		lines, err = arrowResult(payload, rows, failed)
	} else {
		lines, err = splitResult(payload, rows, failed)
	}
	if err != nil {
		return Result{}, fmt.Errorf("the result of batch %d: %w", header.ID, err)
	}
	return Result{Lines: lines, Errors: failures}, nil
}

// readPayload reads the bytes of a result, or exactly its lines where the header does not say how many bytes they have.
func readPayload(reader *bufio.Reader, header answer, rows int) ([]byte, error) {
	if header.Bytes != nil {
		return readExactly(reader, *header.Bytes, "payload")
	}
	if header.Encoding != encodingLines {
		return nil, violationf(`the result of batch %d has no "bytes", which only jsonl may leave out`, header.ID)
	}
	var payload []byte
	for range rows {
		line, err := readLine(reader, maxPayloadBytes-len(payload))
		if err != nil {
			return nil, err
		}
		payload = append(append(payload, line...), '\n')
	}
	return payload, nil
}

func readExactly(reader io.Reader, size int64, what string) ([]byte, error) {
	if size < 0 || size > maxPayloadBytes {
		return nil, violationf("a %s of %d bytes; allowed are 0 to %d", what, size, maxPayloadBytes)
	}
	content := make([]byte, size)
	if _, err := io.ReadFull(reader, content); err != nil {
		return nil, err
	}
	return content, nil
}

// readRowErrors returns the errors of the header, or those that follow the payload (case 6), checked.
func readRowErrors(reader *bufio.Reader, header answer, rows int) ([]RowError, error) {
	failures := header.Errors
	if header.ErrorsBytes != 0 {
		content, err := readExactly(reader, header.ErrorsBytes, "list of errors")
		if err != nil {
			return nil, err
		}
		failures = nil
		if err := json.Unmarshal(content, &failures); err != nil {
			return nil, violationf("the errors after the payload of batch %d are not a JSON array: %v", header.ID, err)
		}
	}
	seen := make(map[int]bool, len(failures))
	for _, failure := range failures {
		if failure.Row < 0 || failure.Row >= rows {
			return nil, violationf("batch %d: an error names row %d; the rows are 0 to %d", header.ID, failure.Row, rows-1)
		}
		if seen[failure.Row] {
			return nil, violationf("batch %d: row %d has two errors", header.ID, failure.Row)
		}
		seen[failure.Row] = true
	}
	return failures, nil
}

// splitResult cuts a jsonl payload into one line per row: a JSON object, or null exactly where the row failed (case 5).
func splitResult(payload []byte, rows int, failed map[int]bool) ([][]byte, error) {
	if !utf8.Valid(payload) {
		return nil, violation("the lines are not UTF-8")
	}
	lines, reader := make([][]byte, 0, rows), new(jsonrow.Reader)
	for len(payload) > 0 {
		end := bytes.IndexByte(payload, '\n')
		if end < 0 {
			return nil, violation("the last line does not end with a line break")
		}
		row := len(lines)
		if row == rows {
			return nil, violationf("more than %d lines for %d rows", rows, rows)
		}
		line, err := resultLine(reader, payload[:end:end], row, failed[row])
		if err != nil {
			return nil, err
		}
		lines = append(lines, line)
		payload = payload[end+1:]
	}
	if len(lines) != rows {
		return nil, violationf("%d lines for %d rows", len(lines), rows)
	}
	return lines, nil
}

func resultLine(reader *jsonrow.Reader, line []byte, row int, failed bool) ([]byte, error) {
	if len(line) == 0 || line[0] != '{' || line[len(line)-1] != '}' {
		line = bytes.TrimSpace(line)
	}
	switch null := string(line) == "null"; {
	case null && failed:
		return nil, nil
	case null:
		return nil, violationf("row %d is null, but no error names it", row)
	case failed:
		return nil, violationf("row %d has an error, but its line is not null", row)
	case !reader.Valid(line):
		return nil, violationf("the line of row %d is not a JSON object: %.80q", row, line)
	}
	return line, nil
}
