package shard

import (
	"iter"
	"math"

	"nightshift.dev/nightshift/orchestrator"
)

// unit is what a range counts.
type unit uint8

const (
	plainBytes  unit = iota // of an object that may be cut anywhere, or where rows begin
	packedBytes             // of a compressed object
	rows                    // of a parquet object; positions of messages
	unseen                  // bytes of a parquet object that is not indexed yet
	units                   // how many there are
)

// extent is how much input there is, by unit.
type extent struct {
	given   float64                     // average row bytes, as told; 0: unknown
	total   [units]int64                //
	cut     [units]int64                // of it, cut
	bytes   int64                       // of all objects
	parquet struct{ bytes, rows int64 } // of indexed parquet objects
}

func (e *extent) addObjects(objects []orchestrator.Object) {
	for _, object := range objects {
		size, u := max(object.Size, 0), (&source{object: object}).unit()
		e.total[u] += size
		switch {
		case object.Format == orchestrator.FormatMessages:
			continue // whose bytes nobody has counted
		case u == rows:
			e.total[rows] -= size
			e.total[unseen] += size
		}
		e.bytes += size
	}
}

// index moves a parquet object from bytes to rows.
func (e *extent) index(s *source) {
	if s.unit() != rows || s.counted {
		return
	}
	s.counted = true
	e.total[unseen] -= max(s.object.Size, 0)
	e.total[rows] += s.end
	e.parquet.bytes += max(s.object.Size, 0)
	e.parquet.rows += s.end
}

func (e *extent) addCut(u unit, cut orchestrator.Cut) {
	if cut.Kind == orchestrator.ShardScore {
		e.cut[u] += cut.Range.Length()
	}
}

// tally counts the shards of one kind.
type tally struct{ total, unsettled, sent int } // sent: of the unsettled

// sums are the counters of all shards, kept up to date shard by shard.
type sums struct {
	score, index             tally
	shardsDone, shardsFailed int
	rowsDone, rowsFailed     int64        // of settled shards, and scored in earlier epochs
	rowsAgain                int64        // failed in earlier epochs, to be scored again
	counted                  [units]int64 // extent of the shards with a counted commit
	whole                    [units]int64 // of it, of the shards that were read to their end
	rows                     [units]int64 // found in those
	unread                   unread
}

// unread counts the settled shards that could not be read to their end.
type unread struct {
	shards int
	extent [units]int64 // of all their ranges
	rows   [units]int64 // read before the place that could not be read
}

// of is the tally of index or of score shards.
func (s *sums) of(index bool) *tally {
	if index {
		return &s.index
	}
	return &s.score
}

func (s *sums) add(c sums, sign int) {
	for _, kind := range []struct{ to, from *tally }{{&s.score, &c.score}, {&s.index, &c.index}} {
		kind.to.total += sign * kind.from.total
		kind.to.unsettled += sign * kind.from.unsettled
		kind.to.sent += sign * kind.from.sent
	}
	s.shardsDone += sign * c.shardsDone
	s.shardsFailed += sign * c.shardsFailed
	s.rowsDone += int64(sign) * c.rowsDone
	s.rowsFailed += int64(sign) * c.rowsFailed
	s.rowsAgain += int64(sign) * c.rowsAgain
	s.unread.shards += sign * c.unread.shards
	for u := range units {
		s.counted[u] += int64(sign) * c.counted[u]
		s.whole[u] += int64(sign) * c.whole[u]
		s.rows[u] += int64(sign) * c.rows[u]
		s.unread.extent[u] += int64(sign) * c.unread.extent[u]
		s.unread.rows[u] += int64(sign) * c.unread.rows[u]
	}
}

