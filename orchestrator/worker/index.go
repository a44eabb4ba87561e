package worker

import (
	"context"
	"errors"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/format"
)

// indexSpacing is the least distance of two borders of a csv object, in bytes: shards are made of whole spacings.
const indexSpacing = 256 << 10

// index finds where the rows of an object may be cut. It needs no scorer.
func (a *attempt) index(ctx context.Context, giveTurn func()) (orchestrator.Commit, error) {
	giveTurn()
	offsets, err := a.borders(ctx)
	if err != nil {
		return orchestrator.Commit{}, err
	}
	commit := a.newCommit(orchestrator.OutcomeIndexed)
	commit.Offsets = offsets
	return commit, nil
}

// borders lists the starts at which an object may be cut: row starts of csv, first rows of row groups of parquet.
func (a *attempt) borders(ctx context.Context) (offsets []int64, err error) {
	if a.shard.Object.Format == orchestrator.FormatParquet {
		return format.RowGroups(ctx, a.objects, a.shard.Object)
	}
	reader, err := a.objects.OpenRange(ctx, a.shard.Object, 0, -1)
	if err != nil {
		return nil, err
	}
	offsets, err = format.IndexCSV(reader, indexSpacing)
	return offsets, errors.Join(err, reader.Close())
}
