package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
	"unsafe"

	"github.com/tidwall/gjson"

	"nightshift.dev/nightshift/orchestrator"
)

// mostNesting is how deep the arrays and objects of a row may be nested: enough for data, safe for every parser behind us.
const mostNesting = 500

// checkObject says what is wrong with a line that should be one JSON object; nil when nothing is.
func checkObject(text []byte) *orchestrator.RowError {
	switch {
	case !utf8.Valid(text):
		return &orchestrator.RowError{Code: CodeInvalidUTF8, Message: fmt.Sprintf("byte %d of the row is no UTF-8", firstInvalid(text))}
	case tooDeep(text):
		return &orchestrator.RowError{Code: CodeInvalidJSON, Message: fmt.Sprintf("nested more than %d deep", mostNesting)}
	case !gjson.ValidBytes(text):
		return &orchestrator.RowError{Code: CodeInvalidJSON, Message: whyInvalid(text)}
	case text[0] != '{' && bytes.TrimLeft(text, " \t\r")[0] != '{':
		return &orchestrator.RowError{Code: CodeNotAnObject, Message: "the row is JSON, but not an object like {\"name\": \"value\"}"}
	}
	return nil
}

func firstInvalid(text []byte) int {
	for at := 0; at < len(text); {
		decoded, size := utf8.DecodeRune(text[at:])
		if decoded == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return len(text)
}

// whyInvalid lets the standard library explain; it is slower, but only bad rows come here.
func whyInvalid(text []byte) string {
	var syntax *json.SyntaxError
	if err := json.Unmarshal(text, new(json.RawMessage)); errors.As(err, &syntax) {
		return fmt.Sprintf("byte %d of the row: %s", syntax.Offset, syntax.Error())
	}
	return "the row is not JSON"
}

// tooDeep protects recursive parsers. Short rows cannot nest deeply, and most long ones have few brackets.
func tooDeep(text []byte) bool {
	if len(text) <= mostNesting {
		return false
	}
	if bytes.Count(text, []byte{'{'})+bytes.Count(text, []byte{'['}) <= mostNesting {
		return false
	}
	depth, quoted := 0, false
	for at := 0; at < len(text); at++ {
		switch char := text[at]; {
		case quoted && char == '\\':
			at++
		case char == '"':
			quoted = !quoted
		case quoted:
		case char == '{' || char == '[':
			if depth++; depth > mostNesting {
				return true
			}
		case char == '}' || char == ']':
			depth--
		}
	}
	return false
}

// column finds a top-level column by its literal name.
type column struct {
	name string
	path string // escaped for gjson
}

func newColumn(name string) column { return column{name: name, path: gjson.Escape(name)} }

// raw gives the raw JSON of the column in a valid object as a slice of it; nil when there is none.
func (c column) raw(object []byte) []byte {
	if c.name == "" || len(object) == 0 {
		return nil
	}
	// gjson works on strings; the bytes are not changed while it looks at them, and nothing keeps the string.
	found := gjson.Get(unsafe.String(&object[0], len(object)), c.path)
	if !found.Exists() {
		return nil
	}
	end := found.Index + len(found.Raw)
	return object[found.Index:end:end]
}

// notNull gives a raw key, or nil where there is none or only null, which tells no row from another.
func notNull(key []byte) []byte {
	if len(key) == 0 || string(key) == "null" {
		return nil
	}
	return key
}
