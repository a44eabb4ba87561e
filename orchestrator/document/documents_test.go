package document

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator/document/notation"
)

const documentation = "../../docs/documents.md"

var yamlBlock = regexp.MustCompile("(?s)\n```yaml\n(.*?)```\n")

// TestDocumentation decodes every example of docs/documents.md, and compares the tables of fields with fields.go: every field with its kind,
// bounds and default, in order, and no others.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(documentation)
	if err != nil {
		t.Fatal(err)
	}
	var files []File
	for i, block := range yamlBlock.FindAllSubmatch(text, -1) {
		files = append(files, File{fmt.Sprintf("example %d", i+1), block[1]})
	}
	set, err := Decode(files...)
	if err != nil {
		t.Errorf("%s: %v", documentation, err)
	}
	if len(set.Models) == 0 || len(set.Pools) == 0 || len(set.Queues) == 0 || len(set.Schedules) == 0 {
		t.Errorf("%s has examples of %d models, %d pools, %d queues and %d schedules, want one of each", documentation, len(set.Models), len(set.Pools), len(set.Queues), len(set.Schedules))
	}
	if diff := cmp.Diff(tableRows(), documentedRows(string(text))); diff != "" {
		t.Errorf("tables of %s (-fields.go +documents.md):\n%s", documentation, diff)
	}
}

func TestExamplesOfDrainingAreDocuments(t *testing.T) {
	t.Parallel()
	const page = "../../docs/draining.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var files []File
	for i, block := range yamlBlock.FindAllSubmatch(text, -1) {
		files = append(files, File{fmt.Sprintf("example %d", i+1), block[1]})
	}
	set, err := Decode(files...)
	if err != nil || len(set.Queues) != 2 {
		t.Errorf("%s: %d queues, want 2: %v", page, len(set.Queues), err)
	}
}

func tableRows() []string {
	var rows []string
	metadata, model, pool, queue, schedule := Metadata{}, defaultModel(), defaultPool(), defaultQueue(), defaultSchedule()
	for _, fields := range []func(visitor){
		func(f visitor) { f.object("metadata", func(f visitor) { metadataFields(f, &metadata) }) },
		func(f visitor) { f.object("spec", func(f visitor) { modelFields(f, &model) }) },
		func(f visitor) { f.object("spec", func(f visitor) { poolFields(f, &pool) }) },
		func(f visitor) { f.object("spec", func(f visitor) { queueFields(f, &queue) }) },
		func(f visitor) { f.object("spec", func(f visitor) { scheduleFields(f, &schedule) }) },
	} {
		fields(&lister{rows: &rows})
	}
	return rows
}

var row = regexp.MustCompile("(?m)^\\| (`[^|]*` \\| [^|]* \\| [^|]*) \\| [^|]+ \\|$")

func documentedRows(text string) []string {
	var rows []string
	for _, match := range row.FindAllStringSubmatch(text, -1) {
		rows = append(rows, match[1])
	}
	return rows
}

// lister is the visitor that writes down what the fields are, as rows of a table.
type lister struct {
	path    string
	needed  []string
	options []string
	rows    *[]string
}

func (l *lister) add(key, kind, standard string) {
	switch {
	case slices.Contains(l.needed, key):
		standard = "required"
	case standard == "" || slices.Contains(l.options, key):
		standard = "none"
	default:
		standard = "`" + standard + "`"
	}
	*l.rows = append(*l.rows, fmt.Sprintf("`%s` | %s | %s", join(l.path, key), kind, standard))
}

func (l *lister) required(keys ...string) { l.needed = keys }
func (l *lister) optional(key string, _ bool) bool {
	l.options = append(l.options, key)
	return true
}
func (l *lister) text(key string, value *string, _ check)  { l.add(key, "text", *value) }
func (l *lister) texts(key string, _ *[]string, _ check)   { l.add(key, "list of text", "") }
func (l *lister) parameters(key string, _ *map[string]any) { l.add(key, "mapping", "") }
func (l *lister) flag(key string, _ *bool)                 { l.add(key, "true or false", "") }
func (l *lister) date(key string, _ *time.Time)            { l.add(key, "day", "") }
func (l *lister) dates(key string, _ *[]time.Time)         { l.add(key, "list of days", "") }
func (l *lister) amount(key string, _ *int64)              { l.add(key, "decimal", "") }
func (l *lister) decimal(key string, value *float64, most float64) {
	standard := ""
	if *value != 0 {
		standard = fmt.Sprint(*value)
	}
	l.add(key, fmt.Sprintf("number, above 0 to %g", most), standard)
}
func (l *lister) sound(...string) bool           { return false }
func (l *lister) problem(string, string, ...any) {}
func (l *lister) choice(key string, value *string, of []string) {
	l.add(key, strings.Join(of, " or "), *value)
}

func (l *lister) textMap(key string, _ *map[string]string, _, _ check) {
	l.add(key, "mapping of text", "")
}

func (l *lister) whole(key string, value *int, least, most int) {
	l.add(key, fmt.Sprintf("whole number, %d to %d", least, most), fmt.Sprint(*value))
}

func (l *lister) duration(key string, value *time.Duration, least, most time.Duration) {
	l.add(key, fmt.Sprintf("duration, %s to %s", notation.FormatDuration(least), notation.FormatDuration(most)), notation.FormatDuration(*value))
}

func (l *lister) quantity(key string, value *int64, least, most int64) {
	l.add(key, fmt.Sprintf("quantity, %s to %s", notation.FormatQuantity(least), notation.FormatQuantity(most)), notation.FormatQuantity(*value))
}

func (l *lister) object(key string, fields func(visitor)) {
	fields(&lister{path: join(l.path, key), rows: l.rows})
}

func (l *lister) list(key string, _ int, item func(index int, item visitor)) {
	item(0, &lister{path: join(l.path, key) + "[]", rows: l.rows})
}
