package document

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const changeable = `apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: fraud}
spec:
  scorer: {command: [./score], env: {TOKEN: hunter2}, parameters: {key: hunter2}}
  artifacts: [hunter2.bin]
  profile: {load: 3s, batches: [{rows: 10, rowsPerSecond: 100}]}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: spot}
spec: {capacityType: spot, price: {amount: "0.60", currency: EUR}, replicas: {max: 4}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: own}
spec: {replicas: {max: 4}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: nightly}
spec: {model: fraud, pools: [spot, own], input: {roots: ["s3://in/a?secret=hunter2"], inbox: hunter2}, output: {root: "s3://out/b?secret=hunter2"}}
`

func changeableSet(t *testing.T) Set {
	t.Helper()
	set, err := Decode(File{"test.yaml", []byte(changeable)})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// K2: what is recorded of documents decides the same and holds no secret.
func TestBareDocumentsDecideTheSameAndHoldNoSecret(t *testing.T) {
	t.Parallel()
	set := changeableSet(t)
	text, err := set.Bare().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hunter2") {
		t.Errorf("a secret is left:\n%s", text)
	}
	bare, err := Decode(File{"bare.yaml", text})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(set.Policy(), bare.Policy()) + cmp.Diff(set.Speeds(), bare.Speeds()); diff != "" {
		t.Errorf("the bare set decides otherwise (-want +got):\n%s", diff)
	}
}

// A3: every kind of change.
func TestChangesOfDocuments(t *testing.T) {
	t.Parallel()
	for change, holds := range map[string]func(Set) bool{
		"price.spot=2x":                                  func(s Set) bool { return s.Pools[1].Spec.Price.Micros == 1_200_000 },
		"price.spot=1.25":                                func(s Set) bool { return s.Pools[1].Spec.Price.Micros == 1_250_000 },
		"pool/spot.replicas.max=9":                       func(s Set) bool { return s.Pools[1].Spec.Replicas.Max == 9 },
		"queue/nightly.objective.finishWithin=2h":        func(s Set) bool { return s.Queues[0].Spec.Objective.FinishWithin == 2*time.Hour },
		"queue/nightly.pools=[own]":                      func(s Set) bool { return len(s.Queues[0].Spec.Pools) == 1 },
		"model/fraud.profile.batches[0].rowsPerSecond=7": func(s Set) bool { return s.Models[0].Spec.Profile.Batches[0].RowsPerSecond == 7 },
	} {
		set, err := changeableSet(t).With(nil, []string{change})
		if err != nil || !holds(set) {
			t.Errorf("%s: %v, %+v", change, err, set)
		}
	}
}

// A4: all problems of all changes at once, each with what was probably meant.
func TestProblemsOfChanges(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		changes []string
		want    []string
	}{
		{[]string{"pool/spot.replicas.mx=4", "pool/own.slotsPerReplica=0"}, []string{
			"pool/spot: replicas.mx: unknown field; allowed: max, min; did you mean max?", "pool/own: slotsPerReplica: 0; allowed: a whole number from 1 to 1000"}},
		{[]string{"pool/sopt.replicas.max=4", "price.own=2x", "nonsense"}, []string{
			"pool/sopt.replicas.max=4: there is no pool/sopt; did you mean pool/spot?", "price.own=2x: Pool own has no price", "nonsense: allowed: price.POOL=2x"}},
		{[]string{"price.spto=2x"}, []string{"there is no spto; did you mean spot? (a pool)"}},
		{[]string{"price.spot=cheap"}, []string{`"cheap"; allowed: a factor like 2x, or an amount like 1.20`}},
		{[]string{"pool/spot.replicas=[", "pool/spot.price.amount.more=1"}, []string{`the value "[" is not YAML`, "amount is not a mapping, so it has no more"}},
		{[]string{"model/fraud.profile.batches[3].rows=1"}, []string{"batches has no entry 3"}},
		{[]string{"queue/nightly.pools=[gpu]"}, []string{`queue/nightly: pools[0]: there is no Pool "gpu"`}},
	} {
		_, err := changeableSet(t).With(nil, test.changes)
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %s", test.changes, err, want)
			}
		}
	}
}

// A2: a document replaces the one of its kind and name; the others stay.
func TestDocumentsReplaceThoseOfTheirName(t *testing.T) {
	t.Parallel()
	pool := "apiVersion: nightshift.dev/v1alpha1\nkind: Pool\nmetadata: {name: spot}\nspec: {replicas: {max: 7}}\n"
	set, err := changeableSet(t).With([]File{{"new.yaml", []byte(pool)}}, []string{"pool/own.replicas.max=5"})
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Pools) != 2 || set.Pools[0].Spec.Replicas.Max != 5 || set.Pools[1].Spec.Replicas.Max != 7 || len(set.Queues) != 1 {
		t.Errorf("set = %+v", set)
	}
	_, err = changeableSet(t).With([]File{{"new.yaml", []byte(strings.Replace(pool, "max", "mx", 1))}}, nil)
	if err == nil || !strings.Contains(err.Error(), "new.yaml:4: spec.replicas.mx: unknown field") {
		t.Errorf("error = %v", err)
	}
}

func TestNoChangePanics(t *testing.T) {
	t.Parallel()
	set := changeableSet(t)
	rapid.Check(t, func(t *rapid.T) {
		change := rapid.OneOf(rapid.String(), rapid.StringMatching(`(pool|queue|model|price)[/.](spot|nightly|fraud)[.=][a-z.\[\]0-9]{0,20}=.{0,10}`)).Draw(t, "change")
		if changed, err := set.With(nil, []string{change}); err == nil && len(changed.Pools) != len(set.Pools) {
			t.Fatalf("%q made %d pools", change, len(changed.Pools))
		}
	})
}
