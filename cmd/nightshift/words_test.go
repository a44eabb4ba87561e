package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWords(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		number(0): "0", number(999): "999", number(1000): "1,000", number(int64(-1234567)): "-1,234,567",
		bytesText(0): "0 B", bytesText(1023): "1023 B", bytesText(1024): "1.0 KiB", bytesText(1023 << 10): "1.0 MiB", bytesText(5 << 40): "5.0 TiB", bytesText(1 << 62): "4096 PiB",
		span(0): "0s", span(1499 * time.Millisecond): "1s", span(59*time.Second + 600*time.Millisecond): "1m", span(90 * time.Minute): "1h30m",
		span(49 * time.Hour): "2d1h", span(48 * time.Hour): "2d", span(-time.Minute): "-1m", span(-300 * time.Millisecond): "0s", span(math.MinInt64): "-106751d23h",
		clock(nowhere.Add(time.Hour), nowhere):            "04:00",
		clock(nowhere.Add(90*time.Second).UTC(), nowhere): "03:01:30",
		clock(nowhere.Add(24*time.Hour), nowhere):         "tomorrow 03:00",
		clock(nowhere.Add(-4*time.Hour), nowhere):         "yesterday 23:00",
		clock(nowhere.Add(1000*time.Hour), nowhere):       "2026-12-31 19:00",
		clock(nowhere.Add(-200*time.Minute), nowhere):     "yesterday 23:40",
		ahead(nowhere, nowhere):                           "now",
		ahead(nowhere.Add(time.Hour), nowhere):            "in 1h",
		ahead(nowhere.Add(-time.Hour), nowhere):           "1h ago",
		plural(1, "row"):                                  "1 row", plural(int64(1000), "row"): "1,000 rows",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestTable: columns align by what terminals show, colours do not count, and nothing moves the cursor.
func TestTable(t *testing.T) {
	t.Parallel()
	rows := [][]cell{
		cells("NAME", "STATE", "X"),
		{{text: "夜間"}, {"failed", red}, {text: "1"}},
		{{text: "a\x1b[2J\nb"}, {"succeeded", green}, {text: ""}},
	}
	for _, colours := range []bool{false, true} {
		var text strings.Builder
		if err := (screen{&text, colours}).table(rows); err != nil {
			t.Fatal(err)
		}
		want := "NAME     STATE      X\n夜間     failed     1\na?[2J?b  succeeded\n"
		if colours {
			want = "NAME     STATE      X\n夜間     \x1b[31mfailed\x1b[0m     1\na?[2J?b  \x1b[32msucceeded\x1b[0m\n"
		}
		if diff := cmp.Diff(want, text.String()); diff != "" {
			t.Errorf("colours %v (-want +got):\n%s", colours, diff)
		}
	}
}

// TestPace: the rate is that of the last half minute, and a retry begins anew.
func TestPace(t *testing.T) {
	t.Parallel()
	var p pace
	for _, test := range []struct {
		second int
		rows   int64
		want   float64
	}{{0, 0, 0}, {1, 100, 100}, {2, 200, 100}, {40, 200, 0}, {41, 300, 100.0 / 39}, {80, 300, 0}, {81, 10, 0}, {82, 20, 10}} {
		if got := p.add(test.rows, nowhere.Add(time.Duration(test.second)*time.Second)); got != test.want {
			t.Errorf("second %d: got %g rows/s, want %g", test.second, got, test.want)
		}
	}
}
