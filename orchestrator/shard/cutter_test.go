package shard

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

func object(size int64, format orchestrator.Format, compression orchestrator.Compression) orchestrator.Object {
	return orchestrator.Object{URI: fmt.Sprintf("file:///in/%d.%s", size, format), Size: size, Format: format, Compression: compression}
}

func cutsText(cuts []orchestrator.Cut) []string {
	text := []string{}
	for _, cut := range cuts {
		text = append(text, fmt.Sprintf("%d %s %d[%d,%d)", cut.Number, cut.Kind, cut.Range.Object, cut.Range.Start, cut.Range.End))
	}
	return text
}

func TestCutter(t *testing.T) {
	t.Parallel()
	const jsonl, csv, parquet = orchestrator.FormatJSONL, orchestrator.FormatCSV, orchestrator.FormatParquet
	cases := map[string]struct {
		objects []orchestrator.Object
		found   map[int][]int64 // what index shards find; a nil list: they fail
		rows    int64
		want    []string
	}{
		"jsonl is cut at any byte, a small rest goes with the last": {
			objects: []orchestrator.Object{object(2040, jsonl, "")}, rows: 10,
			want: []string{"0 score 0[0,1000)", "1 score 0[1000,2040)"},
		},
		"nothing to do for no objects":     {rows: 10, want: []string{}},
		"an empty object gets no cut":      {objects: []orchestrator.Object{object(0, jsonl, ""), object(0, csv, ""), object(0, parquet, "")}, rows: 10, want: []string{}},
		"a compressed object is one range": {objects: []orchestrator.Object{object(999_999, csv, "gzip"), object(7, parquet, "zstd")}, rows: 1, want: []string{"0 score 0[0,999999)", "1 score 1[0,7)"}},
		"a small csv object is one range":  {objects: []orchestrator.Object{object(8<<20-1, csv, "")}, rows: 1, want: []string{"0 score 0[0,8388607)"}},
		"index cuts come first, then input order": {
			objects: []orchestrator.Object{object(300, jsonl, ""), object(9<<20, csv, ""), object(100, parquet, "")}, rows: 2,
			found: map[int][]int64{1: {10, 4_000_000, 9_000_000}, 2: {0, 3, 4, 9}},
			want: []string{
				"0 index 1[0,9437184)", "1 index 2[0,100)", "2 score 0[0,200)", "3 score 0[200,300)",
				"4 score 1[0,4000000)", "5 score 1[4000000,9000000)", "6 score 1[9000000,9437184)",
				"7 score 2[0,3)", "8 score 2[3,4)", "9 score 2[4,9)",
			},
		},
		"borders that lie too close together are passed over": {
			objects: []orchestrator.Object{object(100, parquet, "")}, rows: 10, found: map[int][]int64{0: {0, 4, 5, 9, 10, 13, 40, 60, 61}},
			want: []string{"0 index 0[0,100)", "1 score 0[0,10)", "2 score 0[10,40)", "3 score 0[40,61)"},
		},
		"a csv object that cannot be indexed is one range": {
			objects: []orchestrator.Object{object(9<<20, csv, "")}, rows: 2, found: map[int][]int64{0: nil},
			want: []string{"0 index 0[0,9437184)", "1 score 0[0,9437184)"},
		},
		"a parquet object without rows gets no score cut": {
			objects: []orchestrator.Object{object(100, parquet, ""), object(100, jsonl, "")}, rows: 9, found: map[int][]int64{0: {0}},
			want: []string{"0 index 0[0,100)", "1 score 1[0,100)"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewCutter(100)
			c.AddObjects(tc.objects)
			got := drain(t, c, tc.rows, tc.found)
			if diff := cmp.Diff(tc.want, cutsText(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCutterGuessesRowsNobodyHasSeen(t *testing.T) {
	t.Parallel()
	for _, perRow := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		c := NewCutter(perRow)
		c.AddObjects([]orchestrator.Object{object(10_000, orchestrator.FormatJSONL, "")})
		if got := cutsText(c.Next(always(10), 1)); got[0] != "0 score 0[0,2560)" {
			t.Errorf("%g bytes a row: %s", perRow, got)
		}
	}
}

func always(rows int64) func(int64) int64 { return func(int64) int64 { return rows } }

// drain cuts everything, answering index cuts with what was found.
func drain(t *testing.T, c *Cutter, rows int64, found map[int][]int64) []orchestrator.Cut {
	t.Helper()
	var all []orchestrator.Cut
	for !c.Done() {
		cuts := c.Next(always(rows), 3)
		if len(cuts) == 0 {
			t.Fatalf("not done, and nothing to cut after %v", cutsText(all))
		}
		if err := c.Record(cuts); err != nil {
			t.Fatal(err)
		}
		for _, cut := range cuts {
			if cut.Kind != orchestrator.ShardIndex {
				continue
			}
			if offsets := found[cut.Range.Object]; offsets == nil {
				c.IndexFailed(cut.Range.Object)
			} else if err := c.Indexed(cut.Range.Object, offsets); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, cuts...)
	}
	return all
}

func TestCutterRefusesJournalsThatDoNotContinue(t *testing.T) {
	t.Parallel()
	score := func(number, object int, start, end int64) orchestrator.Cut {
		return orchestrator.Cut{Number: number, Kind: orchestrator.ShardScore, Range: orchestrator.Range{Object: object, Start: start, End: end}}
	}
	index := orchestrator.Cut{Number: 1, Kind: orchestrator.ShardIndex, Range: orchestrator.Range{Object: 1, End: 9 << 20}}
	cases := map[string][]orchestrator.Cut{
		"a number left out":                {score(1, 0, 0, 10)},
		"a gap":                            {score(0, 0, 10, 20)},
		"an overlap":                       {score(0, 0, 0, 10), score(1, 0, 5, 20)},
		"an empty range":                   {score(0, 0, 0, 0)},
		"a range beyond the object":        {score(0, 0, 0, 101)},
		"an object left out":               {score(0, 1, 0, 10)},
		"an object that is none":           {score(0, 2, 0, 10)},
		"a negative object":                {score(0, -1, 0, 10)},
		"an index cut after a score cut":   {score(0, 0, 0, 10), index},
		"a second index cut of one object": {{Number: 0, Kind: orchestrator.ShardIndex, Range: index.Range}, index},
	}
	for name, cuts := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewCutter(0)
			c.AddObjects([]orchestrator.Object{object(100, orchestrator.FormatJSONL, ""), object(9<<20, orchestrator.FormatCSV, "")})
			if err := c.Record(cuts); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestCutterRefusesIndexesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	c := NewCutter(0)
	c.AddObjects([]orchestrator.Object{object(9<<20, orchestrator.FormatCSV, ""), object(100, orchestrator.FormatParquet, "")})
	for _, tc := range []struct {
		object  int
		offsets []int64
	}{{0, []int64{-1}}, {0, []int64{9<<20 + 1}}, {0, []int64{5, 4}}, {1, nil}, {1, []int64{0, 7, 6}}} {
		if err := c.Indexed(tc.object, tc.offsets); err == nil {
			t.Errorf("object %d, offsets %v: no error", tc.object, tc.offsets)
		}
	}
	if err := c.Indexed(1, []int64{0, 1 << 40}); err != nil {
		t.Errorf("rows are not bounded by bytes: %v", err)
	}
}

// input is a random job input together with what its index shards will find.
type input struct {
	objects []orchestrator.Object
	found   map[int][]int64 // nil list: the index shard fails
	ends    []int64         // of the last range of each object
}

func drawInput(t *rapid.T) input {
	in := input{found: map[int][]int64{}}
	count := rapid.IntRange(0, 6).Draw(t, "objects")
	for i := range count {
		o := orchestrator.Object{
			URI:    fmt.Sprintf("file:///in/%d", i),
			Size:   rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1, 3000)).Draw(t, "size"),
			Format: rapid.SampledFrom([]orchestrator.Format{"jsonl", "csv", "parquet"}).Draw(t, "format"),
		}
		if rapid.IntRange(0, 4).Draw(t, "compressed") == 0 {
			o.Compression = orchestrator.CompressionGzip
		}
		end := o.Size
		switch large := rapid.Bool().Draw(t, "large"); {
		case o.Size == 0 || !o.Splittable():
		case o.Format == orchestrator.FormatCSV && large:
			o.Size += smallCSV
			end = o.Size
			in.found[i] = nil
			if rapid.IntRange(0, 3).Draw(t, "index fails") > 0 {
				in.found[i] = slices.Sorted(slices.Values(rapid.SliceOfN(rapid.Int64Range(0, o.Size), 0, 20).Draw(t, "rows begin")))
			}
		case o.Format == orchestrator.FormatParquet:
			in.found[i] = slices.Sorted(slices.Values(rapid.SliceOfN(rapid.Int64Range(0, 500), 1, 8).Draw(t, "row groups")))
			end = in.found[i][len(in.found[i])-1]
		}
		in.objects, in.ends = append(in.objects, o), append(in.ends, end)
	}
	return in
}

// checkTiling says in plain loops what "the cuts tile the input" means.
func checkTiling(in input, cuts []orchestrator.Cut) error {
	scored := false
	var next orchestrator.Range // where the next score cut has to begin
	atEnd := func() {
		for next.Object < len(in.objects) && next.Start >= in.ends[next.Object] {
			if next = (orchestrator.Range{Object: next.Object + 1}); next.Object < len(in.objects) {
				next.Start = in.objects[next.Object].Start
			}
		}
	}
	if len(in.objects) > 0 {
		next.Start = in.objects[0].Start
	}
	atEnd()
	for i, cut := range cuts {
		if cut.Number != i {
			return fmt.Errorf("cut %d has number %d", i, cut.Number)
		}
		if cut.Kind == orchestrator.ShardIndex {
			if scored {
				return fmt.Errorf("index cut %d after a score cut", i)
			}
			continue
		}
		scored = true
		if cut.Range.Object != next.Object || cut.Range.Start != next.Start || cut.Range.End <= cut.Range.Start {
			return fmt.Errorf("cut %v does not begin at %v, or is empty", cut, next)
		}
		end := in.ends[cut.Range.Object]
		if starts := in.found[cut.Range.Object]; cut.Range.End > end || starts != nil && cut.Range.End != end && !slices.Contains(starts, cut.Range.End) {
			return fmt.Errorf("cut %v ends where no row may begin (%v, end %d)", cut, starts, end)
		}
		next.Start = cut.Range.End
		atEnd()
	}
	if next.Object != len(in.objects) {
		return fmt.Errorf("nothing covers %v", next)
	}
	return nil
}

// The cuts of a job tile its input, whatever the sizes asked for, and a cutter built anew from the journal continues as the old one.
func TestCutterProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		perRow := adversarialFloats().Draw(t, "row bytes")
		build := func(journal []orchestrator.Cut, known map[int]bool) *Cutter {
			c := NewCutter(perRow)
			c.AddObjects(in.objects)
			if err := c.Record(journal); err != nil {
				t.Fatalf("the journal cannot be read again: %v", err)
			}
			for object := range known {
				if in.found[object] == nil {
					c.IndexFailed(object)
				} else if err := c.Indexed(object, in.found[object]); err != nil {
					t.Fatal(err)
				}
			}
			return c
		}
		var journal []orchestrator.Cut
		known := map[int]bool{}
		c := build(nil, nil)
		for step := 0; !c.Done(); step++ {
			if step > 20_000 {
				t.Fatalf("no end: %v", cutsText(journal[:20]))
			}
			rows := rapid.Int64Range(-1, 300).Draw(t, "rows")
			most := rapid.IntRange(1, 200).Draw(t, "most")
			cuts := c.Next(always(rows), most)
			if diff := cmp.Diff(cuts, c.Next(always(rows), most)); diff != "" {
				t.Fatalf("a proposal changes nothing (-first +second):\n%s", diff)
			}
			if diff := cmp.Diff(cuts, build(journal, known).Next(always(rows), most)); diff != "" {
				t.Fatalf("a cutter built anew continues as the old one (-old +new):\n%s", diff)
			}
			if len(cuts) > most {
				t.Fatalf("%d cuts, at most %d were asked for", len(cuts), most)
			}
			if len(cuts) > 0 && c.doneAfter(cuts) != build(append(slices.Clone(journal), cuts...), known).Done() {
				t.Fatalf("doneAfter(%v) is %v", cutsText(cuts), c.doneAfter(cuts))
			}
			journal = append(journal, cuts...)
			if len(cuts) == 0 { // blocked: an index shard reports
				for _, cut := range journal {
					if cut.Kind == orchestrator.ShardIndex && !known[cut.Range.Object] {
						known[cut.Range.Object] = true
						break
					}
				}
			}
			c = build(journal, known)
		}
		if err := checkTiling(in, journal); err != nil {
			t.Fatalf("%v: %v", err, cutsText(journal))
		}
	})
}

// Where a job is cut anywhere, no shard but an object's only one is shorter than half of what was asked for.
func TestCutterLeavesNoCrumbs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, 100_000).Draw(t, "size")
		rows := rapid.Int64Range(1, 1000).Draw(t, "rows")
		c := NewCutter(10)
		c.AddObjects([]orchestrator.Object{object(size, orchestrator.FormatJSONL, "")})
		cuts := c.Next(always(rows), 1_000_000)
		for _, cut := range cuts {
			if length := cut.Range.Length(); len(cuts) > 1 && (length < rows*5 || length > rows*15) {
				t.Fatalf("%d bytes where %d rows of 10 bytes were asked for: %v", length, rows, cutsText(cuts))
			}
		}
	})
}
