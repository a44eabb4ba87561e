package format

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// appendText appends valid UTF-8 as a JSON string.
func appendText[T string | []byte](out []byte, text T) []byte {
	out = append(out, '"')
	begin := 0
	for i := range len(text) {
		char := text[i]
		if char >= ' ' && char != '"' && char != '\\' {
			continue
		}
		out = append(out, text[begin:i]...)
		begin = i + 1
		switch char {
		case '"', '\\':
			out = append(out, '\\', char)
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		case '\t':
			out = append(out, '\\', 't')
		default:
			out = append(out, '\\', 'u', '0', '0', hexDigits[char>>4], hexDigits[char&15])
		}
	}
	return append(append(out, text[begin:]...), '"')
}

// appendAnyText appends text that may not be UTF-8; what is not becomes the replacement character.
func appendAnyText(out []byte, text string) []byte {
	if !utf8.ValidString(text) {
		text = string([]rune(text))
	}
	return appendText(out, text)
}

// isNumber says whether text is a number as JSON writes it.
func isNumber(text []byte) bool {
	at := 0
	if at < len(text) && text[at] == '-' {
		at++
	}
	whole := digits(text, at)
	if whole == at || text[at] == '0' && whole > at+1 {
		return false
	}
	at = whole
	if at < len(text) && text[at] == '.' {
		fraction := digits(text, at+1)
		if fraction == at+1 {
			return false
		}
		at = fraction
	}
	if at < len(text) && (text[at] == 'e' || text[at] == 'E') {
		at++
		if at < len(text) && (text[at] == '+' || text[at] == '-') {
			at++
		}
		exponent := digits(text, at)
		if exponent == at {
			return false
		}
		at = exponent
	}
	return at == len(text)
}

// digits is where the digits that begin at a byte end.
func digits(text []byte, at int) int {
	for at < len(text) && text[at] >= '0' && text[at] <= '9' {
		at++
	}
	return at
}
