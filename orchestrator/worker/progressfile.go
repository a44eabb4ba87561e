package worker

import (
	"fmt"
	"log/slog"
	"os"
	"sync"

	"nightshift.dev/nightshift/orchestrator"
)

// progressFile is where Argo's executor reads how far a pod is: rows that this worker has committed, of those and the ones that it has in hand. Argo shows it with the runner.
type progressFile struct {
	path string // empty: nobody reads it
	log  *slog.Logger

	mu   sync.Mutex
	done int64
	hand map[string]int64 // rows of shards, by shard
}

func newProgressFile(path string, log *slog.Logger) *progressFile {
	return &progressFile{path: path, log: log, hand: map[string]int64{}}
}

// take counts a shard that is being scored, drop one that is not any more, with the rows that were committed of it.
func (p *progressFile) take(shard orchestrator.Shard, job orchestrator.Job) {
	p.change(func() { p.hand[shard.ID()] = rowsOf(shard, job) })
}

func (p *progressFile) drop(shard orchestrator.Shard, committed int64) {
	p.change(func() {
		delete(p.hand, shard.ID())
		p.done += committed
	})
}

// change writes the file anew. It is put into its place whole: its reader takes what it finds for the truth.
func (p *progressFile) change(change func()) {
	if p.path == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	all := p.done
	for _, rows := range p.hand {
		all += rows
	}
	part := p.path + ".part"
	err := os.WriteFile(part, fmt.Appendf(nil, "%d/%d\n", p.done, max(all, 1)), 0o644) //nolint:gosec // another container of the pod reads it
	if err == nil {
		err = os.Rename(part, p.path)
	}
	if err != nil {
		p.log.Warn("the progress is not written", "file", p.path, "error", err)
	}
}

// rowsOf is about how many rows a shard has.
func rowsOf(shard orchestrator.Shard, job orchestrator.Job) int64 {
	length := shard.Range.Length()
	switch shard.Object.Format {
	case orchestrator.FormatJSONL, orchestrator.FormatCSV: // of bytes
		if job.Counts.BytesTotal <= 0 {
			return 0
		}
		return int64(float64(length) * float64(job.Estimate.Rows) / float64(job.Counts.BytesTotal))
	}
	return length
}
