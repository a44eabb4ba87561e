package notation

import "strings"

// MaxName is the number of characters a name may have.
const MaxName = 40

// NameForm says what ValidName allows.
const NameForm = "lowercase letters, digits and -, beginning and ending with a letter or digit, at most 40 characters"

// ValidName says whether the text is a DNS label of at most MaxName characters. Names of documents, tenants and jobs are parts of NATS
// subjects.
func ValidName(text string) bool {
	if text == "" || len(text) > MaxName || text[0] == '-' || text[len(text)-1] == '-' {
		return false
	}
	return strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
