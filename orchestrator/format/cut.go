package format

import (
	"context"
	"errors"

	"nightshift.dev/nightshift/orchestrator"
)

// Cutting says where an object may be cut into ranges.
type Cutting int

// The ways to cut.
const (
	CutNowhere   Cutting = iota // compressed: one range
	CutAnywhere                 // jsonl: at any byte
	CutAtBorders                // csv and parquet: where Borders says
)

// Cuttable says where an object may be cut.
func Cuttable(from orchestrator.Object) Cutting {
	switch {
	case !from.Splittable():
		return CutNowhere
	case from.Format == orchestrator.FormatJSONL:
		return CutAnywhere
	}
	return CutAtBorders
}

// leastSpacing is the least distance of two borders of a csv object, in bytes; nobody wants smaller ranges.
const leastSpacing = 64 << 10

// Borders finds where an object that is CutAtBorders may be cut, in ascending order. For csv these are offsets at which rows
// begin, found by reading all of it. For parquet they are the row numbers at which row groups begin and, last, the number of
// rows. There are at most 20,000 (and the number of rows).
func Borders(ctx context.Context, source Source, from orchestrator.Object) (borders []int64, err error) {
	switch {
	case Cuttable(from) != CutAtBorders:
		return nil, nil
	case from.Format == orchestrator.FormatParquet:
		groups, err := RowGroups(ctx, source, from)
		if err != nil {
			return nil, err
		}
		begins, rows := groups[:len(groups)-1], groups[len(groups)-1]
		for len(begins) > mostOffsets {
			begins = thin(begins)
		}
		return append(begins, rows), nil
	}
	reader, err := source.OpenRange(ctx, from, 0, -1)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	return IndexCSV(reader, max(leastSpacing, from.Size/mostOffsets))
}
