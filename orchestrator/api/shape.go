package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document/notation"
)

// shape compares a JSON value with the type it is to be read into: unknown fields and values of the wrong kind. It goes through the type's
// fields and JSON names, so that it knows what encoding/json knows; null stands for an absent value.
func shape(value any, request any) comparison {
	var c comparison
	c.compare(value, reflect.TypeOf(request), "")
	return c
}

// comparison is what shape found.
type comparison struct {
	problems []Problem
	unread   []string // paths whose value cannot be read, so that nothing is said about what stands there instead
}

var (
	timeType  = reflect.TypeFor[time.Time]()
	bytesType = reflect.TypeFor[[]byte]()
	moneyType = reflect.TypeFor[orchestrator.Money]()
	// moneyShape is how money is written.
	moneyShape = reflect.TypeFor[struct {
		Amount   string `json:"amount"`
		Currency string `json:"currency"`
	}]()
)

func (c *comparison) compare(value any, want reflect.Type, path string) {
	for want.Kind() == reflect.Pointer {
		want = want.Elem()
	}
	if value == nil || want.Kind() == reflect.Interface {
		return
	}
	allowed := ""
	switch members, isObject := value.(object); {
	case want == timeType:
		allowed = notTime(value)
	case want == bytesType:
		text, ok := value.(string)
		_, err := base64.StdEncoding.DecodeString(text)
		allowed = allowedIf(ok && err == nil, "bytes in base64")
	case want == moneyType && isObject:
		c.money(members, path)
	case want.Kind() == reflect.Struct && isObject:
		c.fields(members, want, path)
	case want.Kind() == reflect.Map && isObject:
		for _, member := range members {
			c.compare(member.value, want.Elem(), join(path, member.name))
		}
	case want.Kind() == reflect.Struct, want.Kind() == reflect.Map:
		allowed = "an object"
	case want.Kind() == reflect.Slice:
		list, ok := value.([]any)
		for i, element := range list {
			c.compare(element, want.Elem(), indexed(path, i))
		}
		allowed = allowedIf(ok, "a list")
	default:
		allowed = notScalar(value, want.Kind())
	}
	if allowed != "" {
		c.problem(path, shown(value)+"; allowed: "+allowed)
		c.unread = append(c.unread, path)
	}
}

func (c *comparison) problem(path, message string) {
	c.problems = append(c.problems, Problem{path, message})
}

// concerns says whether a field is, or is part of, a value that cannot be read.
func (c *comparison) concerns(field string) bool {
	return slices.ContainsFunc(c.unread, func(path string) bool {
		below, found := strings.CutPrefix(field, path)
		return found && (path == "" || below == "" || below[0] == '.' || below[0] == '[')
	})
}

// money reads the amount, which a decimal number in text must be.
func (c *comparison) money(members object, path string) {
	before := len(c.problems)
	c.fields(members, moneyShape, path)
	written := map[string]any{}
	for _, member := range members {
		written[member.name] = member.value
	}
	for _, name := range []string{"amount", "currency"} {
		if written[name] == nil {
			c.problem(join(path, name), "is missing")
		}
	}
	if text, ok := written["amount"].(string); ok {
		if _, err := orchestrator.ParseMoney(text, ""); err != nil {
			c.problem(join(path, "amount"), quoted(text)+`; allowed: a decimal with at most six decimals, like "0.10"`)
		}
	}
	if len(c.problems) > before {
		c.unread = append(c.unread, path)
	}
}

// notTime and notScalar say what is allowed when the value is not, and "" when it is.
func notTime(value any) string {
	text, ok := value.(string)
	if err := new(time.Time).UnmarshalText([]byte(text)); ok && err == nil {
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
	if want >= reflect.Uint && want <= reflect.Uint64 {
		return allowedIf(ok && number[0] != '-', "a whole number, 0 or more")
	}
	return allowedIf(ok, "a whole number")
}

func (c *comparison) fields(members object, want reflect.Type, path string) {
	names, types := jsonFields(want)
	for _, member := range members {
		field := join(path, member.name)
		if known, found := types[member.name]; found {
			c.compare(member.value, known, field)
			continue
		}
		message := "unknown field; allowed: " + strings.Join(names, ", ")
		if meant := notation.Closest(member.name, names); meant != "" {
			message += "; did you mean " + meant + "?"
		}
		c.problem(field, message)
	}
}

// jsonFields are the JSON names of a struct in order, those of embedded structs among them, and their types.
func jsonFields(of reflect.Type) (names []string, types map[string]reflect.Type) {
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
