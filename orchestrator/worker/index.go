package worker

import (
	"context"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/format"
)

// index finds where an object may be cut. It needs no scorer.
func (a *attempt) index(ctx context.Context, giveTurn func()) (orchestrator.Commit, error) {
	giveTurn()
	offsets, err := format.Borders(ctx, a.objects, a.shard.Object)
	if err != nil {
		return orchestrator.Commit{}, err
	}
	commit := a.newCommit(orchestrator.OutcomeIndexed)
	commit.Offsets = offsets
	return commit, nil
}
