package arrivals

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

func failed(at time.Duration) orchestrator.Backlog {
	return orchestrator.Backlog{Reading: orchestrator.Reading{At: midnight.Add(at), Err: "no answer"}, Pending: -1, Arrived: -1}
}

func TestWindowsAreKnownWhereTheyWereWatched(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	for name, one := range map[string]struct {
		readings []orchestrator.Backlog
		until    time.Duration
		want     []int64
		open     int64
	}{
		"from the beginning of a window on": {
			[]orchestrator.Backlog{reading(0, 100), reading(5*minute, 160), reading(8*minute, 200), reading(10*minute, 200), reading(19*minute, 200), reading(20*minute, 230)}, 20 * minute, []int64{100, 30}, 0},
		"the first window was not seen from its beginning": {
			[]orchestrator.Backlog{reading(3*minute, 100), reading(9*minute, 200), reading(10*minute, 200), reading(19*minute, 250), reading(20*minute, 250), reading(20*minute, 250)}, 20 * minute, []int64{Unknown, 50}, 0},
		"a step over a boundary is shared out": {
			[]orchestrator.Backlog{reading(0, 0), reading(9*minute, 90), reading(11*minute, 100)}, 11 * minute, []int64{95}, 5},
		"nothing came": {
			[]orchestrator.Backlog{reading(0, 7), reading(9*minute, 7), reading(10*minute, 7)}, 10 * minute, []int64{0}, 0},
		"readings failed over a boundary": {
			[]orchestrator.Backlog{reading(0, 0), reading(9*minute, 90), failed(10 * minute), reading(12*minute, 100), reading(20*minute, 100), reading(21*minute, 130)}, 21 * minute, []int64{Unknown, Unknown}, Unknown},
		"readings failed within a window": {
			[]orchestrator.Backlog{reading(0, 0), failed(4 * minute), reading(9*minute, 90), reading(10*minute, 100)}, 10 * minute, []int64{100}, 0},
		"nobody read for an hour": {
			[]orchestrator.Backlog{reading(0, 0), reading(10*minute, 5), reading(61*minute, 9)}, 61 * minute, []int64{Unknown, Unknown, Unknown, Unknown, Unknown, Unknown}, Unknown},
		"readings ended": {
			[]orchestrator.Backlog{reading(0, 0), reading(9*minute, 5), reading(10*minute, 5)}, 33 * minute, []int64{5, Unknown, Unknown}, Unknown},
		"the count fell": {
			[]orchestrator.Backlog{reading(0, 50), reading(5*minute, 60), reading(6*minute, 10), reading(9*minute, 20), reading(10*minute, 30), reading(19*minute, 40), reading(20*minute, 50)}, 20 * minute, []int64{Unknown, 20}, 0},
	} {
		var w Windows
		for _, one := range one.readings {
			w.Add(one)
		}
		w.Until(midnight.Add(one.until))
		if from, rows := w.Over(); !cmp.Equal(rows, one.want) || !from.Equal(midnight) && len(rows) > 0 {
			t.Errorf("%s: from %s on %v, want %v", name, from, rows, one.want)
		}
		if _, open := w.Open(); open != one.open {
			t.Errorf("%s: %d in the open window, want %d", name, open, one.open)
		}
	}
}

func TestWindowsOfAnotherSourceBeginAnew(t *testing.T) {
	t.Parallel()
	var w Windows
	w.Add(reading(0, 0))
	w.Add(reading(9*time.Minute, 10))
	other := reading(10*time.Minute, 500)
	other.Identity = "b"
	w.Add(other)
	if _, rows := w.Over(); !cmp.Equal(rows, []int64{Unknown}) {
		t.Errorf("%v", rows)
	}
}

