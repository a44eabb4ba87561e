package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/scorer"
)

// batchSizes are those that profile tries, as far as there are rows.
var batchSizes = []int{1, 8, 64, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536}

const (
	measureFor   = 500 * time.Millisecond // at least, for each size
	goodEnough   = 0.97                   // of the top speed
	stopBelow    = 0.5                    // of the top speed: larger batches will hardly be better
	stopAfter    = 2                      // sizes in a row below that; one may be chance
	measureAhead = 3                      // batches on their way, as a worker has them
)

// measure starts the scorer and tries batches of growing size.
func (r *profiling) measure(ctx context.Context, out screen, errs io.Writer, model orchestrator.ModelSnapshot, rows [][]byte) (document.Profile, error) {
	process, err := scorer.Start(ctx, scorerSpec(model, func(line string) { fmt.Fprintln(errs, line) }))
	if err != nil {
		return document.Profile{}, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), scorer.DefaultStopTimeout)
		defer cancel()
		_ = process.Stop(ctx) // killed when it does not stop by itself
	}()
	profile := document.Profile{Load: process.LoadDuration().Round(time.Millisecond), Measured: r.now().UTC()}
	fmt.Fprintf(out, "loaded in %.2f s\n\n%10s  %12s  %12s\n", profile.Load.Seconds(), "BATCH", "ROWS/S", "MS/BATCH")
	top, slow := 0.0, 0
	for _, size := range batchSizes {
		if size > len(rows) && len(profile.Batches) > 0 {
			break
		}
		speed, err := speedOf(ctx, process, rows, min(size, len(rows)))
		if err != nil {
			return profile, fmt.Errorf("score batches of %d rows: %w", size, err)
		}
		profile.Batches = append(profile.Batches, speed)
		fmt.Fprintf(out, "%10s  %12s  %12.2f\n", number(speed.Rows), number(int64(speed.RowsPerSecond)), 1000*float64(speed.Rows)/speed.RowsPerSecond)
		top = max(top, speed.RowsPerSecond)
		if speed.RowsPerSecond >= top*stopBelow {
			slow = 0
		} else if slow++; slow == stopAfter {
			break
		}
	}
	profile.Memory = process.PeakMemory()
	fmt.Fprintf(out, "\nmost memory: %s\n", bytesText(profile.Memory))
	return profile, nil
}

// busyNote says so when other programs keep this machine's processors busy, because then speeds mean little. Where the load cannot be read, it says
// nothing.
func busyNote(loadavg []byte, processors int) string {
	var load float64
	if _, err := fmt.Sscanf(string(loadavg), "%g", &load); err != nil || load <= float64(processors)/2 {
		return ""
	}
	return fmt.Sprintf("note: other programs are busy (load %.1f on %s): measure again when they are not", load, plural(processors, "processor"))
}

// speedOf scores batches of one size for a while, after one that does not count. It begins again where the rows end.
func speedOf(ctx context.Context, process *scorer.Process, rows [][]byte, size int) (document.BatchSpeed, error) {
	if _, err := process.Score(ctx, scorer.Lines(rows[:size])); err != nil {
		return document.BatchSpeed{}, err
	}
	var pending []*scorer.Pending
	began, at, done := time.Now(), 0, 0
	for time.Since(began) < measureFor || len(pending) > 0 {
		for len(pending) < measureAhead && time.Since(began) < measureFor {
			if at+size > len(rows) {
				at = 0
			}
			next, err := process.Submit(ctx, scorer.Lines(rows[at:at+size]))
			if err != nil {
				return document.BatchSpeed{}, err
			}
			pending, at = append(pending, next), at+size
		}
		if len(pending) == 0 {
			break
		}
		if _, err := pending[0].Wait(ctx); err != nil {
			return document.BatchSpeed{}, err
		}
		pending, done = pending[1:], done+size
	}
	return document.BatchSpeed{Rows: size, RowsPerSecond: rounded(float64(done) / time.Since(began).Seconds())}, nil
}

// rounded leaves no more digits than mean anything.
func rounded(speed float64) float64 {
	if speed >= 100 {
		return math.Round(speed)
	}
	return math.Round(speed*100) / 100
}

// bestBatch is the smallest batch whose speed is within a few percent of the top.
func bestBatch(batches []document.BatchSpeed) document.BatchSpeed {
	top := 0.0
	for _, batch := range batches {
		top = max(top, batch.RowsPerSecond)
	}
	for _, batch := range batches {
		if batch.RowsPerSecond >= top*goodEnough {
			return batch
		}
	}
	return document.BatchSpeed{}
}
