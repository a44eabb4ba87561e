package scorer

import (
	"encoding/json"
	"strings"
	"testing"
)

var objectSeeds = []string{
	`{}`, ` { } `, `{"a":1}`, `{"a":1,"b":[true,false,null]}`, `{"a":{"b":[[],{}]}}`, `{"a":-0.5e+10}`, `{"a":"\u00e9\n\"\\\/\b\f\r\t"}`,
	``, ` `, `null`, `[]`, `1`, `{`, `}`, `{}}`, `{} {}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":1 "b":2}`, `{a:1}`, `{'a':1}`, `{"a":01}`,
	`{"a":1.}`, `{"a":.5}`, `{"a":-}`, `{"a":1e}`, `{"a":+1}`, `{"a":NaN}`, `{"a":tru}`, `{"a":nulls}`, `{"a":"`, `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"\u12`,
	"{\"a\":\"\n\"}", "{\"a\":\"\x00\"}", "{\"\xff\":1}", `{"a":[1,]}`, `{"a":[,1]}`, `{"a":[1`, `{"a":[1}`, `{"a":1]`, "{\"a\":\t1}", `{"a":0}`, `{"a":-0}`, `{"a":"b`, `{"a":\`, `{"a`,
}

func TestIsObjectSaysWhatJSONSays(t *testing.T) {
	t.Parallel()
	for _, text := range objectSeeds {
		checkObject(t, []byte(text))
	}
	for _, depth := range []int{100, maxDepth - 1, maxDepth, maxDepth + 1} {
		checkObject(t, []byte(strings.Repeat(`{"a":`, depth)+"1"+strings.Repeat("}", depth)))
		checkObject(t, []byte(strings.Repeat(`{"a":`, depth)+"{}"+strings.Repeat("}", depth)))
		checkObject(t, []byte(`{"a":`+strings.Repeat("[", depth)+strings.Repeat("]", depth)+"}"))
	}
}

// checkObject compares with the slow twin from the standard library.
func checkObject(t *testing.T, line []byte) {
	t.Helper()
	want := json.Valid(line) && strings.HasPrefix(strings.TrimLeft(string(line), " \t\r\n"), "{")
	if got := isObject(line); got != want {
		t.Errorf("isObject(%.60q) = %t, json says %t", line, got, want)
	}
}

func FuzzIsObject(f *testing.F) {
	for _, text := range objectSeeds {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, line []byte) { checkObject(t, line) })
}
