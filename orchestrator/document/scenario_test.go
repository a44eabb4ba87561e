package document

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const scenarioHead = "apiVersion: nightshift.dev/v1alpha1\nkind: Scenario\nmetadata: {name: night}\n"

func TestDecodeScenario(t *testing.T) {
	t.Parallel()
	got, err := DecodeScenario(File{"night.yaml", []byte(scenarioHead + `spec:
  documents: [nightshift.yaml]
  begin: "2026-11-20T22:00:00+01:00"
  length: 12h
  seed: 9
  jobs:
    - {queue: fraud, rows: 1000, within: 8h}
    - {name: small, queue: fraud, submit: 10m, rows: 10, count: 3, every: 5m}
  pools:
    - name: spot
      capacity: [{at: 0s, replicas: 4}, {at: 2h, replicas: 0}]
      losses: [{at: 30m, replicas: 1}]
      lossesPerHour: 0.5
      startTime: {least: 30s, most: 2m}
    - {name: far, trace: far.json}
  speeds: [{model: fraud, pool: spot, rowsPerSecond: 12.5, load: 20s}]
`)})
	if err != nil {
		t.Fatal(err)
	}
	want := ScenarioSpec{
		Documents: []string{"nightshift.yaml"}, Begin: time.Date(2026, 11, 20, 21, 0, 0, 0, time.UTC), Length: 12 * time.Hour, Seed: 9,
		Jobs: []ScenarioJob{
			{Queue: "fraud", Rows: 1000, Within: 8 * time.Hour, Count: 1},
			{Name: "small", Queue: "fraud", Submit: 10 * time.Minute, Rows: 10, Count: 3, Every: 5 * time.Minute},
		},
		Pools: []ScenarioPool{
			{
				Name: "spot", Capacity: []ScenarioStep{{0, 4}, {2 * time.Hour, 0}}, Losses: []ScenarioStep{{30 * time.Minute, 1}}, LossesPerHour: .5,
				StartTime: &ScenarioRange{30 * time.Second, 2 * time.Minute},
			},
			{Name: "far", Trace: "far.json"},
		},
		Speeds: []ScenarioSpeed{{"fraud", "spot", 12.5, 20 * time.Second}},
	}
	if diff := cmp.Diff(want, got.Spec); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if names := got.Spec.Jobs[0].JobName(0) + " " + got.Spec.Jobs[1].JobName(1); names != "fraud small-2" {
		t.Errorf("names = %s", names)
	}
}

func TestProblemsOfScenarios(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"a typo":      {"spec: {documents: [a], jobs: [{queue: q, row: 1}]}", "night.yaml:4: spec.jobs[0].row: unknown field; allowed: queue, rows, name, submit, within, count, every; did you mean rows?"},
		"missing":     {"spec: {jobs: [{queue: q}]}", "spec.documents: is missing"},
		"both":        {"spec: {documents: [a], jobs: [], pools: [{name: p, trace: t, capacity: [{at: 0s, replicas: 1}]}]}", "both trace and capacity are given"},
		"several":     {"spec: {documents: [a], jobs: [{queue: q, rows: 1, count: 2}]}", "2 jobs, and no every"},
		"a bad time":  {"spec: {documents: [a], jobs: [{queue: q, rows: 1}], begin: tonight}", `"tonight"; allowed: a time like "2026-11-20T22:00:00Z"`},
		"a bad range": {"spec: {documents: [a], jobs: [{queue: q, rows: 1}], pools: [{name: p, startTime: {least: 2s, most: 1s}}]}", "2s is above most"},
		"a second":    {"spec: {documents: [a], jobs: [{queue: q, rows: 1}]}\n---\n" + scenarioHead, "a second document; allowed: one Scenario in a file"},
	} {
		_, err := DecodeScenario(File{"night.yaml", []byte(scenarioHead + test.text + "\n")})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	for text, want := range map[string]string{"": "the file is empty", "[1]": "a list of 1 is not a document", "kind: Pool": `kind: "Pool"; allowed: Scenario`} {
		if _, err := DecodeScenario(File{"night.yaml", []byte(text)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// FuzzDecodeScenario: no text makes the decoder panic; an error is a list of problems.
func FuzzDecodeScenario(f *testing.F) {
	f.Add([]byte(scenarioHead + "spec: {documents: [a], jobs: [{queue: q, rows: 1}], pools: [{name: p, startTime: {least: 1s, most: 2s}}]}"))
	f.Add([]byte("[]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := DecodeScenario(File{"fuzz.yaml", data}); err != nil {
			checkProblems(t, err)
		}
	})
}
