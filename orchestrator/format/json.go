package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/jsonrow"
)

// whyBad says what is wrong with a line that is no row: not UTF-8, or not what jsonrow calls valid.
func whyBad(text []byte) *orchestrator.RowError {
	switch {
	case !utf8.Valid(text):
		return &orchestrator.RowError{Code: CodeInvalidUTF8, Message: fmt.Sprintf("byte %d of the row is no UTF-8", firstInvalid(text))}
	case tooDeep(text):
		return &orchestrator.RowError{Code: CodeInvalidJSON, Message: fmt.Sprintf("nested more than %d deep", jsonrow.MaxNesting)}
	case json.Valid(text):
		return &orchestrator.RowError{Code: CodeNotAnObject, Message: "the row is JSON, but not an object like {\"name\": \"value\"}"}
	}
	return &orchestrator.RowError{Code: CodeInvalidJSON, Message: whyInvalid(text)}
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
	if len(text) <= jsonrow.MaxNesting {
		return false
	}
	if bytes.Count(text, []byte{'{'})+bytes.Count(text, []byte{'['}) <= jsonrow.MaxNesting {
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
			if depth++; depth > jsonrow.MaxNesting {
				return true
			}
		case char == '}' || char == ']':
			depth--
		}
	}
	return false
}

// notNull gives a raw key, or nil where there is none or only null, which tells no row from another.
func notNull(key []byte) []byte {
	if len(key) == 0 || string(key) == "null" {
		return nil
	}
	return key
}
