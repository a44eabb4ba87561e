package document

import (
	"net"
	"regexp"
	"strconv"
	"strings"

	"nightshift.dev/nightshift/orchestrator/document/notation"
)

// check says what is allowed when the text is not, and "" when it is.
type check func(text string) string

const (
	maxText = 1024  // characters of a name, path or URI
	maxList = 1000  // entries of a list or map of texts
	maxLong = 65536 // characters of an argument or variable
)

var (
	pythonClass = regexp.MustCompile(`^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$`)
	variable    = regexp.MustCompile(`^[A-Za-z_]\w*$`)
	currency    = regexp.MustCompile(`^[A-Z]{3}$`)
	scheme      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:/`)
)

var (
	columnTypes = []string{"string", "int64", "float64", "bool"}
	schemes     = []string{"file", "s3", "gs", "azblob"}
)

func isAnything(string) string { return "" }

func isName(text string) string { return allowedIf(notation.ValidName(text), notation.NameForm) }

func isStreamName(text string) string {
	return allowedIf(text != "" && len(text) <= 255 && !strings.ContainsAny(text, " \t\r\n\x00.*>/\\"), "a name as JetStream has them: 1 to 255 characters without spaces, . * > / and \\")
}

var topicForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)

func isTopic(text string) string {
	return allowedIf(topicForm.MatchString(text) && text != "." && text != "..", "a name as Kafka has them: 1 to 249 letters, digits, . _ and -")
}

func isSubject(text string) string {
	ok := text != "" && len(text) <= 255 && !strings.ContainsAny(text, " \t\r\n\x00*>")
	for token := range strings.SplitSeq(text, ".") {
		ok = ok && token != ""
	}
	ok = ok && !strings.HasPrefix(text, "$") && !strings.HasPrefix(text+".", "nightshift.")
	return allowedIf(ok, "a subject without wildcards, like scored.payments: 1 to 255 characters, no spaces, and none that begins with $ or nightshift, which are the server's and ours")
}

func isBroker(text string) string {
	host, port, err := net.SplitHostPort(text)
	number, numeric := strconv.Atoi(port)
	return allowedIf(err == nil && host != "" && numeric == nil && number > 0 && number < 65536, "host:port, like 127.0.0.1:9092")
}

func isPythonClass(text string) string {
	return allowedIf(len(text) <= maxText && pythonClass.MatchString(text), "module:Class, like fraud:FraudModel")
}

func isVariable(text string) string {
	return allowedIf(len(text) <= maxText && variable.MatchString(text), "letters, digits and _, not beginning with a digit")
}

func isArgument(text string) string {
	return allowedIf(len(text) <= maxLong && !strings.Contains(text, "\x00"), "at most 65536 characters, none of them NUL")
}

func isCurrency(text string) string {
	return allowedIf(currency.MatchString(text), "an ISO 4217 code, like EUR or USD")
}

func isColumn(text string) string {
	return allowedIf(text != "" && len(text) <= maxText, "1 to 1024 characters")
}

func isColumnType(text string) string { return oneOf(text, columnTypes) }

func isPath(text string) string {
	if strings.Contains(text, "://") {
		return "a path on this machine, relative to this file or absolute"
	}
	return isLine(text)
}

// isLocation allows a URI prefix of a known scheme, or a path.
func isLocation(text string) string {
	prefix, _, parameters := strings.Cut(text, "?")
	name, rest, _ := strings.Cut(prefix, ":")
	path := !scheme.MatchString(text)
	switch wrong := oneOf(name, schemes); {
	case strings.Contains(prefix, "*"):
		return "a prefix, everything below it counts; patterns belong into a job's input"
	case path || name == "file" && strings.HasPrefix(rest, "///"):
		if parameters {
			return "parameters after ? only for buckets"
		}
	case name == "file":
		return "file:/// and an absolute path; a relative path without a scheme"
	case wrong != "":
		return "a path, or a URI prefix with the scheme " + wrong
	case !isBucket(rest):
		return "a bucket and a folder in it, like s3://bucket/folder/, without . and .. in between"
	}
	return isLine(text)
}

// isBucket wants "//bucket" or "//bucket/key", where the key has no path elements.
func isBucket(text string) bool {
	for element := range strings.SplitSeq(text, "/") {
		if element == "." || element == ".." {
			return false
		}
	}
	return len(text) > 2 && text[:2] == "//" && text[2] != '/'
}

func isLine(text string) string {
	return allowedIf(text != "" && len(text) <= maxText && !strings.ContainsAny(text, "\x00\r\n"), "1 to 1024 characters on one line")
}

// oneOf says what was probably meant, if anything was, and which words are allowed.
func oneOf(text string, words []string) string {
	list := strings.Join(words, ", ")
	for _, word := range words {
		if text == word {
			return ""
		}
	}
	if meant := notation.Closest(text, words); meant != "" {
		return list + "; did you mean " + meant + "?"
	}
	return list
}

func allowedIf(holds bool, allowed string) string {
	if holds {
		return ""
	}
	return allowed
}