// contribution is what one shard adds to the sums.
func (m *Machine) contribution(number int) sums {
	var c sums
	f := m.flags[number]
	index := f&flagIndex != 0
	kind := c.of(index)
	kind.total = 1
	var s standing
	settled := index && m.indexSettled(number)
	if !index {
		s = m.standing(number)
		settled = s.settled()
	}
	if !settled {
		kind.unsettled = 1
		if f&flagSent != 0 {
			kind.sent = 1
		}
	}
	if index || s.last == nil || !settled && s.last.unread { // what was not read and is tried again counts as not looked at
		return c
	}
	c.rowsDone = s.last.ok
	switch {
	case !settled:
		c.rowsAgain = s.last.bad
	case s.last.outcome == scored:
		c.rowsFailed, c.shardsDone = s.last.bad, 1
	default:
		c.rowsFailed, c.shardsFailed = s.last.bad, 1
	}
	r := &m.shards[number]
	u := m.cutter.sources[r.object].unit()
	length, found := r.end-r.start, s.last.ok+s.last.bad
	c.counted[u] = length
	if s.last.unread {
		c.unread.shards, c.unread.extent[u], c.unread.rows[u] = 1, length, found
	} else {
		c.whole[u], c.rows[u] = length, found
	}
	return c
}

// recount makes a change that concerns one shard and keeps the sums right.
func (m *Machine) recount(number int, change func()) {
	m.sums.add(m.contribution(number), -1)
	change()
	after := m.contribution(number)
	m.sums.add(after, 1)
	if f := &m.flags[number]; after.score.unsettled+after.index.unsettled == 0 {
		*f |= flagSettled
	} else {
		*f &^= flagSettled
		if *f&flagSent == 0 {
			m.cursor = min(m.cursor, number)
		}
	}
}

// Counts is the progress of the job: score shards only. RowsTotal is an estimate until RowsExact. Rows that could not be read have failed.
func (m *Machine) Counts() orchestrator.Counts {
	counts := orchestrator.Counts{
		RowsDone: m.sums.rowsDone, RowsFailed: m.sums.rowsFailed, BytesTotal: m.extent.bytes,
		ShardsTotal: m.sums.score.total, CutAll: m.cutsDone,
		ShardsDone: m.sums.shardsDone, ShardsFailed: m.sums.shardsFailed,
	}
	var exact bool
	counts.ShardsUnread = m.sums.unread.shards
	counts.RowsUnread, counts.BytesUnread, exact = m.unread()
	counts.RowsFailed += counts.RowsUnread
	counts.RowsExact = exact && m.cutsDone && m.sums.score.unsettled == 0
	counts.RowsTotal = counts.RowsDone + counts.RowsFailed
	if !counts.RowsExact {
		counts.RowsTotal += m.sums.rowsAgain + m.estimate(m.rest(m.sums.counted))
	}
	return counts
}

// unread gives the rows that could not be read and the bytes of the ranges they lie in. The rows are exact where ranges count rows; elsewhere
// they are estimated from the ranges' length, and are at least one.
func (m *Machine) unread() (count, bytes int64, exact bool) {
	exact = true
	for u, extent := range m.sums.unread.extent {
		if extent == 0 {
			continue
		}
		var alone [units]int64
		alone[u] = extent
		missing := m.estimate(alone) - m.sums.unread.rows[u]
		if unit(u) == rows {
			bytes += int64(float64(extent) * m.parquetRowBytes())
		} else {
			bytes, missing, exact = bytes+extent, max(missing, 1), false
		}
		count += max(missing, 0)
	}
	return count, bytes, exact
}

// RowBytes is the average length of a row: as measured by the commits read so far or by the indexes, else as told; 0 is unknown.
func (m *Machine) RowBytes() float64 {
	if found := m.sums.rows[plainBytes]; found > 0 {
		return saneRowBytes(float64(m.sums.whole[plainBytes]) / float64(found))
	}
	if m.extent.total[plainBytes] == 0 && m.extent.parquet.rows > 0 {
		return m.parquetRowBytes()
	}
	return m.extent.given
}

// parquetRowBytes is the same for parquet objects alone.
func (m *Machine) parquetRowBytes() float64 {
	if m.extent.parquet.rows == 0 {
		return m.extent.given
	}
	return saneRowBytes(float64(m.extent.parquet.bytes) / float64(m.extent.parquet.rows))
}

