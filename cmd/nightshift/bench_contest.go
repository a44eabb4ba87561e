package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"nightshift.dev/nightshift/orchestrator/simulate"
)

// trial is one world that every entrant goes through.
type trial struct {
	cells        []string // of the table, to which it belongs
	series       string
	world        *simulate.World
	installation simulate.Installation
	optimum      float64
	results      []simulate.Result // by entrant
}

// entrant is a policy in a contest; each trial gets its own.
type entrant struct {
	name   string
	policy func(*trial) (simulate.Policy, error)
}

// ours is the name of the planner in the tables.
const ours = "nightshift"

// planned is the planner itself.
var planned = entrant{ours, func(t *trial) (simulate.Policy, error) { return t.installation.Planned(t.world) }}

// contest takes every entrant through every trial.
type contest struct {
	entrants []entrant
	optimum  func(*simulate.World) float64
	say      func(format string, values ...any)
}

// run goes through the trials on all cores, and says now and then how far it is.
func (c contest) run(ctx context.Context, trials []*trial) error {
	c.say("%s, %d policies", plural(int64(len(trials)), "case"), len(c.entrants))
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for ctx.Err() == nil && failed.Load() == nil {
				at := int(next.Add(1)) - 1
				if at >= len(trials) {
					return
				}
				if err := c.try(trials[at]); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			if err := failed.Load(); err != nil {
				return *err
			}
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			return nil
		case <-ticker.C:
			c.say("%d of %s", min(int(next.Load()), len(trials)), plural(int64(len(trials)), "case"))
		}
	}
}

func (c contest) try(t *trial) error {
	t.optimum = c.optimum(t.world)
	for _, one := range c.entrants {
		policy, err := one.policy(t)
		if err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
		t.results = append(t.results, simulate.Run(t.world, policy))
	}
	return nil
}

// rows sums up each cell: the optimum, and then the entrants.
func (c contest) rows(trials []*trial, cells []string) (rows []simulate.Row) {
	for _, cell := range cells {
		var optimum []simulate.Outcome
		outcomes := make([][]simulate.Outcome, len(c.entrants))
		for _, one := range trials {
			if !slices.Contains(one.cells, cell) {
				continue
			}
			optimum = append(optimum, simulate.Outcome{Series: one.series, Cost: one.optimum, Optimum: one.optimum})
			for i, result := range one.results {
				outcomes[i] = append(outcomes[i], simulate.Outcome{Series: one.series, Cost: result.Cost, Optimum: one.optimum, Late: result.Late})
			}
		}
		rows = append(rows, simulate.NewRow(cell, "optimum", optimum))
		for i, one := range c.entrants {
			rows = append(rows, simulate.NewRow(cell, one.name, outcomes[i]))
		}
	}
	return rows
}

func printRows(out screen, rows []simulate.Row) error {
	list := [][]cell{cells("CELL", "POLICY", "CASES", "COST", "RATIO", "95 % BY SERIES", "MEAN RATIO", "OF SERIES", "P95", "WORST", "LATE")}
	for _, row := range rows {
		list = append(list, cells(row.Cell, row.Policy, strconv.Itoa(row.Cases), fmt.Sprintf("%.4f", row.Cost), fmt.Sprintf("%.4f", row.Ratio),
			fmt.Sprintf("%.4f..%.4f", row.Low, row.High), fmt.Sprintf("%.4f", row.MeanRatio), fmt.Sprintf("%.4f", row.SeriesMean), fmt.Sprintf("%.4f", row.P95),
			fmt.Sprintf("%.4f", row.Worst), strconv.Itoa(row.Late)))
	}
	return out.table(list)
}
