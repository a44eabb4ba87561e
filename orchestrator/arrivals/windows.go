package arrivals

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// Window is the length of one window: what came in it is one number.
const Window = 10 * time.Minute

const (
	// MostWindows are kept: those of 26 weeks.
	MostWindows = int(26 * 7 * daily / Window)
	// longestSilence is how far apart two readings may be for what came between them to be shared out over the windows that they lie in.
	longestSilence = Window / 5
	// Unknown is the rows of a window that was not watched from its beginning to its end.
	Unknown = -1
)

// Windows are the rows that arrived in windows of one length. The zero value has seen nothing. A window that was not watched all through is unknown, never zero.
type Windows struct {
	first  int64   // number of the first window: they are counted from the year 1970 on
	counts []int64 // of those that are over, without gaps

	open     int64 // number of the window that goes on
	rows     float64
	whole    bool // whether it was watched from its beginning until now
	begun    bool // whether there is an open one
	last     sample
	identity string
	seen     bool // whether last is a reading
}

// number of the window that a time lies in.
func number(at time.Time) int64 {
	n, rest := at.UnixNano()/int64(Window), at.UnixNano()%int64(Window)
	if rest < 0 {
		n--
	}
	return n
}

func begin(number int64) time.Time { return time.Unix(0, number*int64(Window)).UTC() }

// Add takes a reading. One with an error says nothing; behind a longer silence, and where the source was made again or its count fell, it begins anew.
func (w *Windows) Add(reading orchestrator.Backlog) {
	if reading.Err != "" || reading.Arrived < 0 {
		return
	}
	now := sample{reading.At, reading.Arrived, 0}
	follows := w.seen && reading.Identity == w.identity && now.arrived >= w.last.arrived
	if w.seen && !now.at.After(w.last.at) {
		return
	}
	before := w.last
	w.last, w.identity, w.seen = now, reading.Identity, true
	n := number(now.at)
	switch {
	case !w.begun:
		w.enter(n, now.at.Equal(begin(n)))
	case !follows:
		w.end(n, false)
		w.whole = false
	case n < w.open: // it is late: its window is over, and unknown
		w.whole = false
	case n == w.open:
		w.rows += float64(now.arrived - before.arrived)
	case now.at.Sub(before.at) > longestSilence:
		w.end(n, false)
	default: // it is the next one: a silence is shorter than a window
		rows, share := float64(now.arrived-before.arrived), begin(n).Sub(before.at).Seconds()/now.at.Sub(before.at).Seconds()
		w.rows += rows * share
		w.end(n, true)
		w.rows += rows * (1 - share)
	}
}

// Count takes the rows of a window that is over, of a source that is counted window by window: those that were not counted in between are unknown.
func (w *Windows) Count(at time.Time, rows int64) {
	n := number(at)
	if w.begun && n < w.open {
		return
	}
	if !w.begun {
		w.enter(n, true)
	}
	w.end(n, false)
	w.whole, w.rows = rows >= 0, float64(max(rows, 0))
	w.end(n+1, true)
	w.whole = false
}

// Until ends windows in which nothing was read at all until now.
func (w *Windows) Until(now time.Time) {
	if n := number(now.Add(-longestSilence)); w.begun && n > w.open {
		w.end(n, false)
	}
}

func (w *Windows) enter(n int64, whole bool) {
	w.open, w.rows, w.whole, w.begun = n, 0, whole, true
	if len(w.counts) == 0 {
		w.first = n
	}
}

// end ends the windows before n; whole says whether the open one was watched to its end, and the next one from its beginning.
func (w *Windows) end(n int64, whole bool) {
	if n <= w.open {
		return
	}
	rows := int64(Unknown)
	if whole && w.whole {
		rows = int64(math.Round(w.rows))
	}
	w.counts = append(w.counts, rows)
	for range min(n-w.open-1, int64(MostWindows)) {
		w.counts = append(w.counts, Unknown)
	}
	w.first = n - int64(len(w.counts))
	if more := len(w.counts) - MostWindows; more > 0 {
		w.counts = append(w.counts[:0], w.counts[more:]...)
		w.first += int64(more)
	}
	w.enter(n, whole)
}

// Over are the windows that are over: when the first one began, and the rows of each.
func (w *Windows) Over() (from time.Time, rows []int64) { return begin(w.first), w.counts }

// Open is the window that goes on, as far as it is known: when it began and what has come in it, or Unknown.
func (w *Windows) Open() (from time.Time, rows int64) {
	if !w.begun || !w.whole {
		return begin(w.open), Unknown
	}
	return begin(w.open), int64(w.rows)
}

// windowsVersion stands before stored windows.
const windowsVersion = 1

// MarshalBinary writes the windows that are over: some bytes for each.
func (w *Windows) MarshalBinary() ([]byte, error) {
	data := binary.AppendVarint([]byte{windowsVersion}, w.first)
	for _, rows := range w.counts {
		data = binary.AppendUvarint(data, uint64(rows+1))
	}
	return data, nil
}

// UnmarshalBinary reads what MarshalBinary wrote. The window in which it is read is not known whole.
func (w *Windows) UnmarshalBinary(data []byte) error {
	if len(data) == 0 || data[0] != windowsVersion {
		return fmt.Errorf("arrivals: not windows of version %d", windowsVersion)
	}
	first, n := binary.Varint(data[1:])
	if n <= 0 {
		return errors.New("arrivals: windows without a beginning")
	}
	var counts []int64
	for data = data[1+n:]; len(data) > 0; {
		rows, n := binary.Uvarint(data)
		if n <= 0 || rows > math.MaxInt64 || len(counts) == MostWindows {
			return errors.New("arrivals: windows that are cut off, too large or too many")
		}
		counts, data = append(counts, int64(rows)-1), data[n:]
	}
	const far = math.MaxInt64 / int64(Window) / 2
	if first < -far || first > far {
		return errors.New("arrivals: windows of no time")
	}
	*w = Windows{first: first, counts: counts}
	if len(counts) > 0 {
		w.enter(first+int64(len(counts)), false)
	}
	return nil
}
