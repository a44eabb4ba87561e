package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"time"
)

// mostRateWindows bounds what is read of a file of rates.
const mostRateWindows = 1_000_000

// arrivalRates is how much arrived in a second, in windows of equal length.
type arrivalRates struct {
	window time.Duration
	rates  []float64
}

// readRates reads a CSV file with a header and two columns: the start of a window in seconds, and the rate in it, in any unit.
func readRates(path string) (arrivalRates, error) {
	file, err := os.Open(path)
	if err != nil {
		return arrivalRates{}, fmt.Errorf("read arrivals: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	rates, err := ratesOf(file)
	if err != nil {
		return arrivalRates{}, fmt.Errorf("read arrivals from %s: %w", path, err)
	}
	return rates, nil
}

func ratesOf(in io.Reader) (rates arrivalRates, err error) {
	rows := csv.NewReader(in)
	rows.FieldsPerRecord = 2
	if _, err := rows.Read(); err != nil {
		return rates, fmt.Errorf("the header: %w", err)
	}
	var begins []float64
	total := 0.0
	for line := 2; ; line++ {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return rates, err
		}
		begin, err := strconv.ParseFloat(row[0], 64)
		if err != nil || math.IsNaN(begin) || math.IsInf(begin, 0) {
			return rates, fmt.Errorf("line %d: start of the window: %q; allowed: seconds", line, row[0])
		}
		rate, err := strconv.ParseFloat(row[1], 64)
		if err != nil || !(rate >= 0) || math.IsInf(rate, 0) {
			return rates, fmt.Errorf("line %d: rate: %q; allowed: a number from 0", line, row[1])
		}
		if len(begins) == mostRateWindows {
			return rates, fmt.Errorf("more than %d rows", mostRateWindows)
		}
		begins, rates.rates = append(begins, begin), append(rates.rates, rate)
		total += rate
	}
	if len(begins) < 2 || !(total > 0) {
		return rates, errors.New("there is no work, or less than two windows")
	}
	each := begins[1] - begins[0]
	for i := range begins {
		if math.Abs(begins[i]-begins[0]-float64(i)*each) > 1e-3 || !(each >= 1) || each > 86_400 {
			return rates, fmt.Errorf("line %d: starts at %g; allowed: windows of one length from 1 s to a day, one after the other", i+2, begins[i])
		}
	}
	rates.window = time.Duration(each * float64(time.Second))
	return rates, nil
}

// outage is a rate, as a share of the mean, below which something was broken.
const outage = .05

// filled repeats what was before an outage until it ends.
func (a arrivalRates) filled() arrivalRates {
	mean := 0.0
	for _, rate := range a.rates {
		mean += rate / float64(len(a.rates))
	}
	filled := arrivalRates{window: a.window, rates: append([]float64(nil), a.rates...)}
	for i := 1; i < len(filled.rates); i++ {
		if filled.rates[i] < outage*mean {
			filled.rates[i] = filled.rates[i-1]
		}
	}
	return filled
}
