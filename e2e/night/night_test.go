package night

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestNight plays the whole night for make demo-night.
func TestNight(t *testing.T) {
	dir := os.Getenv("NIGHTSHIFT_NIGHT")
	if dir == "" {
		t.Skip("NIGHTSHIFT_NIGHT is missing: the folder in which make demo-night plays the whole night")
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	for _, program := range []string{"java", "mvn", "python3"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("make demo-night needs Java, Maven and Python 3.11 or newer: %v", err)
		}
	}
	s := full()
	if text := os.Getenv("NIGHTSHIFT_NIGHT_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("SEED: %q; allowed: a whole number", text)
		}
		s.seed = seed
	}
	if path := os.Getenv("NIGHTSHIFT_NIGHT_DATA"); path != "" {
		day, err := recorded(path, s.from, s.closing)
		if err != nil {
			t.Fatalf("DATA: %v", err)
		}
		s.busy = day
	}
	n := play(ctx, t, s, dir, func(text string) { fmt.Println(text) })
	n.judge(ctx)
}

// small is a part of the night for a test, from 01:00 on, four times as fast again and with less of everything. What servers take in real time weighs four times as much again,
// and a machine may be busy: all has three hours more, and it is over when nothing is left.
func small() scenario {
	s := full()
	s.speed, s.from, s.closing, s.due, s.morning, s.to, s.early = 240, hour("01:00"), hour("04:15"), hour("05:00"), hour("09:00"), hour("09:30"), true
	s.payments, s.clicks, s.ordinary = 20, 30, 4000
	s.thin, s.kills, s.width = nil, []time.Duration{hour("02:20")}, 2
	return s
}

// TestSmallNight plays a part of the night.
func TestSmallNight(t *testing.T) {
	n := play(t.Context(), t, small(), t.TempDir(), func(text string) { t.Log(text) })
	n.judge(t.Context())
}
