package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator/scorer"
)

// feedAhead is how many batches are on their way to a scorer, as in a worker.
const feedAhead = 3

// startScorers starts them side by side.
func (d *dataplane) startScorers(ctx context.Context) ([]*scorer.Process, error) {
	started := make([]*scorer.Process, d.scorers)
	failed := make([]error, d.scorers)
	var all sync.WaitGroup
	for i := range started {
		all.Go(func() {
			spec := scorerSpec(d.snapshot, func(string) {})
			spec.Env = append(spec.Env, benchMarker+"="+d.dir)
			started[i], failed[i] = scorer.Start(ctx, spec)
		})
	}
	all.Wait()
	if err := errors.Join(failed...); err != nil {
		stopScorers(started)
		return nil, err
	}
	return started, nil
}

func stopScorers(scorers []*scorer.Process) {
	ctx, cancel := context.WithTimeout(context.Background(), scorer.DefaultStopTimeout)
	defer cancel()
	for _, process := range scorers {
		if process != nil {
			_ = process.Stop(ctx) // killed when it does not stop
		}
	}
}

// feed is what one process has to do at least: it reads the file, cuts it into batches of lines, gives each to a scorer that is free, and writes
// the lines that come back, with a checksum, synced at the end. It looks at no key, keeps no order and records nothing.
func (d *dataplane) feed(ctx context.Context, scorers []*scorer.Process, folder string) (paths []string, rows int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, 0, fmt.Errorf("feed: %w", err)
	}
	batches := make(chan [][]byte)
	failed := make([]error, len(scorers)+1)
	counts := make([]int64, len(scorers))
	var all sync.WaitGroup
	all.Go(func() {
		defer close(batches)
		failed[len(scorers)] = cutBatches(ctx, d.input, d.batchRows, batches)
	})
	for i, process := range scorers {
		paths = append(paths, filepath.Join(folder, fmt.Sprintf("part-%d.jsonl", i)))
		all.Go(func() {
			counts[i], failed[i] = feedOne(ctx, process, batches, paths[i])
			if failed[i] != nil {
				cancel() // the reader must not wait for this one
			}
		})
	}
	all.Wait()
	for _, count := range counts {
		rows += count
	}
	return paths, rows, errors.Join(failed...)
}

// cutBatches reads a file in large blocks and gives its lines in batches that share a block.
func cutBatches(ctx context.Context, path string, size int, batches chan<- [][]byte) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	reader := bufio.NewReaderSize(file, 1<<20)
	for {
		lines, err := readLines(reader, size)
		if len(lines) > 0 {
			select {
			case batches <- lines:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readLines copies up to size lines, without their line breaks, into one buffer.
func readLines(reader *bufio.Reader, size int) (lines [][]byte, err error) {
	buffer, ends := make([]byte, 0, size*112), make([]int, 0, size)
	for len(ends) < size && err == nil {
		var piece []byte
		piece, err = reader.ReadSlice('\n')
		buffer = append(buffer, piece...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			err = nil
		case len(piece) > 0 && piece[len(piece)-1] == '\n':
			ends = append(ends, len(buffer)-1)
		}
	}
	lines = make([][]byte, len(ends))
	start := 0
	for i, end := range ends {
		lines[i], start = buffer[start:end:end], end+1
	}
	return lines, err
}

// feedOne keeps one scorer fed and writes its answers.
func feedOne(ctx context.Context, process *scorer.Process, batches <-chan [][]byte, path string) (rows int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(file, sum), 256<<10)
	pending := make(chan *scorer.Pending, feedAhead-2) // one more is in the sender's hands, one in the receiver's
	var sent error
	go func() {
		defer close(pending)
		sent = sendBatches(ctx, process, batches, pending)
	}()
	for next := range pending {
		if err != nil {
			continue // the sender ends with ctx; until then nobody else takes what it sends
		}
		var result scorer.Result
		if result, err = next.Wait(ctx); err == nil {
			err = writeLines(out, result)
			rows += int64(len(result.Lines))
		}
		if err != nil {
			cancel()
		}
	}
	if err = errors.Join(err, sent, out.Flush()); err != nil {
		return rows, err
	}
	return rows, file.Sync()
}

func sendBatches(ctx context.Context, process *scorer.Process, batches <-chan [][]byte, pending chan<- *scorer.Pending) error {
	for lines := range batches {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		next, err := process.Submit(ctx, scorer.Lines(lines))
		if err != nil {
			return err
		}
		pending <- next
	}
	return nil
}

func writeLines(out *bufio.Writer, result scorer.Result) error {
	if len(result.Errors) > 0 {
		return fmt.Errorf("the scorer refused a row: %s", result.Errors[0].Message)
	}
	for _, line := range result.Lines {
		if _, err := out.Write(line); err != nil {
			return err
		}
		if err := out.WriteByte('\n'); err != nil {
			return err
		}
	}
	return nil
}

// roundOfFeed feeds scorers that have to start, and once more the same that run.
func (d *dataplane) roundOfFeed(ctx context.Context, report *dataplaneReport, last bool) error {
	defer collectLess()() // as a worker does
	began := time.Now()
	scorers, err := d.startScorers(ctx)
	if err != nil {
		return err
	}
	defer stopScorers(scorers)
	folder := filepath.Join(d.dir, "feed")
	defer func() { _ = os.RemoveAll(folder) }() // its digest is taken
	if _, err = d.feedAll(ctx, scorers, folder); err != nil {
		return err
	}
	withStart := time.Since(began)
	_ = os.RemoveAll(folder) // to overwrite it would cost more than to write anew
	again := time.Now()
	paths, err := d.feedAll(ctx, scorers, folder)
	if err != nil {
		return err
	}
	report.Feed.add(d.rows, withStart, time.Since(again))
	d.say("direct feed: %s", report.Feed.last())
	if last {
		report.Feed.Output, err = digestFiles(paths...)
	}
	return err
}

func (d *dataplane) feedAll(ctx context.Context, scorers []*scorer.Process, folder string) ([]string, error) {
	paths, rows, err := d.feed(ctx, scorers, folder)
	if err == nil && rows != d.rows {
		err = fmt.Errorf("direct feed: %d rows came back of %d", rows, d.rows)
	}
	return paths, err
}
