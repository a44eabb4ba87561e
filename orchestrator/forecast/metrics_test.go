package forecast

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var nearly = cmp.Options{cmpopts.EquateApprox(1e-12, 1e-12), cmpopts.EquateNaNs()}

// The numbers are computed by hand.
func TestErrors(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	for name, test := range map[string]struct {
		came, median, p90, p95 []float64
		want                   Errors
	}{
		"one period": {
			[]float64{10, 20, 30, 40}, []float64{12, 18, 30, 20}, []float64{12, 19, 30, 30}, []float64{14, 20, 33, 35},
			// Errors 2, 2, 0, 20. Pinball .9: .1*2, .9*1, 0, .9*10; .95: .05*4, 0, .05*3, .95*5. The peaks of both periods of two steps are 20 and 40.
			Errors{4, 24. / 100, (4./22 + 4./38 + 0 + 40./60) / 4, 6, [3]float64{3, 10.1 / 4, 5.1 / 4}, [2]float64{.5, .75}, 5. / 60},
		},
		"unknown steps do not count": {
			[]float64{nan, 20, nan, nan}, []float64{1, 10, 1, 1}, []float64{1, 10, 1, 1}, []float64{1, 15, 1, 1},
			Errors{1, .5, 20. / 30, 10, [3]float64{5, 9, 4.75}, [2]float64{0, 0}, .25},
		},
		"nothing came": {
			[]float64{0, 0}, []float64{0, 1}, []float64{0, 1}, []float64{0, 1},
			Errors{2, nan, 1, .5, [3]float64{.25, .05, .025}, [2]float64{1, 1}, nan},
		},
		"nothing is known": {
			[]float64{nan, nan}, []float64{0, 1}, []float64{0, 1}, []float64{0, 1},
			Errors{0, nan, nan, nan, [3]float64{nan, nan, nan}, [2]float64{nan, nan}, nan},
		},
	} {
		tally := newTally(len(test.came))
		tally.Add(test.came, test.median, test.p90, test.p95, 2)
		if diff := cmp.Diff(test.want, tally.Errors(), nearly); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestErrorsByQuarter(t *testing.T) {
	t.Parallel()
	tally := newTally(6)
	came := []float64{1, 1, 2, 1, 1, 4}
	said := []float64{1, 0, 2, 1, 0, 1}
	tally.Add(came, said, said, said, 3)
	var wape, lacking []float64
	var steps []int
	for i, errs := range tally.ByHorizon() {
		from, to := Quarter(6, i)
		if errs.Steps != to-from {
			t.Errorf("quarter %d from %d to %d has %d steps", i, from, to, errs.Steps)
		}
		wape, lacking, steps = append(wape, errs.WAPE), append(lacking, errs.Underprovision), append(steps, errs.Steps)
	}
	if diff := cmp.Diff([]float64{.5, 0, .5, .75}, wape, nearly); diff != "" {
		t.Errorf("WAPE (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float64{math.NaN(), 0, math.NaN(), .75}, lacking, nearly); diff != "" {
		t.Errorf("under-provision at the peaks 2 and 4 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{2, 1, 2, 1}, steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestMASEScale(t *testing.T) {
	t.Parallel()
	history := History{time.Time{}, time.Hour, []float64{1, 2, 4, 2, math.NaN(), 7}}
	if got := MASEScale(history, 2); got != (3+0+5)/3. { // 4-1, 2-2, unknown, 7-2
		t.Errorf("%g", got)
	}
	if got := MASEScale(history, 6); !math.IsNaN(got) {
		t.Errorf("of less than two periods: %g", got)
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	nineteen := make([]float64, 19)
	for i := range nineteen {
		nineteen[i] = float64(i + 1)
	}
	for _, test := range []struct {
		of    []float64
		share float64
		want  float64
	}{{nil, .9, 0}, {[]float64{3}, .9, 3}, {[]float64{1, 2, 3}, .5, 2}, {nineteen, .9, 18}, {nineteen, .95, 19}} {
		if got := quantile(test.of, test.share); got != test.want {
			t.Errorf("%g of %v: %g, want %g", test.share, test.of, got, test.want)
		}
	}
}
