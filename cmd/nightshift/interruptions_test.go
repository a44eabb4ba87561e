package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator/document"
)

func TestInterruptedBy(t *testing.T) {
	t.Parallel()
	pool := document.Pool{Position: document.Position{File: filepath.Join(t.TempDir(), "docs.yaml")}, Spec: document.PoolSpec{
		Replicas: document.Replicas{Max: 3},
		Interruptions: &document.Interruptions{
			Speed: 200, Begin: time.Hour, Synthetic: &document.Synthetic{Seed: 7, MeanUp: 2 * time.Hour, MeanDown: 45 * time.Minute},
		},
	}}
	pool.Name = "spot"
	made, err := interruptedBy(pool)
	if err != nil || made.At(0) != 3 || made.At(150*time.Minute) != 0 {
		t.Errorf("%v; at its beginning %d are granted, after 15 ticks %d; want 3 and 0", err, made.At(0), made.At(150*time.Minute))
	}
	if got, want := replayed(pool, 3*time.Second), time.Hour+10*time.Minute; got != want {
		t.Errorf("after three seconds the trace is at %s, want %s", got, want)
	}
	pool.Spec.Interruptions.Synthetic, pool.Spec.Interruptions.Trace = nil, "missing.json"
	if _, err := interruptedBy(pool); err == nil || !strings.Contains(err.Error(), "pool spot: spec.interruptions.trace: read trace "+filepath.Dir(pool.Position.File)) {
		t.Errorf("error %v, want one that names the pool, the field and the file", err)
	}
}
