package shard

import (
	"fmt"
	"math"
	"time"
)

// The bounds of a shard's size.
const (
	targetSeconds   = 5          // beyond that the fixed cost of a shard is small
	fixedSeconds    = .05        // what a shard costs besides its rows: pull, open, commit; some 0.03 s were measured (docs/measurements.md)
	longestSeconds  = 60         // beyond that a lost worker costs too much
	manyShards      = 100_000    // a job of more shards than that gets longer ones
	targetBytes     = 4 << 20    // where no speed is known
	shardsPerWorker = 2          // of what is left, so that workers finish together; see decision 006
	fewestBatches   = 4          // fewer in a shard only for the last ones
	guessedRowBytes = 256        // where no row has been seen
	mostRows        = 1 << 40    // of a shard, whatever the numbers say
	mostBatchRows   = 1 << 24    // of a batch, likewise
	mostRowBytes    = 1 << 40    // of a row, likewise
	leastRowBytes   = 1.0 / 1024 // of a row, likewise: packed rows may be less than a byte
	mostSpeed       = 1e12       // rows per second, likewise
	mostWorkers     = 1 << 24    // likewise
	mostRowsUncut   = 1 << 52    // likewise; exact in a float64
	packedRatio     = 4          // how much smaller a compressed object is, where none has been read
)

// Work is what the size of the next shards of a job depends on.
type Work struct {
	BatchRows     int           // rows of the model's best batch; below 1 is taken as 1
	RowsPerSecond float64       // of one worker; not a positive number: unknown
	RowBytes      float64       // average bytes of a row; not a positive number: unknown
	RowsUncut     int64         // rows that have not been cut yet; negative: unknown
	Workers       int           // that will share them; below 1 is taken as 1
	Notice        time.Duration // from the announcement of an eviction to the loss of the worker; 0: not announced
	Kept          time.Duration // how long spot capacity usually stays; 0: nothing takes it away
}

// Size is the number of rows of the next shards, a multiple of the best batch, and the sentence that says why. It is total: whatever the numbers, the
// result is at least one best batch and at most 2^40 rows.
func Size(work Work) (rows int64, sentence string) {
	work = work.sane()
	size, why := work.size()
	text := work.sentence(why)
	switch {
	case size < float64(work.BatchRows):
		text = fmt.Sprintf("one batch of %d rows is the least (%s)", work.BatchRows, text)
	case work.BatchRows > 1:
		text = fmt.Sprintf("%s, in batches of %d rows", text, work.BatchRows)
	}
	return work.whole(size), text
}

// Rows is Size without its sentence.
func Rows(work Work) int64 {
	work = work.sane()
	size, _ := work.size()
	return work.whole(size)
}

// Count is how many shards the rows not cut yet make when they lie in one object.
func Count(work Work) int {
	work = work.sane()
	demand := Demand{Rows: Rows(work), Workers: work.Workers, BatchRows: work.BatchRows}
	count := int64(0)
	for left := work.RowsUncut; left > 0; {
		each := demand.rows(left)
		same := max(1, left/each-shardsPerWorker*int64(work.Workers)) // as long as this one, for certain
		count += same
		left -= same * each
	}
	return int(count)
}

// whole is so many rows in whole batches, at least one.
func (w Work) whole(rows float64) int64 {
	batch := float64(w.BatchRows)
	return int64(math.Max(1, math.Min(math.Floor(rows/batch), math.Floor(mostRows/batch))) * batch)
}

// rule is what decided on a size.
type rule int

const (
	byBytes rule = iota
	bySpeed
	byNotice
	byKills
	byShare
	byTail
	byRest
)

// size is the length that the rules give, before it becomes whole batches.
func (w Work) size() (rows float64, why rule) {
	rows, why = targetBytes/w.RowBytes, byBytes
	if w.RowsPerSecond > 0 {
		rows, why = w.target()*w.RowsPerSecond, bySpeed
	}
	if limit := w.Notice.Seconds() * w.RowsPerSecond; limit > 0 && rows > limit {
		rows, why = limit, byNotice
	}
	if limit := w.checkpoint() * w.RowsPerSecond; limit > 0 && rows > limit {
		rows, why = limit, byKills
	}
	if limit, of := w.share(); w.RowsUncut >= 0 && rows > limit {
		rows, why = limit, of
	}
	return rows, why
}

