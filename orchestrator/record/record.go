// Package record is the form in which decisions are kept for replay: lines of JSON in frames of zstd, one after another. A line gives the documents that hold
// from there on, or one decision under them. docs/replay.md says what is kept, and what is not.
//
// It imports orchestrator and a compressor, and is used by control, which writes, and cmd, which reads.
package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"

	"nightshift.dev/nightshift/orchestrator"
)

// Decision is what was decided, and on what.
type Decision struct {
	At          time.Time                `json:"at"`
	Observation orchestrator.Observation `json:"observation"` // without tables
	Pools       []orchestrator.PoolPlan  `json:"pools,omitempty"`
	Jobs        []orchestrator.JobPlan   `json:"jobs,omitempty"` // those that are open
	// Decisions is how many it stands for, itself and those like it before; Changes how often they changed the size of a pool.
	Decisions int `json:"decisions"`
	Changes   int `json:"changes,omitempty"`
	// Missed counts the records that could not be stored since the service started.
	Missed int `json:"missed,omitempty"`
}

// line is one line: documents or a decision.
type line struct {
	Documents *string   `json:"documents,omitempty"`
	Decision  *Decision `json:"decision,omitempty"`
}

// Line writes a decision. It fails on numbers that are none.
func Line(decision Decision) ([]byte, error) {
	data, err := json.Marshal(line{Decision: &decision})
	if err != nil {
		return nil, fmt.Errorf("write down a decision: %w", err)
	}
	return append(data, '\n'), nil
}

// Pack compresses lines, with the documents that hold for them in front. Frames may be put one behind another.
func Pack(documents string, lines [][]byte) ([]byte, error) {
	head, err := json.Marshal(line{Documents: &documents})
	if err != nil {
		return nil, fmt.Errorf("write down the documents: %w", err)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("compress records: %w", err)
	}
	defer func() { _ = encoder.Close() }() // it has written nothing
	return encoder.EncodeAll(append(append(head, '\n'), bytes.Join(lines, nil)...), nil), nil
}

const (
	mostWindow = 64 << 20 // memory that a frame may ask for
	mostLine   = 64 << 20
)

// Read calls each with every decision and the documents that it was taken under, until each fails.
func Read(from io.Reader, each func(documents string, decision Decision) error) error {
	decoder, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(mostWindow))
	if err != nil {
		return fmt.Errorf("read records: %w", err)
	}
	defer decoder.Close()
	lines := bufio.NewScanner(decoder)
	lines.Buffer(make([]byte, 0, 64<<10), mostLine)
	documents, number := "", 0
	for lines.Scan() {
		number++
		var one line
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return fmt.Errorf("not records, or damaged ones: line %d: %w", number, err)
		}
		if one.Documents != nil {
			documents = *one.Documents
		}
		if one.Decision == nil {
			continue
		}
		if err := each(documents, *one.Decision); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("not records, or damaged ones: after line %d: %w", number, err)
	}
	return nil
}
