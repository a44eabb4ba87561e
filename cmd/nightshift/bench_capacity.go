package main

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of what is read of a file of capacity.
const (
	mostCapacityRows = 10_000_000
	mostRounds       = 1_000_000
)

// zoneCapacity is how many spot workers a zone grants in each round.
type zoneCapacity struct {
	name    string
	gap     time.Duration
	granted []int
}

// readCapacity reads a CSV file, possibly packed with gzip, with the columns scheduled_at (RFC 3339), zone and instances_created. Rounds that are missing repeat
// what was before.
func readCapacity(path string) ([]zoneCapacity, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read capacity: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	var in io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(file); err != nil {
			return nil, fmt.Errorf("read capacity from %s: %w", path, err)
		}
	}
	zones, err := capacityOf(in)
	if err != nil {
		return nil, fmt.Errorf("read capacity from %s: %w", path, err)
	}
	return zones, nil
}

type capacityRound struct {
	at      time.Time
	granted int
}

func capacityOf(in io.Reader) ([]zoneCapacity, error) {
	rows := csv.NewReader(in)
	header, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("the header: %w", err)
	}
	var columns [3]int
	for i, name := range []string{"scheduled_at", "zone", "instances_created"} {
		if columns[i] = slices.Index(header, name); columns[i] < 0 {
			return nil, fmt.Errorf("column %s is missing; there are %s", name, strings.Join(header, ", "))
		}
	}
	rounds := map[string][]capacityRound{}
	for line := 2; ; line++ {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if line > mostCapacityRows {
			return nil, fmt.Errorf("more than %d rows", mostCapacityRows)
		}
		at, err := time.Parse(time.RFC3339, row[columns[0]])
		if err != nil {
			return nil, fmt.Errorf("line %d: scheduled_at: %q; allowed: a time like 2025-10-03T17:10:00-07:00", line, row[columns[0]])
		}
		granted, err := strconv.Atoi(row[columns[2]])
		if err != nil || granted < 0 {
			return nil, fmt.Errorf("line %d: instances_created: %q; allowed: a whole number of 0 or more", line, row[columns[2]])
		}
		rounds[row[columns[1]]] = append(rounds[row[columns[1]]], capacityRound{at, granted})
	}
	var zones []zoneCapacity
	for _, name := range slices.Sorted(maps.Keys(rounds)) {
		zone, err := zoneOf(name, rounds[name])
		if err != nil {
			return nil, err
		}
		zones = append(zones, zone)
	}
	if len(zones) == 0 {
		return nil, errors.New("there are no rows")
	}
	return zones, nil
}

// zoneOf puts the rounds of a zone in order and fills holes.
func zoneOf(name string, rounds []capacityRound) (zoneCapacity, error) {
	slices.SortStableFunc(rounds, func(a, b capacityRound) int { return a.at.Compare(b.at) })
	var gaps []time.Duration
	for i := 1; i < len(rounds); i++ {
		gaps = append(gaps, rounds[i].at.Sub(rounds[i-1].at))
	}
	if len(gaps) == 0 {
		return zoneCapacity{}, fmt.Errorf("zone %s has one round only", name)
	}
	slices.Sort(gaps)
	zone := zoneCapacity{name: name, gap: gaps[len(gaps)/2].Round(time.Second)}
	if zone.gap <= 0 {
		return zoneCapacity{}, fmt.Errorf("zone %s has several rounds at one time", name)
	}
	for i, round := range rounds {
		missing := 0
		if i > 0 {
			missing = int(round.at.Sub(rounds[i-1].at).Seconds()/zone.gap.Seconds()+.5) - 1
		}
		if len(zone.granted)+missing > mostRounds {
			return zoneCapacity{}, fmt.Errorf("zone %s spans more than %d rounds", name, mostRounds)
		}
		for range missing {
			zone.granted = append(zone.granted, rounds[i-1].granted)
		}
		zone.granted = append(zone.granted, round.granted)
	}
	return zone, nil
}

// windows are so many rounds each, beginning every so many rounds.
func (z zoneCapacity) windows(length, every int) (list [][]int) {
	for at := 0; at+length <= len(z.granted); at += every {
		list = append(list, z.granted[at:at+length])
	}
	return list
}
