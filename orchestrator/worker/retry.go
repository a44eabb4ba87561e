package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/format"
)

// again is what an attempt on a shard with a base scores: only the rows that the base lists as failed. The base's part and the new results are
// merged into one part, so that a shard has one part whatever its history.
type again struct {
	base    *orchestrator.Commit
	failed  map[int64]bool // offsets of the rows to score
	rows    int64          // read so far, those that are not scored included
	places  []int64        // ordinals of the rows to score, ascending
	ordinal map[int64]int64
	fresh   map[int64]format.FreshRow // by ordinal
}

// readBase reads which rows of the base failed; nil when the shard has no base with results.
func (a *attempt) readBase(ctx context.Context) (*again, error) {
	base := a.shard.Base
	if base == nil || base.Result == nil && !a.publishes() || base.Errors == nil {
		return nil, nil
	}
	data, err := a.objects.ReadAll(ctx, base.Errors.URI, base.Errors.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read which rows had failed: %w", err)
	}
	g := &again{base: base, failed: map[int64]bool{}, ordinal: map[int64]int64{}, fresh: map[int64]format.FreshRow{}}
	for line := range bytes.Lines(data) {
		var problem orchestrator.RowError
		if err := json.Unmarshal(line, &problem); err != nil {
			return nil, fmt.Errorf("read which rows had failed in %s: %w", base.Errors.URI, err)
		}
		g.failed[problem.Offset] = true
	}
	return g, nil
}

// keep leaves in a chunk only the rows to score, and notes where they stood.
func (g *again) keep(chunk *format.Chunk) {
	kept := chunk.Rows[:0]
	for _, row := range chunk.Rows {
		if g.failed[row.Offset] {
			g.places = append(g.places, g.rows)
			g.ordinal[row.Offset] = g.rows
			kept = append(kept, row)
		}
		g.rows++
	}
	chunk.Rows = kept
}

// add keeps a new result until the merge; its bytes are copied, because the chunk they lie in is used again.
func (g *again) add(row *format.Row, object string, line []byte) {
	g.fresh[g.ordinal[row.Offset]] = format.FreshRow{
		Key: bytes.Clone(row.Key), Object: object, Offset: row.Offset, Result: bytes.Clone(line),
	}
}

// merge writes the shard's part: the base's rows and the new ones in the order of the input. Of results that are published the base's are where they were.
func (o *output) merge() error {
	g := o.again
	if o.publishes() {
		o.rows, o.ok = g.rows, g.rows-o.failed
		return nil
	}
	old, err := format.OpenPart(o.ctx, o.objects, *g.base.Result, o.job.OutputFormat)
	if err != nil {
		return err
	}
	defer func() { _ = old.Close() }() // only read
	if err := o.createPart(); err != nil {
		return err
	}
	err = format.MergePart(old, o.part, g.rows, g.places, func(ordinal int64) (format.FreshRow, bool) {
		row, ok := g.fresh[ordinal]
		return row, ok
	})
	o.rows, o.ok = g.rows, g.rows-o.failed
	return err
}
