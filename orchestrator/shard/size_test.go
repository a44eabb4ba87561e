package shard

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// sized is what Size gives.
type sized struct {
	Rows     int64
	Sentence string
}

func sizeOf(work Work) (size sized) {
	size.Rows, size.Sentence = Size(work)
	return size
}

func TestSize(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		work Work
		want sized
	}{
		"five seconds where the speed is known": {
			Work{BatchRows: 64, RowsPerSecond: 1000, RowsUncut: 10_000_000, Workers: 4},
			sized{4992, "5 s of work at 1000 rows/s, in batches of 64 rows"},
		},
		"four mebibytes where it is not": {
			Work{BatchRows: 100, RowBytes: 1024, RowsUncut: -1, Workers: 4},
			sized{4000, "4 MiB of rows of 1024 bytes, since no speed is known, in batches of 100 rows"},
		},
		"nothing known at all": {
			Work{RowsUncut: -1},
			sized{16384, "4 MiB of rows of 256 bytes, since no speed is known"},
		},
		"within the notice": {
			Work{BatchRows: 10, RowsPerSecond: 1000, RowsUncut: 1_000_000, Workers: 1, Notice: 2 * time.Second},
			sized{2000, "ends within the notice of 2s at 1000 rows/s, in batches of 10 rows"},
		},
		"one batch although it outlasts the notice": {
			Work{BatchRows: 512, RowsPerSecond: 10, RowsUncut: 1_000_000, Workers: 1, Notice: 15 * time.Second},
			sized{512, "one batch of 512 rows is the least (5 s of work at 10 rows/s)"},
		},
		"a huge job gets longer shards": {
			Work{BatchRows: 100, RowsPerSecond: 1000, RowsUncut: 2_000_000_000, Workers: 10},
			sized{20_000, "20 s of work at 1000 rows/s, so that the rest makes no more than about 100000 shards, in batches of 100 rows"},
		},
		"but never more than a minute": {
			Work{BatchRows: 100, RowsPerSecond: 1000, RowsUncut: 1 << 50, Workers: 10},
			sized{60_000, "60 s of work at 1000 rows/s, so that the rest makes no more than about 100000 shards, in batches of 100 rows"},
		},
		"half of an equal share": {
			Work{BatchRows: 10, RowsPerSecond: 1000, RowsUncut: 80_000, Workers: 10},
			sized{4000, "half of an equal share of the 80000 rows not cut yet for each of 10 workers, in batches of 10 rows"},
		},
		"for one worker": {
			Work{BatchRows: 10, RowsPerSecond: 1000, RowsUncut: 8000, Workers: 1},
			sized{4000, "half of the 8000 rows not cut yet, for the one worker there is, in batches of 10 rows"},
		},
		"the last ones for one worker": {
			Work{BatchRows: 10, RowsPerSecond: 1000, RowsUncut: 31, Workers: 1},
			sized{40, "the last 31 rows, in batches of 10 rows"},
		},
		"four batches near the tail": {
			Work{BatchRows: 10, RowsPerSecond: 1000, RowsUncut: 700, Workers: 10},
			sized{40, "4 batches, near the end of the 700 rows not cut yet, in batches of 10 rows"},
		},
		"the very last go round once": {
			Work{BatchRows: 10, RowsPerSecond: 1000, RowsUncut: 151, Workers: 10},
			sized{20, "an equal share of the last 151 rows for each of 10 workers, in batches of 10 rows"},
		},
		"short where capacity is taken away often": {
			Work{BatchRows: 10, RowsPerSecond: 1000, RowsUncut: -1, Kept: 40 * time.Second},
			sized{2000, "2 s of work at 1000 rows/s, since spot capacity usually stays for 40s, in batches of 10 rows"},
		},
		"the least is one batch": {
			Work{BatchRows: 10, RowsPerSecond: 1000, RowsUncut: 0, Workers: 10},
			sized{10, "an equal share of the last 0 rows for each of 10 workers, in batches of 10 rows"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, sizeOf(tc.work)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Numbers that no sane observer would send, because one will.
func adversarialFloats() *rapid.Generator[float64] {
	return rapid.OneOf(
		rapid.SampledFrom([]float64{
			0, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e-300, 1e300,
		}),
		rapid.Float64Range(0.001, 1e7),
	)
}

func drawWork(t *rapid.T) Work {
	ints := rapid.OneOf(rapid.SampledFrom([]int{0, -1, math.MinInt, math.MaxInt, 1}), rapid.IntRange(1, 10_000))
	rows := rapid.OneOf(rapid.SampledFrom([]int64{0, -1, math.MinInt64, math.MaxInt64}), rapid.Int64Range(1, 1e12))
	return Work{
		BatchRows: ints.Draw(t, "batch"), RowsPerSecond: adversarialFloats().Draw(t, "speed"), RowBytes: adversarialFloats().Draw(t, "row bytes"),
		RowsUncut: rows.Draw(t, "uncut"), Workers: ints.Draw(t, "workers"),
		Notice: time.Duration(rapid.OneOf(rapid.SampledFrom([]int64{0, -1, math.MaxInt64, 1}), rapid.Int64Range(1e6, 1e12)).Draw(t, "notice")),
		Kept:   time.Duration(rapid.OneOf(rapid.SampledFrom([]int64{0, -1, math.MaxInt64, 1}), rapid.Int64Range(1e6, 1e12)).Draw(t, "kept")),
	}
}

func TestSizeProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		work := drawWork(t)
		got := sizeOf(work)
		sane := work.sane()
		batch := int64(sane.BatchRows)
		if got.Rows < batch || got.Rows > mostRows || got.Rows%batch != 0 {
			t.Fatalf("a size is a multiple of the batch, at least one and not absurd: %d for %+v", got.Rows, work)
		}
		if rows := Rows(work); rows != got.Rows {
			t.Fatalf("%d rows without a sentence, %d with one: %+v", rows, got.Rows, work)
		}
		if got.Sentence == "" {
			t.Fatalf("a size has a sentence: %+v", work)
		}
		if got.Rows == batch {
			return
		}
		seconds := float64(got.Rows) / sane.RowsPerSecond
		if sane.RowsPerSecond > 0 && seconds > longestSeconds*1.0001 {
			t.Fatalf("a shard of more than one batch takes at most a minute: %g s for %+v", seconds, work)
		}
		if sane.RowsPerSecond > 0 && sane.Notice > 0 && seconds > sane.Notice.Seconds()*1.0001 {
			t.Fatalf("a shard of more than one batch ends within the notice: %g s for %+v", seconds, work)
		}
		if sane.RowsPerSecond == 0 && float64(got.Rows)*sane.RowBytes > targetBytes*1.0001 {
			t.Fatalf("without a speed a shard of more than one batch is at most 4 MiB: %d rows for %+v", got.Rows, work)
		}
		if got.Rows > fewestBatches*batch && sane.RowsUncut >= 0 && sane.RowsUncut/got.Rows < shardsPerWorker*int64(sane.Workers) {
			t.Fatalf("a shard of more than four batches leaves two for every worker: %d rows for %+v", got.Rows, work)
		}
	})
}

