package document

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecode: no text makes the decoder panic; an error is a list of problems with places and messages; and a valid set, written and read
// again, is the same. The seeds are the transcripts.
func FuzzDecode(f *testing.F) {
	for _, input := range inputs(f, "valid.txt", "problems.txt", "schedules.txt") {
		f.Add([]byte(input))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := Decode(File{"fuzz.yaml", data})
		if err != nil {
			checkProblems(t, err)
			return
		}
		checkRoundTrip(t, set)
	})
}

// inputs returns what the commands of transcripts take: what stands between a command and its answer.
func inputs(f *testing.F, files ...string) []string {
	var inputs []string
	for _, file := range files {
		text, err := os.ReadFile("testdata/transcripts/" + file)
		if err != nil {
			f.Fatal(err)
		}
		for _, paragraph := range command.Split(string(text), -1)[1:] {
			input, _, found := strings.Cut("\n"+paragraph, "\n----")
			if !found {
				f.Fatalf("%s: a command has no answer:\n%s", file, paragraph)
			}
			inputs = append(inputs, input+"\n")
		}
	}
	return inputs
}

var command = regexp.MustCompile(`(?m)^(decode|set-profile.*)\n`)

func checkProblems(t *testing.T, err error) {
	t.Helper()
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 || len(problems) > maxProblems+1 {
		t.Fatalf("error is a %T with %d problems", err, len(problems))
	}
	for _, problem := range problems {
		if problem.File == "" || problem.Message == "" || problem.Line < 0 {
			t.Errorf("problem without a place or a message: %+v", problem)
		}
	}
	if lines := bytes.Count([]byte(err.Error()), []byte("\n")) + 1; lines != len(problems) {
		t.Errorf("%d problems are %d lines:\n%s", len(problems), lines, err)
	}
}

func checkRoundTrip(t interface {
	Helper()
	Fatalf(string, ...any)
}, set Set) {
	t.Helper()
	text, err := set.Encode()
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	if len(text) > MaxFileBytes {
		return // aliases made it long
	}
	again, err := Decode(File{"again.yaml", text})
	if err != nil {
		t.Fatalf("decode what was encoded: %v\n%s", err, text)
	}
	if diff := cmp.Diff(withoutPositions(set), withoutPositions(again)); diff != "" {
		t.Fatalf("(-want +got):\n%s\n%s", diff, text)
	}
}

func withoutPositions(set Set) Set {
	var plain Set
	for _, model := range set.Models {
		model.Position = Position{}
		plain.Models = append(plain.Models, model)
	}
	for _, pool := range set.Pools {
		pool.Position = Position{}
		plain.Pools = append(plain.Pools, pool)
	}
	for _, queue := range set.Queues {
		queue.Position = Position{}
		plain.Queues = append(plain.Queues, queue)
	}
	for _, schedule := range set.Schedules {
		schedule.Position = Position{}
		plain.Schedules = append(plain.Schedules, schedule)
	}
	return plain
}

// FuzzSetProfile: no text makes it panic, and a text that could be decoded before can be decoded after, with that profile and
// nothing else changed.
func FuzzSetProfile(f *testing.F) {
	for _, input := range inputs(f, "set-profile.txt") {
		f.Add([]byte("apiVersion: nightshift.dev/v1alpha1\n" + input))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		edited, err := SetProfile(data, "fraud", measured)
		if err != nil {
			return
		}
		before, err := Decode(File{"fuzz.yaml", data})
		if err != nil {
			return
		}
		after, err := Decode(File{"fuzz.yaml", edited})
		if err != nil {
			t.Fatalf("decode what was edited: %v\n%s", err, edited)
		}
		model, found := after.Model("fraud")
		if !found || model.Spec.Profile == nil || model.Spec.Profile.Load != measured.Load {
			t.Fatalf("the profile is not there: %+v", model)
		}
		if diff := cmp.Diff(withoutProfiles(before), withoutProfiles(after)); diff != "" {
			t.Fatalf("something else changed (-want +got):\n%s", diff)
		}
	})
}

func withoutProfiles(set Set) Set {
	plain := withoutPositions(set)
	for i := range plain.Models {
		if plain.Models[i].Name == "fraud" {
			plain.Models[i].Spec.Profile = nil
		}
	}
	return plain
}
