package planner

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

func TestLearn(t *testing.T) {
	t.Parallel()
	fact := Fact{Model: "bert", Pool: "gpu", Rows: 1000, Seconds: 12, LoadSeconds: 2}
	cases := map[string]struct {
		have  []orchestrator.SpeedMemory
		facts []Fact
		want  []orchestrator.SpeedMemory
	}{
		"the first one counts alone, without its load": {
			nil, []Fact{fact},
			[]orchestrator.SpeedMemory{{Model: "bert", Pool: "gpu", RowsPerSecond: 100, LoadSeconds: 2, Rows: 1000, Loads: []float64{2}}},
		},
		"a shard without a load says nothing about loads": {
			nil, []Fact{fact, {Model: "bert", Pool: "gpu", Rows: 1000, Seconds: 10}},
			[]orchestrator.SpeedMemory{{Model: "bert", Pool: "gpu", RowsPerSecond: 100, LoadSeconds: 2, Rows: 1977, Loads: []float64{2}}},
		},
		"what is older than five minutes of work weighs half": {
			[]orchestrator.SpeedMemory{{Model: "bert", Pool: "gpu", RowsPerSecond: 10, LoadSeconds: 2, Rows: 6000}},
			[]Fact{{Model: "bert", Pool: "gpu", Rows: 6000, Seconds: 300}},
			[]orchestrator.SpeedMemory{{Model: "bert", Pool: "gpu", RowsPerSecond: 15, LoadSeconds: 2, Rows: 9000}},
		},
		"loads move by three tenths": {
			[]orchestrator.SpeedMemory{{Model: "bert", Pool: "gpu", RowsPerSecond: 100, LoadSeconds: 10, Rows: 1000}},
			[]Fact{{Model: "bert", Pool: "gpu", Rows: 1000, Seconds: 30, LoadSeconds: 20}},
			[]orchestrator.SpeedMemory{{Model: "bert", Pool: "gpu", RowsPerSecond: 100, LoadSeconds: 13, Rows: 1977, Loads: []float64{20}}},
		},
		"models and pools are kept apart, in order": {
			nil, []Fact{{Model: "b", Pool: "x", Rows: 1, Seconds: 1}, {Model: "a", Pool: "y", Rows: 2, Seconds: 1}, {Model: "a", Pool: "x", Rows: 3, Seconds: 1}},
			[]orchestrator.SpeedMemory{
				{Model: "a", Pool: "x", RowsPerSecond: 3, Rows: 3}, {Model: "a", Pool: "y", RowsPerSecond: 2, Rows: 2}, {Model: "b", Pool: "x", RowsPerSecond: 1, Rows: 1},
			},
		},
		"what says nothing is left out": {
			nil, []Fact{
				{Model: "a", Rows: 0, Seconds: 1}, {Model: "a", Rows: -1, Seconds: 1}, {Model: "a", Rows: 1}, {Model: "a", Rows: 1, Seconds: math.NaN()},
				{Model: "a", Rows: 1, Seconds: math.Inf(1)}, {Model: "a", Rows: 1, Seconds: 2, LoadSeconds: 2}, {Model: "a", Rows: 1, Seconds: 2, LoadSeconds: math.NaN()},
			}, nil,
		},
		"nonsense that was learned before is forgotten": {
			[]orchestrator.SpeedMemory{{Model: "bert", Pool: "gpu", RowsPerSecond: math.NaN(), LoadSeconds: math.Inf(-1), Rows: 6000}},
			[]Fact{fact},
			[]orchestrator.SpeedMemory{{Model: "bert", Pool: "gpu", RowsPerSecond: 100, LoadSeconds: 2, Rows: 1000, Loads: []float64{2}}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := slices.Clone(tc.have)
			got := Learn(orchestrator.Memory{Speeds: tc.have}, tc.facts).Speeds
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateApprox(1e-9, 0), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, tc.have, cmpopts.EquateNaNs()); diff != "" {
				t.Errorf("the memory that was given has changed (-before +after):\n%s", diff)
			}
		})
	}
}

// An average lies between the slowest and the fastest it was made of, and follows a change for good.
func TestLearnProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		least, most := math.Inf(1), 0.0
		var memory orchestrator.Memory
		for range rapid.IntRange(1, 20).Draw(t, "facts") {
			fact := Fact{Model: "m", Pool: "p", Rows: rapid.Int64Range(1, 1e6).Draw(t, "rows"), Seconds: rapid.Float64Range(0.1, 1000).Draw(t, "seconds")}
			speed := float64(fact.Rows) / fact.Seconds
			least, most = math.Min(least, speed), math.Max(most, speed)
			memory = Learn(memory, []Fact{fact})
		}
		got := memory.Speeds[0].RowsPerSecond
		if got < least*0.9 || got > most*1.1 { // Rows are kept as a whole number
			t.Fatalf("%g rows/s out of %g to %g", got, least, most)
		}
		for range 100 {
			memory = Learn(memory, []Fact{{Model: "m", Pool: "p", Rows: 60_000, Seconds: 60}})
		}
		if got := memory.Speeds[0].RowsPerSecond; math.Abs(got-1000) > 10 {
			t.Fatalf("an hour and a half at 1000 rows/s are remembered as %g", got)
		}
	})
}
