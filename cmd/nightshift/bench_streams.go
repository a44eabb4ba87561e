package main

import (
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator/simulate"
)

// mostRequests bounds what is read of a stream; mostSeconds each of its times.
const (
	mostRequests = 10_000_000
	mostSeconds  = 1e8
)

// readRequests reads a CSV file, possibly packed with gzip, with the columns arrival_s, model, exec_s and possibly load_s.
func readRequests(path string, median, high float64) ([]simulate.RequestModel, []simulate.Request, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("--requests: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	var in io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(file); err != nil {
			return nil, nil, fmt.Errorf("--requests: %s: %w", path, err)
		}
	}
	models, requests, err := requestsOf(in, median, high)
	if err != nil {
		return nil, nil, fmt.Errorf("--requests: %s: %w", path, err)
	}
	return models, requests, nil
}

// requestsOf gives models in the order in which they are first asked for. Without load_s a model's load is a quantile of a lognormal distribution, by that order.
func requestsOf(in io.Reader, median, high float64) ([]simulate.RequestModel, []simulate.Request, error) {
	reader := csv.NewReader(in)
	header, err := reader.Read()
	if err != nil {
		return nil, nil, fmt.Errorf("the header: %w", err)
	}
	s := stream{header: header, known: map[string]int{}}
	if err := s.find(); err != nil {
		return nil, nil, err
	}
	reader.ReuseRecord = true
	for line := 2; ; line++ {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		if line > mostRequests {
			return nil, nil, fmt.Errorf("more than %d rows", mostRequests)
		}
		if err := s.add(record); err != nil {
			return nil, nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if len(s.requests) == 0 {
		return nil, nil, errors.New("there are no rows")
	}
	slices.SortStableFunc(s.requests, func(a, b simulate.Request) int { return cmp.Compare(a.Arrival, b.Arrival) })
	return s.models(median, high), s.requests, nil
}

// stream is a file of requests while it is read.
type stream struct {
	header                     []string
	arrival, model, exec, load int // columns; load may be -1
	known                      map[string]int
	loads                      [][]time.Duration // by model
	requests                   []simulate.Request
}

// find looks for the columns.
func (s *stream) find() error {
	for name, column := range map[string]*int{"arrival_s": &s.arrival, "model": &s.model, "exec_s": &s.exec, "load_s": &s.load} {
		*column = slices.Index(s.header, name)
	}
	for _, one := range []struct {
		name   string
		column int
	}{{"arrival_s", s.arrival}, {"model", s.model}, {"exec_s", s.exec}} {
		if one.column < 0 {
			return fmt.Errorf("column %s is missing; there are %s", one.name, strings.Join(s.header, ", "))
		}
	}
	return nil
}

func (s *stream) add(record []string) error {
	arrival, err := s.seconds(record, s.arrival)
	if err != nil {
		return err
	}
	exec, err := s.seconds(record, s.exec)
	if err != nil {
		return err
	}
	model, has := s.known[record[s.model]]
	if !has {
		model = len(s.loads)
		s.known[strings.Clone(record[s.model])] = model
		s.loads = append(s.loads, nil)
	}
	if s.load >= 0 {
		load, err := s.seconds(record, s.load)
		if err != nil {
			return err
		}
		s.loads[model] = append(s.loads[model], load)
	}
	s.requests = append(s.requests, simulate.Request{Arrival: arrival, Model: model, Work: max(exec, 1)})
	return nil
}

func (s *stream) seconds(record []string, column int) (time.Duration, error) {
	seconds, err := strconv.ParseFloat(record[column], 64)
	if err != nil || !(seconds >= 0) || seconds > mostSeconds || column == s.exec && seconds == 0 {
		return 0, fmt.Errorf("%s: %q; allowed: seconds from 0 to %g, an execution above 0", s.header[column], record[column], mostSeconds)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// models have names of their own: those of the file may be no names of documents.
func (s *stream) models(median, high float64) []simulate.RequestModel {
	models := make([]simulate.RequestModel, len(s.loads))
	quantiles := simulate.LoadQuantiles(len(models), median, high)
	for i := range models {
		models[i] = simulate.RequestModel{Name: fmt.Sprintf("model-%d", i+1), Load: quantiles[i]}
		if s.load >= 0 {
			models[i].Load = mean(s.loads[i])
		}
	}
	return models
}

func mean(list []time.Duration) time.Duration {
	sum := 0.0
	for _, one := range list {
		sum += one.Seconds() / float64(len(list))
	}
	return time.Duration(sum * float64(time.Second))
}
