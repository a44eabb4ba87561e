package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dataplaneReport is what bench dataplane prints.
type dataplaneReport struct {
	Rows      int64             `json:"rows"`
	Bytes     int64             `json:"bytes"`
	RowBytes  float64           `json:"row_bytes"`
	Seed      uint64            `json:"seed"`
	Scorers   int               `json:"scorers"`
	BatchRows int               `json:"batch_rows"`
	Rounds    int               `json:"rounds"`
	Cores     int               `json:"cores"`
	Versions  map[string]string `json:"versions"`

	// Medians over the rounds. A ratio is nightshift's speed over the other's in the same round.
	RowsPerSecond          float64  `json:"rows_per_second"`
	RowsPerSecondWithStart float64  `json:"rows_per_second_with_start"`
	RatioToFeed            float64  `json:"ratio_to_direct_feed"`
	RatioToFeedWithStart   float64  `json:"ratio_to_direct_feed_with_start"`
	RatioToRay             *float64 `json:"ratio_to_ray_data"`            // null: not measured
	RatioToRayWithStart    *float64 `json:"ratio_to_ray_data_with_start"` // likewise

	OutputsEqual bool          `json:"outputs_equal"` // every system wrote the rows of the input, by number and digest
	Input        rowDigest     `json:"input"`
	Nightshift   speeds        `json:"nightshift"`
	Feed         speeds        `json:"direct_feed"`
	Ray          speeds        `json:"ray_data"`
	RayStart     []float64     `json:"ray_start_seconds"` // until Ray is up, part of its time with start
	RayNote      string        `json:"ray_data_note,omitempty"`
	Raw          rawReport     `json:"raw"`
	Service      serviceReport `json:"service"`
	Requests     requestReport `json:"requests"`
}

// speeds are those of one system, one entry for each round, in rows per second.
type speeds struct {
	Warm      []float64 `json:"rows_per_second"`
	WithStart []float64 `json:"rows_per_second_with_start"`
	Output    rowDigest `json:"output"` // of the last round
}

func (s *speeds) add(rows int64, withStart, warm time.Duration) {
	s.Warm = append(s.Warm, math.Round(float64(rows)/warm.Seconds()))
	s.WithStart = append(s.WithStart, math.Round(float64(rows)/withStart.Seconds()))
}

// last is the last round for people.
func (s *speeds) last() string {
	at := len(s.Warm) - 1
	return fmt.Sprintf("%s rows/s with its start, %s without", number(int64(s.WithStart[at])), number(int64(s.Warm[at])))
}

// compare fails when a system did not write the rows of the input.
func (r *dataplaneReport) compare(input rowDigest) error {
	r.Input = input
	outputs := map[string]rowDigest{"nightshift": r.Nightshift.Output, "the direct feed": r.Feed.Output}
	if len(r.Ray.Warm) > 0 {
		outputs["Ray Data"] = r.Ray.Output
	}
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		if output := outputs[name]; output != input {
			return fmt.Errorf("the output of %s has %d rows with digest %.16s; the input has %d with %.16s", name, output.Rows, output.text(), input.Rows, input.text())
		}
	}
	r.OutputsEqual = true
	return nil
}

// conclude computes medians and ratios.
func (r *dataplaneReport) conclude() {
	r.RowsPerSecond, r.RowsPerSecondWithStart = median(r.Nightshift.Warm), median(r.Nightshift.WithStart)
	r.RatioToFeed = rounded3(median(ratios(r.Nightshift.Warm, r.Feed.Warm)))
	r.RatioToFeedWithStart = rounded3(median(ratios(r.Nightshift.WithStart, r.Feed.WithStart)))
	if len(r.Ray.Warm) == 0 {
		r.RayNote = "Ray Data was not measured: --ray-python names no Python that has it"
		return
	}
	warm, withStart := rounded3(median(ratios(r.Nightshift.Warm, r.Ray.Warm))), rounded3(median(ratios(r.Nightshift.WithStart, r.Ray.WithStart)))
	r.RatioToRay, r.RatioToRayWithStart = &warm, &withStart
}

func ratios(ours, theirs []float64) []float64 {
	all := make([]float64, len(ours))
	for i := range ours {
		all[i] = ours[i] / theirs[i]
	}
	return all
}

func rounded3(value float64) float64 { return math.Round(value*1000) / 1000 }

// median of some values, the mean of the two in the middle where they are even; 0 of none.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	switch middle := len(sorted) / 2; {
	case len(sorted) == 0:
		return 0
	case len(sorted)%2 == 1:
		return sorted[middle]
	default:
		return (sorted[middle-1] + sorted[middle]) / 2
	}
}

func quantilesOf(times []float64) quantiles {
	if len(times) == 0 {
		return quantiles{}
	}
	sorted := slices.Sorted(slices.Values(times))
	at := func(share float64) float64 {
		return sorted[min(max(int(math.Ceil(share*float64(len(sorted))))-1, 0), len(sorted)-1)]
	}
	return quantiles{Count: len(sorted), P50: at(.5), P99: at(.99)}
}