// The sizes of one job fall towards its tail: cutting by Size again and again never gives a larger shard than before.
func TestSizeFallsTowardsTheTail(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		work := Work{
			BatchRows: rapid.IntRange(1, 512).Draw(t, "batch"), RowsPerSecond: rapid.Float64Range(1, 1e5).Draw(t, "speed"),
			RowsUncut: rapid.Int64Range(1, 1e6).Draw(t, "rows"), Workers: rapid.IntRange(1, 64).Draw(t, "workers"),
		}
		before := int64(math.MaxInt64)
		for work.RowsUncut > 0 {
			rows := Rows(work)
			if rows > before {
				t.Fatalf("%d rows after %d, with %d left", rows, before, work.RowsUncut)
			}
			before = rows
			work.RowsUncut -= rows
		}
	})
}

// Count is what cutting by one demand comes to.
func TestCountIsWhatADemandMakes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		work := Work{
			BatchRows: rapid.IntRange(1, 512).Draw(t, "batch"), RowsPerSecond: rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(1, 1e5)).Draw(t, "speed"),
			RowBytes: 100, RowsUncut: rapid.Int64Range(0, 1e7).Draw(t, "rows"), Workers: rapid.IntRange(1, 64).Draw(t, "workers"),
			Notice: time.Duration(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1e6, 1e11)).Draw(t, "notice")),
		}
		want, got := 0, Count(work)
		demand := Demand{Rows: Rows(work), Workers: work.Workers, BatchRows: work.BatchRows}
		for left := work.RowsUncut; left > 0; want++ {
			left -= demand.rows(left)
		}
		if got != want {
			t.Fatalf("%d shards, cutting makes %d of %+v", got, want, work)
		}
	})
}
