package simulate

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// Outcome is what one policy made of one world.
type Outcome struct {
	Series  string // windows of one series overlap, so spread is told by series
	Cost    float64
	Optimum float64
	Late    bool
}

// Row is what one policy made of a cell of worlds that belong together.
type Row struct {
	Cell      string  `json:"cell"`
	Policy    string  `json:"policy"`
	Cases     int     `json:"cases"`
	Cost      float64 `json:"cost"`       // mean
	Optimum   float64 `json:"optimum"`    // mean
	Ratio     float64 `json:"ratio"`      // of the sums
	MeanRatio float64 `json:"mean_ratio"` // mean of the ratios
	// SeriesMean is the mean over the series of their ratios of sums.
	SeriesMean float64 `json:"mean_of_series"`
	P95        float64 `json:"p95"`   // of the ratios
	Worst      float64 `json:"worst"` // of the ratios
	Low        float64 `json:"low"`   // of Ratio, 95 % by series
	High       float64 `json:"high"`  // likewise
	Late       int     `json:"late"`
}

// NewRow sums up the outcomes of one policy in one cell.
func NewRow(cell, policy string, outcomes []Outcome) Row {
	row := Row{Cell: cell, Policy: policy, Cases: len(outcomes)}
	if len(outcomes) == 0 {
		return row
	}
	cases := float64(len(outcomes))
	var ratios []float64
	for _, one := range outcomes {
		row.Cost += one.Cost / cases
		row.Optimum += one.Optimum / cases
		ratios = append(ratios, one.Cost/one.Optimum)
		row.MeanRatio += one.Cost / one.Optimum / cases
		if one.Late {
			row.Late++
		}
	}
	slices.Sort(ratios)
	row.Ratio = row.Cost / row.Optimum
	row.P95, row.Worst = ratios[int(math.Ceil(.95*cases))-1], ratios[len(ratios)-1]
	series := bySeries(outcomes)
	for _, one := range series {
		row.SeriesMean += one.ratio() / float64(len(series))
	}
	row.Low, row.High = interval(series)
	return row
}

const draws = 2000

// sums are the costs of one series.
type sums struct{ cost, optimum float64 }

func (s sums) ratio() float64 { return s.cost / s.optimum }

func bySeries(outcomes []Outcome) (series []*sums) {
	known := map[string]*sums{}
	for _, one := range outcomes {
		if known[one.Series] == nil {
			known[one.Series] = &sums{}
			series = append(series, known[one.Series])
		}
		known[one.Series].cost += one.Cost
		known[one.Series].optimum += one.Optimum
	}
	return series
}

// interval is where the ratio of sums lies in 95 of 100 draws of as many series, each whole (cluster bootstrap, always with the same seed).
func interval(series []*sums) (low, high float64) {
	random := rand.New(rand.NewPCG(1, 1))
	ratios := make([]float64, draws)
	for i := range ratios {
		var drawn sums
		for range series {
			one := series[random.IntN(len(series))]
			drawn.cost, drawn.optimum = drawn.cost+one.cost, drawn.optimum+one.optimum
		}
		ratios[i] = drawn.ratio()
	}
	slices.SortFunc(ratios, cmp.Compare)
	return ratios[draws*25/1000], ratios[draws*975/1000]
}
