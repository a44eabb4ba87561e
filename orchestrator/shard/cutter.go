package shard

import (
	"fmt"
	"math"
	"slices"

	"nightshift.dev/nightshift/orchestrator"
)

// smallCSV is the size in bytes below which a csv object is one range, because finding its rows costs more than it brings.
const smallCSV = 8 << 20

// borders says where an object may be cut.
type borders uint8

const (
	anywhere borders = iota // at any byte
	nowhere                 // the object is one range
	unknown                 // an index shard has to look first
	listed                  // at the starts that an index shard found
)

// source is one object as the cutter sees it.
type source struct {
	object  orchestrator.Object
	starts  []int64 // allowed starts, ascending, when listed
	end     int64   // of the last range: bytes, or rows for parquet
	index   int32   // number of its index cut, plus one; 0: none recorded
	counted bool    // its rows are in the extent
	cut     borders
}

// Cutter cuts the objects of a job into ranges. Next proposes, Record decides: what Next returned changes nothing until it was recorded,
// and whatever was recorded, by this process or another, is where the next proposal begins. So a Cutter that has been given
// the journal's objects and cuts, and what the index shards found, continues exactly where the journal ends.
type Cutter struct {
	sources  []source
	rowBytes float64
	number   int   // of the next cut
	indexes  int   // objects before this one have their index cut, or need none
	object   int   // the next score cut begins in this object
	start    int64 // at this position
	scored   bool  // a score cut has been recorded, so index cuts may no longer follow
}

// NewCutter begins with no objects. rowBytes is the average length of a row; not a positive number means unknown.
func NewCutter(rowBytes float64) *Cutter {
	c := &Cutter{}
	c.SetRowBytes(rowBytes)
	return c
}

// SetRowBytes changes the average length of a row, for the cuts that follow.
func (c *Cutter) SetRowBytes(bytes float64) {
	if c.rowBytes = saneRowBytes(bytes); c.rowBytes == 0 {
		c.rowBytes = guessedRowBytes
	}
}

// AddObjects appends objects of the job, in input order.
func (c *Cutter) AddObjects(objects []orchestrator.Object) {
	for _, object := range objects {
		added := source{object: object, end: object.Start + max(object.Size, 0)}
		switch {
		case object.Gone:
			added.cut = nowhere
		case object.Format == orchestrator.FormatMessages:
		case !object.Splittable():
			added.cut = nowhere
		case object.Format == orchestrator.FormatParquet:
			added.cut = unknown
		case object.Format == orchestrator.FormatCSV && object.Size < smallCSV:
			added.cut = nowhere
		case object.Format == orchestrator.FormatCSV:
			added.cut = unknown
		}
		if c.sources = append(c.sources, added); len(c.sources) == c.object+1 {
			c.start = object.Start
		}
	}
}

// Objects is the number of objects.
func (c *Cutter) Objects() int { return len(c.sources) }

// Object is the object with this index.
func (c *Cutter) Object(index int) orchestrator.Object { return c.sources[index].object }

// Done says that every object has been cut to its end.
func (c *Cutter) Done() bool {
	if index, _ := c.nextIndex(c.indexes); index < len(c.sources) {
		return false
	}
	object, _ := c.skip(c.object, c.start)
	return object == len(c.sources)
}

// doneAfter says that nothing is left to cut once these cuts, proposed by Next, are recorded.
func (c *Cutter) doneAfter(cuts []orchestrator.Cut) bool {
	last := cuts[len(cuts)-1]
	if last.Kind == orchestrator.ShardIndex {
		return false
	}
	object, _ := c.skip(last.Range.Object, last.Range.End)
	return object == len(c.sources)
}

// Next proposes at most most cuts that follow what has been recorded: first every index cut of the job; when those are recorded, score
// cuts in input order, up to the first object whose index is not known yet. size gives the rows that a cut shall have, when those before it in
// the proposal have about so many.
func (c *Cutter) Next(size func(before int64) int64, most int) []orchestrator.Cut {
	var cuts []orchestrator.Cut
	before := 0.0
	add := func(kind orchestrator.ShardKind, object int, start, end int64) {
		cuts = append(cuts, orchestrator.Cut{
			Number: c.number + len(cuts), Kind: kind, Range: orchestrator.Range{Object: object, Start: start, End: end},
		})
	}
	index, found := c.nextIndex(c.indexes)
	for ; found && len(cuts) < most; index, found = c.nextIndex(index + 1) {
		add(orchestrator.ShardIndex, index, 0, c.sources[index].object.Size)
	}
	if found || len(cuts) > 0 {
		return cuts
	}
	object, start := c.skip(c.object, c.start)
	for len(cuts) < most && object < len(c.sources) && c.sources[object].cut != unknown {
		end := c.end(object, start, size(int64(math.Min(before, mostRowsUncut))))
		add(orchestrator.ShardScore, object, start, end)
		before += c.rows(object, end-start)
		object, start = c.skip(object, end)
	}
	return cuts
}

// nextIndex is the first object from the given one on that needs an index cut and has none.
func (c *Cutter) nextIndex(object int) (int, bool) {
	if c.scored {
		return len(c.sources), false
	}
	for ; object < len(c.sources); object++ {
		if s := &c.sources[object]; s.cut == unknown && s.index == 0 && s.end > 0 {
			return object, true
		}
	}
	return len(c.sources), false
}

// skip goes on to the first object at or after the position that has something left to cut.
func (c *Cutter) skip(object int, start int64) (int, int64) {
	for object < len(c.sources) && (start >= c.sources[object].end || c.sources[object].end <= 0) {
		if s := &c.sources[object]; s.cut == unknown && s.object.Format == orchestrator.FormatParquet && s.end > 0 {
			break // its end in rows is not known yet
		}
		object, start = object+1, c.first(object+1)
	}
	return object, start
}

