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

func TestDecodeBounds(t *testing.T) {
	t.Parallel()
	pool := "apiVersion: " + APIVersion + "\nkind: Pool\nmetadata: {name: a}\nspec: {replicas: {max: 1}}\n"
	long := strings.Repeat("x", 2000)
	for name, test := range map[string]struct {
		files []File
		want  string // begins the error
	}{
		"bytes": {
			[]File{{"big.yaml", []byte(strings.Repeat("#", MaxFileBytes+1))}},
			"big.yaml: the file has 1048577 bytes; allowed: at most 1048576",
		},
		"documents": {
			[]File{{"a.yaml", []byte(strings.Repeat("--- 1\n", MaxDocuments/2))}, {"b.yaml", []byte(strings.Repeat("--- 1\n", MaxDocuments/2+1))}},
			"a.yaml:1: 1 is not a document;",
		},
		"a long value": {
			[]File{{"a.yaml", []byte(strings.Replace(pool, "a}", long+"}", 1))}},
			`a.yaml:3: metadata.name: "` + long[:60] + `"...; allowed: `,
		},
		"a long key": {
			[]File{{"a.yaml", []byte(pool + long[:500] + ": 1")}},
			`a.yaml:5: ["` + long[:60] + `"...]: unknown field; allowed: `,
		},
		"a long list": {
			[]File{{"a.yaml", []byte(strings.Replace(pool, "spec: {", "spec: {engine: ["+strings.Repeat("x,", maxList+1)+"], ", 1))}},
			"a.yaml:4: spec.engine: a list of 1001; allowed: text",
		},
		"bytes that are no text": {
			[]File{{"a.yaml", []byte("a: \xff")}},
			"a.yaml: not YAML: ",
		},
	} {
		_, err := Decode(test.files...)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: got %.300v, want %s...", name, err, test.want)
		}
	}
}

func TestManyProblems(t *testing.T) {
	t.Parallel()
	_, err := Decode(File{"a.yaml", []byte(strings.Repeat("--- 1\n", MaxDocuments))})
	problems, _ := err.(Problems)
	if len(problems) != maxProblems+1 || !strings.HasSuffix(err.Error(), "\na.yaml:1000: 9000 more problems are left out") {
		t.Errorf("%d problems, the last is %v", len(problems), problems[max(0, len(problems)-1):])
	}
	_, err = Decode(File{"a.yaml", []byte(strings.Repeat("---\n", 20_000) + "1")})
	if err == nil || err.Error() != "a.yaml:20001: 1 is not a document; allowed: a mapping with apiVersion, kind, metadata and spec" {
		t.Errorf("empty documents: %v", err)
	}
	_, err = Decode(File{"a.yaml", []byte(strings.Repeat("--- {}\n", MaxDocuments+1))})
	if !strings.Contains(err.Error(), "more problems are left out") {
		t.Errorf("too many documents: %.200v", err)
	}
}