// table prints the report for people.
func (r *dataplaneReport) print(out screen) error {
	fmt.Fprintf(out, "%s of %.0f bytes (seed %d), %s, batches of %s, %s, %d cores\n", plural(r.Rows, "row"), r.RowBytes, r.Seed, plural(r.Scorers, "scorer"),
		number(r.BatchRows), plural(r.Rounds, "round"), r.Cores)
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		fmt.Fprintf(out, "%s %s\n", name, r.Versions[name])
	}
	fmt.Fprintln(out)
	if err := out.table(r.speedRows()); err != nil {
		return err
	}
	if r.RayNote != "" {
		fmt.Fprintln(out, r.RayNote)
	}
	fmt.Fprintf(out, "every output has the %s of the input, digest %.16s\n\n", plural(r.Input.Rows, "row"), r.Input.text())
	return out.table(append(append(r.serviceRows(), r.requestRows()...), r.rawRows()...))
}

// speedRows has the median of each system with the least and the most, and nightshift's ratio to it.
func (r *dataplaneReport) speedRows() [][]cell {
	rows := [][]cell{cells("ROWS PER SECOND", "WARM", "LEAST..MOST", "WITH START", "LEAST..MOST", "NIGHTSHIFT TO IT, WARM", "LEAST..MOST", "WITH START", "LEAST..MOST")}
	for _, system := range []struct {
		name   string
		speeds speeds
	}{{"nightshift", r.Nightshift}, {"direct feed", r.Feed}, {"Ray Data", r.Ray}} {
		if len(system.speeds.Warm) == 0 {
			continue
		}
		warm, withStart := ratios(r.Nightshift.Warm, system.speeds.Warm), ratios(r.Nightshift.WithStart, system.speeds.WithStart)
		rows = append(rows, cells(system.name, whole(median(system.speeds.Warm)), spread(system.speeds.Warm, whole), whole(median(system.speeds.WithStart)),
			spread(system.speeds.WithStart, whole), two(median(warm)), spread(warm, two), two(median(withStart)), spread(withStart, two)))
	}
	return rows
}

func whole(value float64) string { return number(int64(math.Round(value))) }
func two(value float64) string   { return strconv.FormatFloat(value, 'f', 2, 64) }

func spread(values []float64, text func(float64) string) string {
	return text(slices.Min(values)) + ".." + text(slices.Max(values))
}

func milliseconds(value float64) string { return strconv.FormatFloat(value*1000, 'f', 1, 64) + " ms" }

func (r *dataplaneReport) serviceRows() [][]cell {
	s := r.Service
	loads := make([]string, 0, len(s.ModelLoads))
	for _, worker := range slices.Sorted(maps.Keys(s.ModelLoads)) {
		loads = append(loads, strconv.Itoa(s.ModelLoads[worker]))
	}
	rows := [][]cell{
		cells("shards of a job", number(s.Shards)),
		cells("model loads of each worker", strings.Join(loads, ", ")),
		cells("one row on a warm worker, submit to commit", milliseconds(s.FirstCommitMedian), "median of "+strconv.Itoa(len(s.FirstCommit))+", "+spread(s.FirstCommit, milliseconds)),
		cells("one row on a warm worker, submit to manifest", milliseconds(s.FirstManifestMedian), "likewise, "+spread(s.FirstManifest, milliseconds)),
		cells("memory of the service after two jobs", bytesText(s.Resident), "most "+bytesText(s.ResidentPeak)),
	}
	if s.ResidentAfterMemoryRows != nil {
		rows = append(rows, cells("memory of the service after a job of "+plural(s.MemoryRows, "row"), bytesText(s.ResidentAfterMemoryRows.Bytes), "most "+bytesText(s.ResidentAfterMemoryRows.Peak)))
	}
	return rows
}

func (r *dataplaneReport) requestRows() [][]cell {
	q := r.Requests
	return [][]cell{
		cells("jobs accepted per second", whole(q.AcceptedPerSecond), plural(q.Clients, "client")+" at once, one row each"),
		cells("submit, none queued", times(q.SubmitNone), plural(q.Clients, "client")+" at once"),
		cells("submit, "+number(q.Queued)+" queued", times(q.SubmitQueued), "likewise"),
		cells("list page, "+number(q.FirstQueued)+" queued", times(q.ListFirst), "one client"),
		cells("list page, "+number(q.Queued)+" queued", times(q.ListQueued), "likewise"),
	}
}

func times(of quantiles) string {
	return "p50 " + milliseconds(of.P50) + ", p99 " + milliseconds(of.P99)
}

func (r *dataplaneReport) rawRows() [][]cell {
	return [][]cell{
		cells("raw: JetStream publish, as many clients as submit", times(r.Raw.PublishAtOnce), whole(r.Raw.PublishAtOncePerSecond)+" per second, synced"),
		cells("raw: JetStream publish per second", whole(r.Raw.PublishPerSecond), "one client, one at a time, synced"),
		cells("raw: JetStream publish per second, many on their way", whole(r.Raw.PublishAsyncPerSecond), "one client, "+strconv.Itoa(rawAhead)+" on their way, synced"),
		cells("raw: JetStream pull and double ack per second", whole(r.Raw.PullAckPerSecond), "one client, one at a time, synced"),
		cells("raw: file read and write", whole(r.Raw.ReadWriteMB)+" MB/s", "the input copied once, synced"),
	}
}