func TestCountedWindows(t *testing.T) {
	t.Parallel()
	var w Windows
	for _, one := range []struct{ minute, rows int64 }{{20, 7}, {30, 0}, {60, 9}, {30, 5}, {70, Unknown}} {
		w.Count(midnight.Add(time.Duration(one.minute)*time.Minute), one.rows)
	}
	from, rows := w.Over()
	if want := []int64{7, 0, Unknown, Unknown, 9, Unknown}; !cmp.Equal(rows, want) || !from.Equal(midnight.Add(20*time.Minute)) {
		t.Errorf("from %s on %v, want %v", from, rows, want)
	}
	w.Until(midnight.Add(3 * time.Hour))
	if _, rows := w.Over(); len(rows) != 15 || rows[14] != Unknown {
		t.Errorf("%v", rows)
	}
}

// Whatever is read and when, a window in which a silence was longer than two minutes at one of its ends is unknown, and all windows together hold no more than came.
func TestGapsNeverReadAsZero(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var w Windows
		now, arrived, first, last := time.Duration(0), int64(0), int64(-1), time.Duration(0)
		silent := map[int64]bool{}
		for i := range rapid.IntRange(1, 80).Draw(t, "readings") {
			now += time.Duration(rapid.SampledFrom([]int{1, 30, 60, 119, 121, 400, 700, 4000}).Draw(t, "seconds")) * time.Second
			arrived += rapid.Int64Range(0, 100).Draw(t, "rows")
			if rapid.IntRange(0, 9).Draw(t, "fails") == 0 {
				w.Add(failed(now))
				continue
			}
			if first < 0 {
				first = arrived
			}
			if from, to := number(midnight.Add(last)), number(midnight.Add(now)); i == 0 || from != to && now-last > longestSilence {
				for n := from; n <= to; n++ {
					silent[n] = true
				}
			}
			last = now
			w.Add(reading(now, arrived))
		}
		w.Until(midnight.Add(now))
		from, rows := w.Over()
		sum := int64(0)
		for i, count := range rows {
			if silent[number(from)+int64(i)] && count != Unknown {
				t.Fatalf("window %d was not watched, and has %d rows", i, count)
			}
			sum += max(count, 0)
		}
		if sum > arrived-max(first, 0)+int64(len(rows)) { // each is rounded
			t.Fatalf("%d rows in windows, %d came", sum, arrived-first)
		}
	})
}

func TestWindowsAreKept(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var w Windows
		at := midnight.Add(-time.Duration(rapid.IntRange(0, 1<<20).Draw(t, "at")) * Window)
		for _, rows := range rapid.SliceOfN(rapid.Int64Range(-1, 1<<40), 0, 300).Draw(t, "rows") {
			w.Count(at, rows)
			at = at.Add(Window)
		}
		data, err := w.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var again Windows
		if err := again.UnmarshalBinary(data); err != nil {
			t.Fatal(err)
		}
		from, rows := w.Over()
		if fromAgain, rowsAgain := again.Over(); len(rows) > 0 && (!from.Equal(fromAgain) || !cmp.Equal(rows, rowsAgain)) {
			t.Fatalf("%v and %v", rows, rowsAgain)
		}
		if _, open := again.Open(); open != Unknown {
			t.Fatalf("%d in a window that was not watched", open)
		}
	})
}

func TestWindowsAreBounded(t *testing.T) {
	t.Parallel()
	var w Windows
	w.Count(midnight, 1)
	w.Count(midnight.Add(Window*time.Duration(MostWindows)), 2)
	w.Count(midnight.Add(Window*time.Duration(5*MostWindows)), 3)
	from, rows := w.Over()
	if len(rows) != MostWindows || rows[len(rows)-1] != 3 || !from.Equal(midnight.Add(Window*time.Duration(4*MostWindows+1))) {
		t.Errorf("%d windows from %s on", len(rows), from)
	}
}

func FuzzWindows(f *testing.F) {
	f.Add([]byte{windowsVersion, 2, 0, 1, 200, 1})
	f.Add([]byte{windowsVersion, 2, 200})
	f.Fuzz(func(t *testing.T, data []byte) {
		var w Windows
		if w.UnmarshalBinary(data) != nil {
			return
		}
		w.Count(midnight, 5)
		if _, rows := w.Over(); len(rows) > MostWindows {
			t.Errorf("%d windows", len(rows))
		}
	})
}