// first is where the ranges of an object begin.
func (c *Cutter) first(object int) int64 {
	if object < len(c.sources) {
		return c.sources[object].object.Start
	}
	return 0
}

// end is where a cut of about so many rows that begins at start ends. A rest smaller than half a shard is taken along.
func (c *Cutter) end(object int, start, rows int64) int64 {
	s := &c.sources[object]
	if s.cut == nowhere {
		return s.end
	}
	length := c.length(s, rows)
	if s.end-start <= length {
		return s.end
	}
	end := start + length
	if s.cut == listed {
		end = s.border(start, length)
	}
	if s.end-end < (length+1)/2 {
		return s.end
	}
	return end
}

// length is the extent of so many rows in the object's unit, at least 1.
func (c *Cutter) length(s *source, count int64) int64 {
	count = min(max(count, 1), mostRows)
	if s.unit() == rows {
		return count
	}
	return int64(math.Max(1, math.Min(float64(count)*c.rowBytes, math.MaxInt64/4)))
}

// rows estimates the rows of a range of the object.
func (c *Cutter) rows(object int, length int64) float64 {
	switch c.sources[object].unit() {
	case rows:
		return float64(length)
	case packedBytes:
		return float64(length) / c.rowBytes * packedRatio
	}
	return float64(length) / c.rowBytes
}

// border is the last allowed start within length of start; but if that gives less than half of length, the first beyond, or else the end.
func (s *source) border(start, length int64) int64 {
	at, exact := slices.BinarySearch(s.starts, start+length)
	if exact {
		return start + length
	}
	if at > 0 && s.starts[at-1]-start >= (length+1)/2 {
		return s.starts[at-1]
	}
	if at < len(s.starts) {
		return min(s.starts[at], s.end)
	}
	return s.end
}

// Record takes over cuts from the journal, in its order. An error means that they do not continue what was recorded before.
func (c *Cutter) Record(cuts []orchestrator.Cut) error {
	for _, cut := range cuts {
		if err := c.record(cut); err != nil {
			return fmt.Errorf("record cut %d: %w", cut.Number, err)
		}
	}
	return nil
}

func (c *Cutter) record(cut orchestrator.Cut) error {
	at := cut.Range
	if cut.Number != c.number {
		return fmt.Errorf("the next number is %d", c.number)
	}
	if at.Object < 0 || at.Object >= len(c.sources) {
		return fmt.Errorf("object %d: the job has %d", at.Object, len(c.sources))
	}
	s := &c.sources[at.Object]
	if cut.Kind == orchestrator.ShardIndex {
		if c.scored || s.index != 0 {
			return fmt.Errorf("an index cut of object %d may not follow here", at.Object)
		}
		c.number++
		s.index = int32(c.number)
		c.indexes, _ = c.nextIndex(c.indexes)
		return nil
	}
	object, start := c.object, c.start
	if at.Object > object {
		object, start = c.pass(at.Object)
	}
	if at.Object != object || at.Start != start || at.End <= at.Start || (s.bounded() && at.End > s.end) {
		return fmt.Errorf("object %d [%d, %d): the next range begins in object %d at %d and is not empty", at.Object, at.Start, at.End, object, start)
	}
	c.number, c.scored = c.number+1, true
	c.object, c.start = c.skip(at.Object, at.End)
	return nil
}

// pass leaves the present object for a later one, as far as nothing is left to cut in between. A parquet object whose number of rows
// is not known yet may be left: the journal was written by somebody who knew it.
func (c *Cutter) pass(to int) (object int, start int64) {
	object, start = c.object, c.start
	for object < to && (start >= c.sources[object].end || !c.sources[object].bounded() && c.sources[object].cut == unknown) {
		object, start = object+1, c.first(object+1)
	}
	return object, start
}

// bounded says that the object's size is the end of its ranges: they do not count the rows of a parquet object.
func (s *source) bounded() bool {
	return s.object.Format != orchestrator.FormatParquet || !s.object.Splittable()
}

// unit is what the object's ranges count.
func (s *source) unit() unit {
	switch {
	case !s.object.Splittable():
		return packedBytes
	case s.object.Format == orchestrator.FormatParquet, s.object.Format == orchestrator.FormatMessages:
		return rows
	}
	return plainBytes
}

// Indexed takes over what an index shard found: for csv the bytes at which rows begin, for parquet the rows at which row groups begin
// and, last, the number of rows. An error says that the list makes no sense; nothing has changed then.
func (c *Cutter) Indexed(object int, offsets []int64) error {
	s := &c.sources[object]
	last := int64(-1)
	for i, offset := range offsets {
		if offset < 0 || offset < last || (s.bounded() && offset > s.object.Size) {
			return fmt.Errorf("offset %d of object %d is %d: want ascending numbers within the object", i, object, offset)
		}
		last = offset
	}
	if !s.bounded() {
		if len(offsets) == 0 {
			return fmt.Errorf("object %d: want the start of every row group and the number of rows", object)
		}
		s.end = last
	}
	s.cut, s.starts = listed, offsets
	if object < c.object {
		s.starts = nil // cut already, never needed again
	}
	return nil
}

// IndexFailed says that the borders will not be known, and whether the object can be cut without them: csv becomes one range.
func (c *Cutter) IndexFailed(object int) bool {
	s := &c.sources[object]
	if s.cut == unknown && s.bounded() {
		s.cut = nowhere
	}
	return s.cut != unknown
}
