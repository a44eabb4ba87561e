package raycluster

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const nightly = `---
apiVersion: nightshift.dev/v1alpha1
kind: Schedule
metadata: {name: NAME}
spec:
  queue: double
  cron: "CRON"
  timeZone: Night/ZONE
  expect: {rows: 4000}
  objective: {finishWithin: 15s}
  submit: {input: ["file://DIR/in/rows.jsonl"], format: jsonl}
`

// SC3, SC4, PK2 and PK3: a nightly peak whose time of the day clocks pass over has its workers before it comes, runs once, and leaves nothing behind; what clocks show a second time
// does not run again.
func TestPeakWhileClocksAreSet(t *testing.T) {
	in := prepareInstallation(t)
	set := time.Now().Add(90 * time.Second).Truncate(time.Second).UTC()
	zones := t.TempDir()
	t.Setenv("ZONEINFO", zones) // of the service, too
	zone(t, zones, "Forward", set, 2*time.Hour, time.Hour)
	zone(t, zones, "Back", set, 3*time.Hour, -time.Hour)
	text, err := os.ReadFile(filepath.Join(in.Dir, "docs.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	in.Write("docs.yaml", string(text)+
		strings.NewReplacer("DIR", in.Dir, "NAME", "passed-over", "ZONE", "Forward", "CRON", "30 2 * * *").Replace(nightly)+
		strings.NewReplacer("DIR", in.Dir, "NAME", "shown-twice", "ZONE", "Back", "CRON", "0 2 * * *").Replace(nightly))
	in.Write("in/rows.jsonl", rowsOf(4_000))
	in.run()

	in.until("workers are asked for", func() bool { return in.group().Replicas > 0 })
	asked := time.Now()
	in.until("they have loaded the model", func() bool {
		return strings.Contains(in.said("rayclusters", "-n", in.Namespace, "-o", "json"), `"model": "double"`)
	})
	if !asked.Before(set) || !time.Now().Before(set) {
		t.Errorf("asked for at %s and ready at %s, the peak is at %s", asked, time.Now(), set)
	}
	run := ""
	in.until("its job is there", func() bool {
		run = in.said("list", "-l", "nightshift.dev/schedule=passed-over", "-o", "name")
		return run != ""
	})
	t.Logf("asked for %s before it, submitted %s after it", set.Sub(asked).Round(time.Second), time.Since(set).Round(time.Second))
	in.ends(strings.TrimPrefix(strings.TrimSpace(run), "job/"), 4_000)
	if said := in.said("list", "-o", "name"); said != run {
		t.Errorf("%s ran, and all there is are\n%s", run, said)
	}
	if said := in.said("schedules", "list", "passed-over"); !strings.Contains(said, "T02:30[Night/Forward]") {
		t.Error(said)
	}
}

// said is what a command says; nothing where it fails.
func (in *installation) said(arguments ...string) string {
	said, err := in.Nightshift(arguments...)
	if err != nil {
		return ""
	}
	return said
}

func rowsOf(count int) string {
	var text strings.Builder
	for i := range count {
		fmt.Fprintf(&text, "{\"n\":%d}\n", i)
	}
	return text.String()
}

// zone writes a time zone, as RFC 8536 has it, whose clocks show a time of the day at one moment, and are set by so much then.
func zone(t *testing.T, dir, name string, at time.Time, shown, by time.Duration) {
	t.Helper()
	before := shown - at.Sub(at.Truncate(24*time.Hour))
	if before < -12*time.Hour {
		before += 24 * time.Hour
	}
	var file bytes.Buffer
	file.WriteString("TZif")
	file.Write(make([]byte, 16)) // version 1, and what is reserved
	for _, part := range []any{
		[6]int32{0, 0, 0, 1, 2, 8}, // one change, two offsets, eight characters of names
		int32(at.Unix()), uint8(1),
		int32(before.Seconds()), uint8(0), uint8(0),
		int32((before + by).Seconds()), uint8(1), uint8(4),
	} {
		if err := binary.Write(&file, binary.BigEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	file.WriteString("OLD\x00NEW\x00")
	if err := os.MkdirAll(filepath.Join(dir, "Night"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Night", name), file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := time.LoadLocation("Night/" + name); err != nil {
		t.Fatal(err)
	}
}
