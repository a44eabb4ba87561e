package worker

import (
	"context"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/state"
)

const (
	logLines = 200         // kept between two flushes; older ones are dropped and counted
	logEvery = time.Second // between two flushes
)

// logs passes on what the scorer writes to stderr, under the job that is being fed to it, within bounds.
type logs struct {
	worker string
	store  *state.Store

	mu      sync.Mutex
	job     orchestrator.JobKey
	lines   []string
	dropped int
}

func newLogs(worker string, store *state.Store) *logs { return &logs{worker: worker, store: store} }

// about says which job the following lines belong to.
func (l *logs) about(ctx context.Context, job orchestrator.JobKey) {
	l.mu.Lock()
	other := l.job != job
	l.mu.Unlock()
	if other {
		l.flush(ctx)
		l.mu.Lock()
		if l.job.ID == "" {
			l.lines, l.dropped = nil, 0 // of nobody
		}
		l.job = job
		l.mu.Unlock()
	}
}

func (l *logs) line(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == logLines {
		l.lines = append(l.lines[:0], l.lines[1:]...)
		l.dropped++
	}
	l.lines = append(l.lines, text)
}

func (l *logs) run(ctx context.Context) {
	ticker := time.NewTicker(logEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), logEvery)
			l.flush(last)
			cancel()
			return
		}
	}
}

func (l *logs) flush(ctx context.Context) {
	l.mu.Lock()
	job, entry := l.job, state.LogEntry{Worker: l.worker, At: time.Now().UTC(), Lines: l.lines, Dropped: l.dropped}
	if job.ID == "" || len(entry.Lines) == 0 {
		l.mu.Unlock()
		return
	}
	l.lines, l.dropped = nil, 0
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, logEvery*5)
	defer cancel()
	_ = l.store.PutLog(ctx, job, entry) // lines are a courtesy: a store that is away must not hold up the scoring
}
