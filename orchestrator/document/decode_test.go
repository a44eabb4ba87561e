package document

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestTranscripts runs testdata/*.txt: the command decode takes YAML and answers with what is wrong with it, or with the documents as
// Encode writes them.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "decode":
				return transcript(t, split(d.Input))
			case "set-profile":
				return setProfileTranscript(t, d)
			}
			t.Fatalf("%s: unknown command %s; allowed: decode, set-profile", d.Pos, d.Cmd)
			return ""
		})
	})
}

// transcript is what a person sees of the files.
func transcript(t *testing.T, files []File) string {
	t.Helper()
	set, err := Decode(files...)
	if err != nil {
		if problems := (Problems)(nil); !errors.As(err, &problems) {
			t.Errorf("error is a %T, want Problems", err)
		}
		return err.Error() + "\n"
	}
	text, err := set.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// split cuts the input at lines like "-- pools.yaml --"; without one it is a single file.
func split(input string) []File {
	files := []File{{Name: "nightshift.yaml"}}
	for line := range strings.Lines(input + "\n") {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "-- "); found {
			name = strings.TrimSuffix(name, " --")
			if len(files) == 1 && len(files[0].Data) == 0 {
				files = nil
			}
			files = append(files, File{Name: name})
			continue
		}
		last := &files[len(files)-1]
		last.Data = append(last.Data, line...)
	}
	return files
}
