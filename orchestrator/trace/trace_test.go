package trace

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Trace{
		`{"metadata":{"gap_seconds":600},"data":[0,1,0]}`:             {10 * time.Minute, []int{Unlimited, 0, Unlimited}, -1},
		`{"metadata":{"gap_seconds":1.5,"zone":"a"},"granted":[4,0]}`: {1500 * time.Millisecond, []int{4, 0}, -1},
		`{"metadata":{"gap_seconds":1,"start_time":7},"granted":[1]}`: {time.Second, []int{1}, 7},
		`{"metadata":{"gap_seconds":1},"data":[]}`:                    {time.Second, nil, -1},
	} {
		got, err := Decode([]byte(text))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{`:            "unexpected end",
		`{"data":[0]}`: "metadata.gap_seconds: 0; allowed: seconds above 0",
		`{"metadata":{"gap_seconds":2e6},"data":[0]}`:               "metadata.gap_seconds: 2e+06",
		`{"metadata":{"gap_seconds":1e-12},"data":[0]}`:             "metadata.gap_seconds: 1e-12",
		`{"metadata":{"gap_seconds":1,"start_time":-1},"data":[0]}`: "metadata.start_time: -1; allowed: a tick from 0",
		`{"metadata":{"gap_seconds":1}}`:                            "data or granted: allowed is exactly one",
		`{"metadata":{"gap_seconds":1},"data":[0],"granted":[1]}`:   "data or granted: allowed is exactly one",
		`{"metadata":{"gap_seconds":1},"data":[0,2]}`:               "data[1]: 2; allowed: 0",
		`{"metadata":{"gap_seconds":1},"granted":[1,-1]}`:           "granted[1]: -1; allowed: 0 or more",
		strings.Repeat(" ", MostBytes+1):                            "more than",
	} {
		if _, err := Decode([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: error %v, want %q", text, err, want)
		}
	}
}

func TestReadNamesTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.json")
	for _, content := range []string{`{"metadata":{"gap_seconds":1},"data":[]}`, `[]`, ""} {
		if content != "" {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		} else if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: error %v, want one that names %s", content, err, path)
		}
	}
	if err := os.WriteFile(path, []byte(`{"metadata":{"gap_seconds":2},"granted":[3]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(path); err != nil || got.At(time.Hour) != 3 {
		t.Errorf("read %v, %v", got, err)
	}
}

// Whatever time one asks for, the trace repeats.
func TestATraceRepeats(t *testing.T) {
	t.Parallel()
	one := Trace{Gap: time.Second, Granted: []int{1, 2, 3}}
	for elapsed, want := range map[time.Duration]int{0: 1, time.Second - 1: 1, time.Second: 2, 2 * time.Second: 3, 3 * time.Second: 1, 301 * time.Second: 2, -time.Second: 3} {
		if got := one.At(elapsed); got != want {
			t.Errorf("at %s %d is granted, want %d", elapsed, got, want)
		}
	}
	if diff := cmp.Diff([]int{3, 1, 2, 3, 1}, one.From(2*time.Second, 5)); diff != "" {
		t.Errorf("from the third tick on (-want +got):\n%s", diff)
	}
}

// A synthetic trace has runs of about the lengths asked for, the same for the same seed.
func TestMake(t *testing.T) {
	t.Parallel()
	shape := Shape{Seed: 7, MeanUp: 2 * time.Hour, MeanDown: 45 * time.Minute, Gap: time.Minute, Ticks: 200_000}
	made := Make(shape)
	if diff := cmp.Diff(made, Make(shape)); diff != "" {
		t.Errorf("the same shape gives another trace:\n%s", diff)
	}
	if shape.Seed++; cmp.Equal(made, Make(shape)) {
		t.Error("another seed gives the same trace")
	}
	runs, ticks := map[int]int{}, map[int]int{}
	for i, granted := range made.Granted {
		ticks[granted]++
		if i == 0 || made.Granted[i-1] != granted {
			runs[granted]++
		}
	}
	for granted, want := range map[int]float64{Unlimited: 120, 0: 45} {
		if got := float64(ticks[granted]) / float64(runs[granted]); math.Abs(got/want-1) > .1 {
			t.Errorf("runs with %d granted last %.1f ticks on average, want about %g", granted, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		shape := Shape{
			Seed: rapid.IntRange(0, 1e9).Draw(t, "seed"), Ticks: rapid.IntRange(1, 3000).Draw(t, "ticks"),
			MeanUp: time.Duration(rapid.Int64Range(1, 1e15).Draw(t, "up")), MeanDown: time.Duration(rapid.Int64Range(1, 1e15).Draw(t, "down")), Gap: time.Second,
		}
		if made := Make(shape); len(made.Granted) != shape.Ticks || made.Granted[0] != Unlimited {
			t.Fatalf("%d ticks that begin with %d, want %d", len(made.Granted), made.Granted[0], shape.Ticks)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, list := range []string{`"data":[0,1]`, `"granted":[1,2]`, `"data":null`} {
		f.Add(fmt.Appendf(nil, `{"metadata":{"gap_seconds":600},%s}`, list))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		read, err := Decode(data)
		if err == nil && len(read.Granted) > 0 && read.At(time.Hour) < 0 {
			t.Errorf("%d is granted", read.At(time.Hour))
		}
	})
}
