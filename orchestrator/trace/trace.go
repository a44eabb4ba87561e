package trace

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"time"
)

// Bounds of what is read.
const (
	MostBytes = 16 << 20 // of one trace
	MostGap   = 1e6      // seconds
	mostFirst = 1 << 20  // ticks
	mostTicks = 1 << 20  // of one that is made
)

// Unlimited is granted where there is capacity and nobody says how much.
const Unlimited = math.MaxInt32

// Trace is how many replicas are granted in each tick. After its end it begins again.
type Trace struct {
	Gap     time.Duration // length of a tick
	Granted []int
	First   int // tick of its series with which it begins; -1: unknown
}

// file is how a trace is stored.
type file struct {
	Metadata struct {
		Gap   float64 `json:"gap_seconds"`
		Start *int    `json:"start_time"` // tick of the series
	} `json:"metadata"`
	Data    []int `json:"data"`
	Granted []int `json:"granted"`
}

// Decode reads the JSON form. The error says which field is wrong and what is allowed.
func Decode(data []byte) (Trace, error) {
	if len(data) > MostBytes {
		return Trace{}, fmt.Errorf("more than %d bytes", MostBytes)
	}
	var stored file
	if err := json.Unmarshal(data, &stored); err != nil {
		return Trace{}, err
	}
	gap := stored.Metadata.Gap
	read := Trace{Gap: time.Duration(gap * float64(time.Second)), Granted: stored.Granted, First: -1}
	if !(gap <= MostGap) || read.Gap <= 0 {
		return Trace{}, fmt.Errorf("metadata.gap_seconds: %g; allowed: seconds above 0, at most %g", gap, MostGap)
	}
	if start := stored.Metadata.Start; start != nil {
		if *start < 0 || *start > mostFirst {
			return Trace{}, fmt.Errorf("metadata.start_time: %d; allowed: a tick from 0 to %d", *start, mostFirst)
		}
		read.First = *start
	}
	if (stored.Data == nil) == (stored.Granted == nil) {
		return Trace{}, errors.New("data or granted: allowed is exactly one of them")
	}
	for tick, granted := range stored.Granted {
		if granted < 0 {
			return Trace{}, fmt.Errorf("granted[%d]: %d; allowed: 0 or more replicas", tick, granted)
		}
	}
	for tick, unavailable := range stored.Data {
		if unavailable != 0 && unavailable != 1 {
			return Trace{}, fmt.Errorf("data[%d]: %d; allowed: 0 (spot capacity is there) or 1 (it is not)", tick, unavailable)
		}
		read.Granted = append(read.Granted, (1-unavailable)*Unlimited)
	}
	return read, nil
}

// Read reads a file that holds a trace with at least one tick.
func Read(path string) (Trace, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > MostBytes {
		err = fmt.Errorf("it has %d bytes; allowed: at most %d", info.Size(), MostBytes)
	}
	if err != nil {
		return Trace{}, fmt.Errorf("read trace %s: %w", path, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Trace{}, fmt.Errorf("read trace: %w", err)
	}
	read, err := Decode(data)
	if err == nil && len(read.Granted) == 0 {
		err = errors.New("there is no tick; allowed: one or more")
	}
	if err != nil {
		return Trace{}, fmt.Errorf("read trace %s: %w", path, err)
	}
	return read, nil
}

// Shape is what a made trace looks like: all capacity comes and goes at once, for times whose lengths vary as those of a Geiger counter do.
type Shape struct {
	Seed             int
	MeanUp, MeanDown time.Duration
	Gap              time.Duration
	Ticks            int
}

// Make draws a synthetic trace. Equal shapes give equal traces. It begins with capacity.
func Make(shape Shape) Trace {
	random := rand.New(rand.NewPCG(uint64(shape.Seed), 0x9e3779b97f4a7c15))
	made, available := Trace{Gap: shape.Gap}, true
	for len(made.Granted) < min(shape.Ticks, mostTicks) {
		mean, granted := shape.MeanDown, 0
		if available {
			mean, granted = shape.MeanUp, Unlimited
		}
		ticks := max(1, int(math.Round(random.ExpFloat64()*float64(mean)/float64(shape.Gap))))
		for range min(ticks, shape.Ticks-len(made.Granted)) {
			made.Granted = append(made.Granted, granted)
		}
		available = !available
	}
	return made
}

// At is what is granted at a time of the trace. Times before its beginning are those before its end.
func (t Trace) At(elapsed time.Duration) int { return t.Granted[t.tick(elapsed)] }

func (t Trace) tick(elapsed time.Duration) int {
	ticks := time.Duration(len(t.Granted))
	return int((elapsed/t.Gap%ticks + ticks) % ticks)
}

// From is what is granted in the ticks from a time on.
func (t Trace) From(elapsed time.Duration, ticks int) []int {
	list := make([]int, ticks)
	for i := range list {
		list[i] = t.Granted[(t.tick(elapsed)+i)%len(t.Granted)]
	}
	return list
}