// RowsLeft estimates the rows that are not settled; -1 is unknown.
func (m *Machine) RowsLeft() int64 {
	rest := m.rest(m.sums.counted)
	if !m.known(rest) {
		return -1
	}
	return m.sums.rowsAgain + m.estimate(rest)
}

// RowsUncut estimates the rows that have not been cut; -1 is unknown.
func (m *Machine) RowsUncut() int64 {
	if m.cutsDone {
		return 0
	}
	rest := m.rest(m.extent.cut)
	if !m.known(rest) {
		return -1
	}
	return m.estimate(rest)
}

// rest is the input without a part of it.
func (m *Machine) rest(part [units]int64) [units]int64 {
	var rest [units]int64
	for u := range units {
		rest[u] = max(m.extent.total[u]-part[u], 0)
	}
	return rest
}

// known says whether there is any ground for turning the extent into rows.
func (m *Machine) known(rest [units]int64) bool {
	plain := rest[plainBytes] > 0 && m.RowBytes() == 0
	packed := rest[packedBytes] > 0 && m.sums.rows[packedBytes] == 0 && m.RowBytes() == 0
	parquet := rest[unseen] > 0 && m.parquetRowBytes() == 0
	return (m.objectsDone || m.grows) && !plain && !packed && !parquet
}

// estimate turns an extent into rows.
func (m *Machine) estimate(rest [units]int64) int64 {
	plain := orGuess(m.RowBytes())
	packed := plain / packedRatio
	if found := m.sums.rows[packedBytes]; found > 0 {
		packed = math.Max(float64(m.sums.whole[packedBytes])/float64(found), leastRowBytes)
	} else if m.extent.given > 0 && m.extent.total[packedBytes] == m.extent.bytes {
		packed = m.extent.given // what was told is of compressed objects: there are no others
	}
	estimate := float64(rest[rows]) + float64(rest[plainBytes])/plain + float64(rest[packedBytes])/packed +
		float64(rest[unseen])/orGuess(m.parquetRowBytes())
	return int64(math.Min(math.Ceil(estimate), mostRowsUncut))
}

func orGuess(rowBytes float64) float64 {
	if rowBytes == 0 {
		return guessedRowBytes
	}
	return rowBytes
}

// Unsettled is the number of shards, of both kinds, that are recorded and not settled.
func (m *Machine) Unsettled() int { return m.sums.score.unsettled + m.sums.index.unsettled }

// Journal is the sequence of the last journal entry read.
func (m *Machine) Journal() uint64 { return m.journal }

// CutAll says that the journal will get no more cuts.
func (m *Machine) CutAll() bool { return m.cutsDone }

// Len is the number of recorded cuts; they are numbered from 0.
func (m *Machine) Len() int { return len(m.shards) }

// Cut is the recorded cut with this number, below Len.
func (m *Machine) Cut(number int) orchestrator.Cut {
	r := &m.shards[number]
	kind := orchestrator.ShardScore
	if m.flags[number]&flagIndex != 0 {
		kind = orchestrator.ShardIndex
	}
	return orchestrator.Cut{Number: number, Kind: kind, Range: orchestrator.Range{Object: int(r.object), Start: r.start, End: r.end}}
}

// ScoreCuts are the recorded score cuts in input order, which is the order of their numbers.
func (m *Machine) ScoreCuts() iter.Seq[orchestrator.Cut] {
	return func(yield func(orchestrator.Cut) bool) {
		for number := m.sums.index.total; number < len(m.shards); number++ {
			if !yield(m.Cut(number)) {
				return
			}
		}
	}
}

// Objects is the number of the job's objects read so far.
func (m *Machine) Objects() int { return m.cutter.Objects() }

// Object is the object with this index, below Objects.
func (m *Machine) Object(index int) orchestrator.Object { return m.cutter.Object(index) }

// Settled says whether nothing is left to do for the shard in this epoch.
func (m *Machine) Settled(number int) bool { return m.flags[number]&flagSettled != 0 }

// CommitSeq is the sequence of the commit that describes a score shard; 0: none counts yet.
func (m *Machine) CommitSeq(number int) uint64 {
	if last := m.standing(number).last; last != nil {
		return last.seq
	}
	return 0
}
