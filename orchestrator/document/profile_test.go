package document

import (
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
)

var measured = Profile{
	Load:     2500 * time.Millisecond,
	Memory:   300 << 20,
	Batches:  []BatchSpeed{{Rows: 1024, RowsPerSecond: 210_000}, {Rows: 4096, RowsPerSecond: 250_000.5}},
	Measured: time.Date(2026, 11, 20, 13, 30, 0, 0, time.UTC),
}

// setProfileTranscript answers with the lines that SetProfile took out and put in, or with its error.
func setProfileTranscript(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	var model string
	d.ScanArgs(t, "model", &model)
	before := d.Input + "\n"
	after, err := SetProfile([]byte(before), model, measured)
	if err != nil {
		return err.Error() + "\n"
	}
	return changes(strings.SplitAfter(before, "\n"), strings.SplitAfter(string(after), "\n"))
}

// changes shows the lines between the first and the last one that differ, and those around them, without blank ones.
func changes(before, after []string) string {
	first := 0
	for first < len(before) && first < len(after) && before[first] == after[first] {
		first++
	}
	last := 0
	for last < len(before)-first && last < len(after)-first && before[len(before)-1-last] == after[len(after)-1-last] {
		last++
	}
	var text strings.Builder
	write := func(sign string, lines []string) {
		for _, line := range lines {
			if line = strings.TrimSuffix(line, "\n"); line != "" {
				text.WriteString(sign + line + "\n")
			}
		}
	}
	write("  ", before[max(0, first-1):first])
	write("- ", before[first:len(before)-last])
	write("+ ", after[first:len(after)-last])
	write("  ", before[len(before)-last:min(len(before)-last+1, len(before))])
	return text.String()
}

func TestSetProfileIsDecoded(t *testing.T) {
	t.Parallel()
	file := strings.ReplaceAll(`# head
apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: fraud} # the name
spec:

  scorer: {python: "fraud:Model"}
  # odd layout
  columns:   {a:   int64}
`, "\n", "\r\n")
	want, err := Decode(File{"a.yaml", []byte(file)})
	if err != nil {
		t.Fatal(err)
	}
	profile := measured
	profile.Measured = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	want.Models[0].Spec.Profile = &profile
	once, err := SetProfile([]byte(file), "fraud", measured)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(once), file) || strings.Count(string(once), "\n") != strings.Count(string(once), "\r\n") {
		t.Errorf("the text that was there, or its line ends, changed:\n%q", once)
	}
	got, err := Decode(File{"a.yaml", once})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("decoded again, error %v (-want +got):\n%s", err, diff)
	}
	twice, err := SetProfile(once, "fraud", measured)
	if diff := cmp.Diff(string(once), string(twice)); err != nil || diff != "" {
		t.Errorf("set a second time, error %v (-want +got):\n%s", err, diff)
	}
}

func TestSetProfileRefusesWrongProfiles(t *testing.T) {
	t.Parallel()
	file := "kind: Model\nmetadata:\n  name: fraud\nspec:\n  scorer:\n    python: a:B"
	for name, test := range map[string]struct {
		profile Profile
		want    string
	}{
		"no batches": {Profile{Load: time.Second}, "spec.profile.batches: a list of 0; allowed: a list of 1"},
		"no rows":    {Profile{Batches: []BatchSpeed{{Rows: 0, RowsPerSecond: 1}}}, "spec.profile.batches[0].rows: 0; allowed: a whole number from 1"},
		"negative":   {Profile{Load: -time.Second, Batches: []BatchSpeed{{1, 1}}}, "spec.profile.load: -1s; allowed: a duration from 0s"},
	} {
		edited, err := SetProfile([]byte(file), "fraud", test.profile)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got error %v and text %q, want an error with %s", name, err, edited, test.want)
		}
	}
}
