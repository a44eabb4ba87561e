package simulate

import (
	"math"
	"math/rand/v2"
	"time"
)

// Even spreads what arrives in windows evenly over their ticks. Rates are in any unit; the mean is scaled to so many workers.
func Even(rates []float64, window, tick time.Duration, meanWorkers float64) []float64 {
	scale := meanWorkers / mean(rates) * tick.Seconds()
	ticks := int(window / tick)
	arrivals := make([]float64, 0, len(rates)*ticks)
	for _, rate := range rates {
		for range ticks {
			arrivals = append(arrivals, rate*scale)
		}
	}
	return arrivals
}

// Bursts gathers the same arrivals in bursts: they begin as a Poisson process with a mean gap, and each lasts a while. Their sizes are from an exponential
// distribution whose mean is what arrives in a gap at the rate of the window in which they begin.
func Bursts(rates []float64, window, tick time.Duration, meanWorkers float64, gap, length time.Duration, seed uint64) []float64 {
	random := rand.New(rand.NewPCG(seed, 1))
	even := Even(rates, window, tick, meanWorkers)
	arrivals := make([]float64, len(even))
	long := int(length / tick)
	ticks := gap.Seconds() / tick.Seconds()
	for at := random.ExpFloat64() * ticks; int(at) < len(even); at += random.ExpFloat64() * ticks {
		begin := int(at)
		end := min(begin+long, len(even))
		size := random.ExpFloat64() * even[begin] * ticks
		for i := begin; i < end; i++ {
			arrivals[i] += size / float64(end-begin)
		}
	}
	scale := mean(even) / mean(arrivals)
	for i := range arrivals {
		arrivals[i] *= scale
	}
	return arrivals
}

// DrawStarts draws how long workers take: a start evenly from a range, a load from a lognormal distribution by its median and its 0.95 quantile.
func DrawStarts(count int, least, most, loadMedian, loadP95 float64, seed uint64) []Start {
	random := rand.New(rand.NewPCG(seed, 2))
	sigma := 0.0
	if loadMedian > 0 {
		sigma = math.Log(loadP95/loadMedian) / 1.6448536269514722
	}
	starts := make([]Start, count)
	for i := range starts {
		starts[i] = Start{least + (most-least)*random.Float64(), loadMedian * math.Exp(sigma*random.NormFloat64())}
	}
	return starts
}

func mean(values []float64) float64 { return sum(values) / float64(len(values)) }

func sum(values []float64) (sum float64) {
	for _, value := range values {
		sum += value
	}
	return sum
}
