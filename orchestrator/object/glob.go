package object

import (
	"path"
	"strings"
)

// splitPattern gives the literal text before the first pattern character, without its backslashes, and whether there is such
// a character.
func splitPattern(pattern string) (prefix string, glob bool) {
	var literal strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '*', '?', '[':
			return literal.String(), true
		case '\\':
			if i+1 < len(pattern) {
				i++
			}
		}
		literal.WriteByte(pattern[i])
	}
	return literal.String(), false
}

func checkPattern(pattern string, elements []string) error {
	for _, element := range elements {
		if _, err := path.Match(element, ""); err != nil {
			return &Error{Code: CodeInvalidURI, URI: pattern, Message: "pattern " + quote(element) + " is malformed, for instance a [ without ]"}
		}
	}
	return nil
}

// patternDepth is how many path elements below the folder of the prefix a match can lie; 0 when there is no bound.
func patternDepth(pattern, prefix string) int {
	for element := range strings.SplitSeq(pattern, "/") {
		if element == "**" {
			return 0
		}
	}
	return strings.Count(pattern, "/") - strings.Count(prefix, "/") + 1
}

// matches compares path elements; ** stands for any number of them. The work is bounded by the product of both lengths: one
// row of a table per pattern element.
func matches(pattern, name []string) bool {
	reached := make([]bool, len(name)+1) // reached[i]: the pattern so far matches the first i elements
	reached[0] = true
	for _, element := range pattern {
		next := make([]bool, len(name)+1)
		for i := range reached {
			switch {
			case element == "**":
				next[i] = reached[i] || i > 0 && next[i-1]
			case i > 0 && reached[i-1]:
				next[i], _ = path.Match(element, name[i-1])
			}
		}
		reached = next
	}
	return reached[len(name)]
}
