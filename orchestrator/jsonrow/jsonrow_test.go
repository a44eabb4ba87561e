package jsonrow

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// seeds are lines, good and bad.
var seeds = []string{
	`{}`, ` { } `, `{"a":1}`, `{"a":1,"b":[true,false,null]}`, `{"a":{"b":[[],{}]}}`, `{"a":-0.5e+10}`, `{"a":"\u00e9\n\"\\\/\b\f\r\t"}`,
	``, ` `, `null`, `[]`, `1`, `{`, `}`, `{}}`, `{"a":0}0`, `{} {}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":1 "b":2}`, `{a:1}`, `{'a':1}`, `{"a":01}`,
	`{"a":1.}`, `{"a":.5}`, `{"a":-}`, `{"a":1e}`, `{"a":+1}`, `{"a":NaN}`, `{"a":tru}`, `{"a":nulls}`, `{"a":"`, `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"\u12`,
	"{\"a\":\"\n\"}", "{\"a\":\"\x00\"}", "{\"\xff\":1}", `{"a":[1,]}`, `{"a":[,1]}`, `{"a":[1`, `{"a":[1}`, `{"a":1]`, "{\"a\":\t1}", `{"a":0}`, `{"a":-0}`, `{"b":{"a":1},"a":2,"a":3}`, `{"\u0061":1}`, `{"é":1,"ab\"c":2,"a\\":3, "long name of a column" : [4, 5] }`, `{"a":"b`, `{"a":\`, `{"a`,
}

// names are columns that the tests look for.
var names = []string{"a", "é", "ab\"c", `a\`, "long name of a column", ""}

func TestColumnSaysWhatOthersSay(t *testing.T) {
	t.Parallel()
	for _, text := range seeds {
		for _, name := range names {
			compare(t, []byte(text), name)
		}
	}
	for position := range 24 { // wherever it stands in a word of eight bytes
		for _, special := range []string{`"`, `\n`, `\"`, "\x1f", "\x7f", "é", "\xff"} {
			text := strings.Repeat("x", position) + special + strings.Repeat("y", 24-position)
			compare(t, []byte(`{"`+text+`":"`+text+`","a":"`+text+`"}`), "a")
		}
	}
}

func TestGlanceLooksNoFurtherThanTheColumn(t *testing.T) {
	t.Parallel()
	reader := NewReader("a")
	if _, passed := reader.Glance([]byte(`{"a":0,"b"}`)); passed {
		t.Error("the first row of all is passed without being read")
	}
	for line, want := range map[string]bool{`{"a":1,"b"}`: true, `{"a":1`: true, `{"a":01`: true, `{"a":}`: false, `{"a":"1`: false, `{"b":1`: false, ``: false} {
		reader.Column([]byte(`{"a":0}`))
		if _, passed := reader.Glance([]byte(line)); passed != want {
			t.Errorf("Glance(%q): %t, want %t", line, passed, want)
		}
	}
	if _, passed := NewReader("").Glance([]byte("rubbish")); !passed {
		t.Error("without a column a line is read all the same")
	}
}

func TestNesting(t *testing.T) {
	t.Parallel()
	for depth, want := range map[int]bool{1: true, MaxNesting - 1: true, MaxNesting: false, 400_000: false} {
		list := `{"a":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + "}"
		object := strings.Repeat(`{"a":`, depth) + "{}" + strings.Repeat("}", depth)
		for _, line := range []string{list, object} {
			if got := new(Reader).Valid([]byte(line)); got != want {
				t.Errorf("depth %d, %.10q...: valid %t, want %t", depth, line, got, want)
			}
		}
	}
}

// compare compares with encoding/json, which says what is valid, and gjson, which finds columns.
func compare(t *testing.T, line []byte, name string) {
	t.Helper()
	want := json.Valid(line) && strings.HasPrefix(strings.TrimLeft(string(line), " \t\r\n"), "{")
	got, valid := NewReader(name).Column(line)
	// A reader that has seen other rows, and this one, says the same.
	used := NewReader(name)
	for _, other := range seeds {
		used.Column([]byte(other))
	}
	for range 2 {
		if again, validAgain := used.Column(line); string(again) != string(got) || validAgain != valid {
			t.Fatalf("Column(%.60q, %q) after other rows = %q, %t; of a new reader %q, %t", line, name, again, validAgain, got, valid)
		}
	}
	if valid {
		for reader, of := range map[*Reader]string{NewReader(name): "a new reader", used: "a reader of such rows"} {
			if glanced, passed := reader.Glance(line); string(glanced) != string(got) || !passed {
				t.Fatalf("Glance(%.60q, %q) of %s = %q, %t; Column says %q", line, name, of, glanced, passed, got)
			}
		}
	}
	if valid != want && !(want && strings.Count(string(line), "[")+strings.Count(string(line), "{") > MaxNesting) {
		t.Fatalf("Column(%.60q, %q): valid %t, json says %t", line, name, valid, want)
	}
	if !valid || name == "" {
		if got != nil {
			t.Fatalf("Column(%.60q, %q) = %q, want none", line, name, got)
		}
		return
	}
	if !utf8.Valid(line) || !utf8.ValidString(name) {
		return // json reads other bytes as replacement characters; rows with them are refused before
	}
	var first string
	gjson.ParseBytes(line).ForEach(func(member, value gjson.Result) bool {
		var text string
		if err := json.Unmarshal([]byte(member.Raw), &text); err != nil {
			t.Fatal(err)
		}
		if text == name {
			first = value.Raw
		}
		return text != name
	})
	if string(got) != first {
		t.Fatalf("Column(%.60q, %q) = %q, gjson says %q", line, name, got, first)
	}
}

func FuzzColumn(f *testing.F) {
	for _, text := range seeds {
		f.Add([]byte(text), "a")
	}
	f.Add([]byte(`{"ab\"c":1,"a\\":2,"\u00e9":3,"a":4,"a":5}`), `a\`)
	f.Fuzz(compare)
}

func BenchmarkColumn(b *testing.B) {
	line := fmt.Appendf(nil, `{"id":"txn-%08d","amount":%.2f,"risk":%v,"count":%d,"merchant":%d}`, 12345678, 123.45, 0.6374502378104921, 617, 734_552)
	b.Run("this", func(b *testing.B) {
		b.SetBytes(int64(len(line)))
		reader := NewReader("id")
		for b.Loop() {
			if raw, valid := reader.Column(line); raw == nil || !valid {
				b.Fatal("not found")
			}
		}
	})
	b.Run("glance", func(b *testing.B) {
		b.SetBytes(int64(len(line)))
		reader := NewReader("id")
		for b.Loop() {
			if raw, valid := reader.Glance(line); raw == nil || !valid {
				b.Fatal("not found")
			}
		}
	})
	b.Run("gjson", func(b *testing.B) {
		b.SetBytes(int64(len(line)))
		for b.Loop() {
			if !gjson.ValidBytes(line) || !gjson.GetBytes(line, "id").Exists() {
				b.Fatal("not found")
			}
		}
	})
	b.Run("encoding_json", func(b *testing.B) {
		b.SetBytes(int64(len(line)))
		for b.Loop() {
			var found struct {
				ID json.RawMessage `json:"id"`
			}
			if json.Unmarshal(line, &found) != nil {
				b.Fatal("not found")
			}
		}
	})
}
