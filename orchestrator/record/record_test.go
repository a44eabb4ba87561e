package record

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

func decision(minute int) Decision {
	four := 4
	return Decision{
		At: time.Date(2026, 11, 20, 2, minute, 0, 0, time.UTC), Decisions: 3, Changes: 1, Missed: 2,
		Observation: orchestrator.Observation{
			Jobs:   []orchestrator.JobView{{JobKey: orchestrator.JobKey{Tenant: "a", Queue: "b", ID: "c"}, State: orchestrator.JobRunning, RowsLeft: 7}},
			Pools:  []orchestrator.PoolView{{Name: "spot", Replicas: 2, Available: &four}},
			Memory: orchestrator.Memory{Speeds: []orchestrator.SpeedMemory{{Model: "m", Pool: "spot", RowsPerSecond: 12.5}}},
		},
		Pools: []orchestrator.PoolPlan{{Name: "spot", From: 2, Replicas: 3, Reasons: []orchestrator.Reason{{Code: "demand", From: 2, To: 3, Sentence: "why"}}}},
	}
}

func pack(t *testing.T, documents string, decisions ...Decision) []byte {
	t.Helper()
	var lines [][]byte
	for _, one := range decisions {
		line, err := Line(one)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	data, err := Pack(documents, lines)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// K1: what is read is what was written, batch after batch, each under its documents.
func TestRecordsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	file := append(pack(t, "first", decision(1), decision(2)), pack(t, "second", decision(3))...)
	var got []Decision
	var documents []string
	err := Read(bytes.NewReader(file), func(under string, one Decision) error {
		documents, got = append(documents, under), append(got, one)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Decision{decision(1), decision(2), decision(3)}, got) + cmp.Diff([]string{"first", "first", "second"}, documents); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadEndsWithItsReader(t *testing.T) {
	t.Parallel()
	stop := errors.New("enough")
	count := 0
	err := Read(bytes.NewReader(pack(t, "", decision(1), decision(2))), func(string, Decision) error { count++; return stop })
	if !errors.Is(err, stop) || count != 1 {
		t.Errorf("%v after %d", err, count)
	}
}

func TestNumbersThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	one := decision(1)
	one.Observation.Jobs[0].RowBytes = math.NaN()
	if _, err := Line(one); err == nil {
		t.Error("no error")
	}
}

func TestSomethingElseIsNoRecord(t *testing.T) {
	t.Parallel()
	whole := pack(t, "d", decision(1))
	for name, data := range map[string][]byte{"text": []byte("apiVersion: x"), "a part": whole[:len(whole)-5], "another line": pack(t, "d")[:3]} {
		err := Read(bytes.NewReader(data), func(string, Decision) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "not records, or damaged ones") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzRead: whatever the bytes, an end or an error.
func FuzzRead(f *testing.F) {
	line, err := Line(decision(1))
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range [][]byte{line, []byte("{}"), []byte("[1]"), {}} {
		data, err := Pack("documents", [][]byte{text})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		_ = Read(bytes.NewReader(data), func(string, Decision) error { return nil })
	})
}
