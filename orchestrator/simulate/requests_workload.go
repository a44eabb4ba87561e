package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Figures of a public production trace that is not published as data: every seed makes requests that agree with them.
const (
	workloadHours    = 552
	workloadRequests = 26_798
	workloadWork     = 213.6 // hours of execution
	workloadModels   = 86
	workMedian       = 23.0 // seconds of execution
	workSpread       = .665
	shufflesOfLoads  = 1000
)

// bands are how requests are spread over models: the share of a band is geometric inside.
var bands = []struct {
	models       int
	share, ratio float64
}{{1, .31, 1}, {4, .39, .80}, {5, .17, .86}, {10, .07, .90}, {66, .06, .985}}

// SyntheticRequests makes a stream of requests for models, the same for the same seed. A load takes median seconds in the middle and high in 95 of 100 models.
func SyntheticRequests(seed uint64, median, high float64) ([]RequestModel, []Request) {
	random := rand.New(rand.NewPCG(seed, 4))
	requests := make([]Request, workloadRequests)
	for i, at := range drawArrivals(random) {
		requests[i].Arrival = ofSeconds(at)
	}
	drawModels(random, requests)
	drawWork(random, requests)
	return drawLoads(random, requests, median, high), requests
}

func ofSeconds(seconds float64) time.Duration {
	return time.Duration(math.Round(seconds * float64(time.Second)))
}

// drawArrivals gives seconds in order. The rate has a daily cycle and noise; one or two hours of every evening are peaks.
func drawArrivals(random *rand.Rand) []float64 {
	peaks := make([]float64, 0, 34)
	for i := range 28 {
		peaks = append(peaks, 3.5-1.2*math.Pow(float64(i)/27, .6))
	}
	for k := range 6 {
		peaks = append(peaks, 2.2-.14*float64(k))
	}
	random.Shuffle(len(peaks), func(i, j int) { peaks[i], peaks[j] = peaks[j], peaks[i] })
	rates, isPeak := make([]float64, workloadHours), make([]bool, workloadHours)
	base, peak := 0.0, 0.0
	for hour := range rates {
		day, of := hour/24, hour%24
		rates[hour] = math.Exp(.6*math.Sin(2*math.Pi*float64(of-9)/24) + .3*random.NormFloat64())
		if isPeak[hour] = of == 20 || of == 21 && day%7 < 3; isPeak[hour] {
			rates[hour], peaks = peaks[0], peaks[1:]
			peak += rates[hour]
			continue
		}
		base += rates[hour]
	}
	scale := (workloadWork - peak) / base
	upTo := make([]float64, workloadHours) // sums of rates
	sum := 0.0
	for hour, rate := range rates {
		if !isPeak[hour] {
			rate *= scale
		}
		sum += rate
		upTo[hour] = sum
	}
	arrivals := make([]float64, 0, workloadRequests)
	for _, at := range ascending(random, workloadRequests) {
		hour := 0
		for at*sum > upTo[hour] && hour < workloadHours-1 {
			hour++
		}
		before := 0.0
		if hour > 0 {
			before = upTo[hour-1]
		}
		arrivals = append(arrivals, 3600*(float64(hour)+(at*sum-before)/(upTo[hour]-before)))
	}
	return arrivals
}

// ascending are uniform numbers, ascending.
func ascending(random *rand.Rand, count int) []float64 {
	numbers := make([]float64, count)
	sum := 0.0
	for i := range numbers {
		sum += random.ExpFloat64()
		numbers[i] = sum
	}
	sum += random.ExpFloat64()
	for i := range numbers {
		numbers[i] /= sum
	}
	return numbers
}

// drawModels says for which model each request is: often for one that was asked for lately, seldom for that of the request before.
func drawModels(random *rand.Rand, requests []Request) {
	shares := make([]float64, 0, workloadModels)
	for _, band := range bands {
		whole := 0.0
		for i := range band.models {
			whole += math.Pow(band.ratio, float64(i))
		}
		for i := range band.models {
			shares = append(shares, band.share*math.Pow(band.ratio, float64(i))/whole)
		}
	}
	fresh := func() int {
		at := random.Float64()
		for model, share := range shares {
			if at -= share; at < 0 {
				return model
			}
		}
		return len(shares) - 1
	}
	for i := range requests {
		kind, back := random.Float64(), 0.0
		switch {
		case kind < .049 && i > 0:
			requests[i].Model = requests[i-1].Model
			continue
		case kind < .049+.6975:
			back = 346 * random.ExpFloat64()
		case kind < .049+.6975+.0338:
			back = 953 * random.ExpFloat64()
		}
		last := i - 1
		for last >= 0 && requests[last].Arrival > requests[i].Arrival-ofSeconds(back) {
			last--
		}
		if back == 0 || last < 0 {
			requests[i].Model = fresh()
		} else {
			requests[i].Model = requests[last].Model
		}
	}
	for i := 1; i < len(requests); i++ {
		if requests[i].Model != requests[i-1].Model || random.Float64() >= .776 {
			continue
		}
		for j := i + 1; j < min(i+13, len(requests)) && requests[j].Arrival-requests[i].Arrival <= 300*time.Second; j++ {
			if requests[j].Model != requests[i].Model {
				requests[i].Model, requests[j].Model = requests[j].Model, requests[i].Model
				break
			}
		}
	}
}

// drawWork gives every request its time of execution.
func drawWork(random *rand.Rand, requests []Request) {
	seconds, sum := make([]float64, len(requests)), 0.0
	for i := range seconds {
		seconds[i] = workMedian * math.Exp(workSpread*random.NormFloat64())
		sum += seconds[i]
	}
	for i := range requests {
		requests[i].Work = ofSeconds(seconds[i] * workloadWork * 3600 / sum)
	}
}

// quantile95 is that of the normal distribution.
const quantile95 = 1.6449

// LoadQuantiles are so many quantiles of a lognormal distribution with this median, of which 95 of 100 are at most high, ascending. All in seconds.
func LoadQuantiles(count int, median, high float64) []time.Duration {
	spread := math.Log(high/median) / quantile95
	loads := make([]time.Duration, count)
	for i := range loads {
		at := (float64(i) + .5) / float64(count)
		loads[i] = ofSeconds(median * math.Exp(spread*math.Sqrt2*math.Erfinv(2*at-1)))
	}
	return loads
}

// drawLoads gives every model its load: quantiles of a lognormal distribution, shuffled so that the mean over changes of the model is that of the distribution.
func drawLoads(random *rand.Rand, requests []Request, median, high float64) []RequestModel {
	spread := math.Log(high/median) / quantile95
	loads := LoadQuantiles(workloadModels, median, high)
	wanted := median * math.Exp(spread*spread/2)
	changes, all := make([]float64, workloadModels), 0.0
	for i := 1; i < len(requests); i++ {
		if requests[i].Model != requests[i-1].Model {
			changes[requests[i].Model]++
			all++
		}
	}
	best, off := loads, math.Inf(1)
	for range shufflesOfLoads {
		random.Shuffle(len(loads), func(i, j int) { loads[i], loads[j] = loads[j], loads[i] })
		mean := 0.0
		for model, load := range loads {
			mean += load.Seconds() * changes[model] / all
		}
		if math.Abs(mean-wanted) < off {
			best, off = slices.Clone(loads), math.Abs(mean-wanted)
		}
	}
	models := make([]RequestModel, workloadModels)
	for i, load := range best {
		models[i] = RequestModel{Name: fmt.Sprintf("model-%02d", i+1), Load: load}
	}
	return models
}
