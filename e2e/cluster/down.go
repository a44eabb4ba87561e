package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// down ends what up has started and removes its folder.
func down(ctx context.Context, chosen options, out io.Writer) error {
	began := time.Now()
	release, err := lock(chosen.dir, 0)
	if errors.Is(err, errNoCluster) {
		fmt.Fprintln(out, err)
		return nil
	}
	if err != nil {
		return err
	}
	defer release()
	if err := end(ctx, chosen.dir); err != nil {
		return err
	}
	if err := remove(chosen.dir); err != nil {
		return err
	}
	took(out, "down", began)
	return nil
}

// status prints what up has started, and fails unless all of it runs.
func status(_ context.Context, chosen options, out io.Writer) error {
	all, err := processes(chosen.dir)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("%s: %w", chosen.dir, errNoCluster)
	}
	ended := 0
	for _, p := range all {
		runs, err := p.runs()
		if err != nil {
			return err
		}
		state := "runs"
		if !runs {
			state, ended = "ended", ended+1
		}
		fmt.Fprintf(out, "%-26s %-6s pid %-8d log %s\n", p.name, state, p.pid, p.log)
	}
	r, err := readReal(chosen.dir)
	if err != nil {
		return err
	}
	if r != nil {
		for _, name := range r.killed(all) {
			fmt.Fprintf(out, "%-26s killed\n", name)
		}
	}
	if ended > 0 {
		return fmt.Errorf("%d of %d have ended", ended, len(all))
	}
	return nil
}
