package schedules

import (
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
)

// maxFilled bounds what a template gives, in bytes.
const maxFilled = 4096

// Template is text with places for an occurrence, like s3://in/{{ .Occurrence.Format "2006-01-02" }}/.
type Template struct {
	text   string
	parsed *template.Template
}

// Moment is what a template sees of an occurrence: what clocks show as the expression means it.
type Moment struct{ shown time.Time }

// Format writes it by a layout of Go's package time.
func (m Moment) Format(layout string) string { return m.shown.Format(layout) }

// AddDate is so many years, months and days later.
func (m Moment) AddDate(years, months, days int) Moment {
	return Moment{m.shown.AddDate(years, months, days)}
}

// Add is a duration later, like -1h.
func (m Moment) Add(text string) (Moment, error) {
	duration, err := time.ParseDuration(text)
	return Moment{m.shown.Add(duration)}, err
}

// UTC is the same moment in UTC.
func (m Moment) UTC() Moment { return Moment{m.shown.UTC()} }

const templateForm = `text with {{ .Occurrence.Format "2006-01-02" }}, where .Occurrence has Format, AddDate, Add and UTC, like {{ (.Occurrence.AddDate 0 0 -1).Format "2006-01-02" }}`

// ParseTemplate reads a template, without the loops, conditions and functions of Go's.
func ParseTemplate(text string) (Template, error) {
	parsed, err := template.New("").Parse(text)
	if err != nil {
		return Template{}, wrongTemplate(text, place.ReplaceAllString(err.Error(), ""))
	}
	if parsed.Tree == nil || len(parsed.Templates()) > 1 || !plain(parsed.Root) {
		return Template{}, wrongTemplate(text, "a definition, a loop, a condition, a function or a variable")
	}
	return Template{text, parsed}, nil
}

// place is where text/template begins its errors.
var place = regexp.MustCompile(`^template: :\d+(?::\d+)?: (?:executing "" at )?`)

func wrongTemplate(text, problem string) error {
	return fmt.Errorf("%.60q: %s; allowed: %s", text, problem, templateForm)
}

// plain says whether there is nothing in a template but text and fields of what it is given, so that it takes no longer and is not much larger than it looks.
func plain(node parse.Node) bool {
	switch node := node.(type) {
	case *parse.ListNode:
		return all(node.Nodes)
	case *parse.ActionNode:
		return plain(node.Pipe)
	case *parse.PipeNode:
		return len(node.Decl) == 0 && len(node.Cmds) == 1 && plain(node.Cmds[0])
	case *parse.CommandNode:
		return all(node.Args)
	case *parse.ChainNode:
		return plain(node.Node)
	case *parse.TextNode, *parse.FieldNode, *parse.StringNode, *parse.NumberNode:
		return true
	}
	return false
}

func all(nodes []parse.Node) bool {
	for _, node := range nodes {
		if !plain(node) {
			return false
		}
	}
	return true
}

// Fill is the text for an occurrence of a timetable.
func (t Template) Fill(table Timetable, one Occurrence) (string, error) {
	var text strings.Builder
	values := struct{ Occurrence Moment }{table.moment(one)}
	if err := t.parsed.Execute(&text, values); err != nil {
		return "", wrongTemplate(t.text, place.ReplaceAllString(err.Error(), ""))
	}
	if text.Len() > maxFilled {
		return "", fmt.Errorf("%.60q: gives %d bytes; allowed: at most %d", t.text, text.Len(), maxFilled)
	}
	return text.String(), nil
}

// moment is what clocks show, with the offset from UTC that they have; in a gap, with the one before.
func (t Timetable) moment(one Occurrence) Moment {
	name, offset := one.At.In(t.Zone).Zone()
	if !t.wallAt(one.At).Equal(one.Wall) {
		name, offset = one.At.Add(-time.Second).In(t.Zone).Zone()
	}
	year, month, day := one.Wall.Date()
	return Moment{time.Date(year, month, day, one.Wall.Hour(), one.Wall.Minute(), 0, 0, time.FixedZone(name, offset))}
}
