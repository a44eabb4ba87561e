package planner

import (
	"math"
	"slices"
)

const (
	mostRecent   = 50 // measurements that are kept
	enoughRecent = 20 // of them, from which on a 0.95 quantile is one
)

// remember adds a measurement to the recent ones. The result shares nothing with the list it was given.
func remember(recent []float64, seconds float64) []float64 {
	recent = append(slices.Clone(recent), saneSeconds(seconds))
	return recent[max(len(recent)-mostRecent, 0):]
}

// slow is the 0.95 quantile of what was measured, to two digits upwards, so that it stays as long as nothing of note happens. Before there are enough
// measurements it is what a document says, or the largest of them.
func slow(recent []float64, documented float64) float64 {
	if len(recent) == 0 {
		return documented
	}
	ordered := slices.Sorted(slices.Values(recent))
	if len(ordered) < enoughRecent {
		return max(documented, saneSeconds(ordered[len(ordered)-1]))
	}
	seconds := saneSeconds(ordered[int(math.Ceil(.95*float64(len(ordered))))-1])
	if seconds == 0 {
		return 0
	}
	digit := math.Pow(10, math.Floor(math.Log10(seconds))-1)
	return math.Ceil(seconds/digit-1e-9) * digit
}
