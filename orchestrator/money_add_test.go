package orchestrator

import (
	"math"
	"testing"
)

// Amounts beyond all reason stay the largest there is, and do not turn into the opposite.
func TestMoneyAddDoesNotWrap(t *testing.T) {
	t.Parallel()
	most := Money{Micros: math.MaxInt64, Currency: "EUR"}
	sum := most
	for range 4 {
		sum = sum.Add(most).Times(10)
	}
	least := Money{Micros: math.MinInt64, Currency: "EUR"}
	if below := least.Add(least); sum.Micros != math.MaxInt64/2 || below.Micros != -(math.MaxInt64/2) || below.Add(sum).Micros != 0 {
		t.Errorf("%d and %d", sum.Micros, below.Micros)
	}
}
