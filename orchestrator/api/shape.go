package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document/notation"
)

// shape compares a JSON value with the type it is to be read into: unknown fields and values of the wrong kind. It goes through the type's
// fields and JSON names, so that it knows what encoding/json knows; null stands for an absent value.
func shape(value any, request any) []Problem {
	var problems []Problem
	compare(value, reflect.TypeOf(request), "", &problems)
	return problems
}

var (
	timeType  = reflect.TypeFor[time.Time]()
	moneyType = reflect.TypeFor[orchestrator.Money]()
	// moneyShape is how money is written.
	moneyShape = reflect.TypeFor[struct {
		Amount   string `json:"amount"`
		Currency string `json:"currency"`
	}]()
)

func compare(value any, want reflect.Type, path string, problems *[]Problem) {
	for want.Kind() == reflect.Pointer {
		want = want.Elem()
	}
	if want == moneyType {
		want = moneyShape
	}
	if value == nil || want.Kind() == reflect.Interface {
		return
	}
	allowed := ""
	switch want.Kind() {
	case reflect.Struct:
		if members, ok := value.(object); ok && want != timeType {
			compareFields(members, want, path, problems)
			return
		}
		allowed = "an object"
		if want == timeType {
			allowed = notTime(value)
		}
	case reflect.Map:
		if members, ok := value.(object); ok {
			for _, member := range members {
				compare(member.value, want.Elem(), join(path, member.name), problems)
			}
			return
		}
		allowed = "an object"
	case reflect.Slice:
		if list, ok := value.([]any); ok {
			for i, element := range list {
				compare(element, want.Elem(), indexed(path, i), problems)
			}
			return
		}
		allowed = "a list"
	default:
		allowed = notScalar(value, want.Kind())
	}
	if allowed != "" {
		*problems = append(*problems, Problem{path, shown(value) + "; allowed: " + allowed})
	}
}

// notTime and notScalar say what is allowed when the value is not, and "" when it is.
func notTime(value any) string {
	text, ok := value.(string)
	if _, err := time.Parse(time.RFC3339, text); ok && err == nil {
		return ""
	}
	return "a time like 2026-11-21T06:00:00Z"
}

func notScalar(value any, want reflect.Kind) string {
	var ok bool
	switch want {
	case reflect.String:
		_, ok = value.(string)
		return allowedIf(ok, "text")
	case reflect.Bool:
		_, ok = value.(bool)
		return allowedIf(ok, "true or false")
	}
	number, ok := value.(json.Number)
	if ok {
		_, err := strconv.ParseInt(number.String(), 10, 64)
		ok = err == nil
	}
	return allowedIf(ok, "a whole number")
}

func compareFields(members object, want reflect.Type, path string, problems *[]Problem) {
	names, types := fields(want)
	for _, member := range members {
		field := join(path, member.name)
		if known, found := types[member.name]; found {
			compare(member.value, known, field, problems)
			continue
		}
		message := "unknown field; allowed: " + strings.Join(names, ", ")
		if meant := notation.Closest(member.name, names); meant != "" {
			message += "; did you mean " + meant + "?"
		}
		*problems = append(*problems, Problem{field, message})
	}
}

// fields are the JSON names of a struct in order, those of embedded structs among them, and their types.
func fields(of reflect.Type) (names []string, types map[string]reflect.Type) {
	types = map[string]reflect.Type{}
	for _, field := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous || name == "" {
			continue
		}
		names = append(names, name)
		types[name] = field.Type
	}
	return names, types
}

var simpleName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func join(path, name string) string {
	switch {
	case !simpleName.MatchString(name):
		return path + "[" + quoted(name) + "]"
	case path == "":
		return name
	}
	return path + "." + name
}

func indexed(path string, index int) string { return path + "[" + strconv.Itoa(index) + "]" }

// quoted is the text in quotes, shortened where it is long.
func quoted(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return strconv.Quote(string(runes[:most])) + "..."
	}
	return strconv.Quote(text)
}

// shown is how messages show a value.
func shown(value any) string {
	switch value := value.(type) {
	case object:
		return "an object"
	case []any:
		return fmt.Sprintf("a list of %d", len(value))
	case string:
		return quoted(value)
	}
	return fmt.Sprint(value)
}
