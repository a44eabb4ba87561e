package worker

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift.dev/nightshift/orchestrator"
)

// What Argo reads is what was committed, of that and about what is in hand; in the end both are the same.
func TestProgressFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "progress")
	p := newProgressFile(path, slog.New(slog.DiscardHandler))
	job := orchestrator.Job{Counts: orchestrator.Counts{BytesTotal: 1000}, Estimate: orchestrator.Estimate{Rows: 100}}
	shard := func(number int, format orchestrator.Format, length int64) orchestrator.Shard {
		return orchestrator.Shard{Number: number, Object: orchestrator.Object{Format: format}, Range: orchestrator.Range{Start: 50, End: 50 + length}}
	}
	expect := func(want string) {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil || strings.TrimSpace(string(text)) != want {
			t.Errorf("%q (%v), want %s", text, err, want)
		}
	}
	lines, table, messages := shard(1, orchestrator.FormatJSONL, 300), shard(2, orchestrator.FormatParquet, 300), shard(3, orchestrator.FormatMessages, 5)
	p.take(lines, job)
	expect("0/30")
	p.take(table, job)
	expect("0/330")
	p.drop(lines, 33)
	expect("33/333")
	p.drop(table, 0) // another worker has won
	expect("33/33")
	p.take(messages, job)
	expect("33/38")
	p.drop(messages, 5)
	p.take(lines, orchestrator.Job{}) // of unknown length
	expect("38/38")
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("the folder has %v (%v)", left, err)
	}
	newProgressFile("", nil).take(lines, job) // nobody reads it
}