// target is the length, in seconds, that makes the fixed cost of a shard small.
func (w Work) target() float64 {
	if w.RowsUncut <= 0 {
		return targetSeconds
	}
	return math.Min(math.Max(targetSeconds, float64(w.RowsUncut)/w.RowsPerSecond/manyShards), longestSeconds)
}

// checkpoint is the length, in seconds, at which the fixed cost of shards and the work that kills waste cost least together (Young, 1974: the root of twice
// the cost times the mean time between failures); 0: there are no kills.
func (w Work) checkpoint() float64 {
	return math.Sqrt(2 * fixedSeconds * max(w.Kept.Seconds(), 0))
}

// share is the most rows that leave every worker enough shards to finish together with the others; it falls towards the tail
// (guided self-scheduling: Polychronopoulos and Kuck, 1987; the half of an equal share is the factor of Hummel, Schonberg and Flynn, 1992).
func (w Work) share() (rows float64, why rule) {
	left, workers, batch := float64(w.RowsUncut), float64(w.Workers), float64(w.BatchRows)
	if rows := left / (shardsPerWorker * workers); rows >= fewestBatches*batch {
		return rows, byShare
	}
	if left/workers >= fewestBatches*batch {
		return fewestBatches * batch, byTail
	}
	return math.Max(1, math.Ceil(left/workers/batch)) * batch, byRest
}

// sentence says why a rule gave its size.
func (w Work) sentence(why rule) string {
	switch why {
	case byBytes:
		return fmt.Sprintf("4 MiB of rows of %s bytes, since no speed is known", number(w.RowBytes))
	case byNotice:
		return fmt.Sprintf("ends within the notice of %s at %s rows/s", w.Notice, number(w.RowsPerSecond))
	case byKills:
		return fmt.Sprintf("%s s of work at %s rows/s, since spot capacity usually stays for %s", number(w.checkpoint()), number(w.RowsPerSecond), w.Kept.Round(time.Second))
	case byTail:
		return fmt.Sprintf("%d batches, near the end of the %d rows not cut yet", fewestBatches, w.RowsUncut)
	case byShare:
		if w.Workers == 1 {
			return fmt.Sprintf("half of the %d rows not cut yet, for the one worker there is", w.RowsUncut)
		}
		return fmt.Sprintf("half of an equal share of the %d rows not cut yet for each of %d workers", w.RowsUncut, w.Workers)
	case byRest:
		if w.Workers == 1 {
			return fmt.Sprintf("the last %d rows", w.RowsUncut)
		}
		return fmt.Sprintf("an equal share of the last %d rows for each of %d workers", w.RowsUncut, w.Workers)
	}
	text := fmt.Sprintf("%s s of work at %s rows/s", number(w.target()), number(w.RowsPerSecond))
	if w.target() > targetSeconds {
		text += fmt.Sprintf(", so that the rest makes no more than about %d shards", manyShards)
	}
	return text
}

// sane replaces numbers that mean nothing by "unknown" and cuts those beyond all reason.
func (w Work) sane() Work {
	w.BatchRows = min(max(w.BatchRows, 1), mostBatchRows)
	w.Workers = min(max(w.Workers, 1), mostWorkers)
	w.RowsUncut = min(w.RowsUncut, mostRowsUncut)
	w.RowBytes = saneRowBytes(w.RowBytes)
	if w.RowBytes == 0 {
		w.RowBytes = guessedRowBytes
	}
	if !(w.RowsPerSecond > 0) || math.IsInf(w.RowsPerSecond, 0) {
		w.RowsPerSecond = 0
	}
	w.RowsPerSecond = math.Min(w.RowsPerSecond, mostSpeed)
	return w
}

// saneRowBytes is 0 where the average means nothing.
func saneRowBytes(bytes float64) float64 {
	if !(bytes > 0) || math.IsInf(bytes, 0) {
		return 0
	}
	return math.Min(math.Max(bytes, leastRowBytes), mostRowBytes)
}

// number writes three digits of a quantity, without an exponent.
func number(value float64) string {
	switch {
	case value >= 100:
		return fmt.Sprintf("%.0f", value)
	case value >= 10:
		return fmt.Sprintf("%.4g", math.Round(value*10)/10)
	}
	return fmt.Sprintf("%.3g", value)
}
