package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document/notation"
)

// The bounds of a submit.
const (
	MaxInputs         = 1000    // entries of input
	MaxText           = 1024    // bytes of a URI or a name of a column
	MaxName           = 200     // characters of a job's name
	MaxIdempotencyKey = 128     // bytes
	MaxLabels         = 32      // of one job
	MaxParameters     = 1 << 16 // bytes of the parameters as JSON
	MaxWithin         = 365 * 24 * time.Hour
	MaxSteps          = 64      // parameters of the steps
	MaxStepsBytes     = 1 << 14 // of their names and values
)

var (
	identifier = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	printable  = regexp.MustCompile(`^[!-~]+$`)
	currency   = regexp.MustCompile(`^[A-Z]{3}$`)
	labelKey   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$`)
	labelValue = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$`)
	location   = regexp.MustCompile(`^(file:///|(s3|gs|azblob)://[^/?*]+)`)
)

// problems collects what is wrong.
type problems []Problem

// unless reports a value that is not allowed.
func (p *problems) unless(holds bool, field, value, allowed string) {
	if !holds {
		*p = append(*p, Problem{field, value + "; allowed: " + allowed})
	}
}

func (p *problems) missing(field string) { *p = append(*p, Problem{field, "is missing"}) }

// Validate returns everything that is wrong with the request by itself. What depends on the queue, the objects or the time is for the
// service to find.
func (r SubmitRequest) Validate() []Problem {
	var p problems
	p.queue(r.Queue, true)
	if len(r.Input) == 0 {
		p.missing("input")
	}
	p.unless(len(r.Input) <= MaxInputs, "input", fmt.Sprintf("%d entries", len(r.Input)), fmt.Sprintf("at most %d; a prefix or a pattern names many objects", MaxInputs))
	for i, input := range r.Input[:min(len(r.Input), MaxInputs)] {
		p.uri(indexed("input", i), input)
	}
	p.unless(len([]rune(r.Name)) <= MaxName && !strings.ContainsAny(r.Name, "\x00\r\n"), "name", quoted(r.Name), "at most 200 characters on one line")
	p.unless(len(r.Key) <= MaxText, "key", quoted(r.Key), "at most 1024 bytes")
	p.choice("format", r.Format, orchestrator.FormatJSONL, orchestrator.FormatCSV, orchestrator.FormatParquet)
	p.unless(r.IdempotencyKey == "" || len(r.IdempotencyKey) <= MaxIdempotencyKey && printable.MatchString(r.IdempotencyKey),
		"idempotencyKey", quoted(r.IdempotencyKey), "at most 128 visible ASCII characters")
	p.deadline(r.FinishBy, r.Within)
	parameters, err := json.Marshal(r.Parameters)
	p.unless(err == nil && len(parameters) <= MaxParameters, "parameters", fmt.Sprintf("%d bytes", len(parameters)), "at most 65536 bytes of JSON")
	p.labels(r.Labels)
	p.steps(r.Steps)
	p.choice("output.format", r.Output.Format, orchestrator.FormatJSONL, orchestrator.FormatParquet)
	if r.Output.Prefix != "" {
		p.uri("output.prefix", r.Output.Prefix)
		p.unless(!strings.Contains(r.Output.Prefix, "*"), "output.prefix", quoted(r.Output.Prefix), "a URI prefix, no pattern")
	}
	if r.MaxCost != nil {
		p.unless(r.MaxCost.Micros >= 0, "maxCost.amount", quoted(r.MaxCost.Amount()), "0 or more")
		p.unless(currency.MatchString(r.MaxCost.Currency), "maxCost.currency", quoted(r.MaxCost.Currency), "an ISO 4217 code, like EUR or USD")
	}
	return p
}

// Validate is that of the submit.
func (r EstimateRequest) Validate() []Problem { return r.SubmitRequest.Validate() }

// Validate returns what is wrong with the request.
func (r GetRequest) Validate() []Problem { return validID(r.ID) }

// Validate returns what is wrong with the request.
func (r CancelRequest) Validate() []Problem { return validID(r.ID) }

// Validate returns what is wrong with the request.
func (r DeleteRequest) Validate() []Problem { return validID(r.ID) }

// Validate returns what is wrong with the request.
func (r RetryRequest) Validate() []Problem {
	p := problems(validID(r.ID))
	p.deadline(r.FinishBy, r.Within)
	return p
}

// Validate returns what is wrong with the request.
func (r ListRequest) Validate() []Problem {
	var p problems
	p.queue(r.Queue, false)
	for i, state := range r.States {
		p.choiceAt(indexed("states", i), string(state), words(States))
	}
	p.labels(r.Labels)
	p.unless(r.Limit >= 0 && r.Limit <= MaxLimit, "limit", fmt.Sprint(r.Limit), "1 to 500")
	p.unless(r.Continue == "" || len(r.Continue) <= MaxText && printable.MatchString(r.Continue), "continue", quoted(r.Continue), "the token of an earlier answer, as it was")
	return p
}

// States are all states, in the order in which a job goes through them.
var States = []orchestrator.JobState{
	orchestrator.JobQueued, orchestrator.JobValidating, orchestrator.JobPlanning, orchestrator.JobRunning, orchestrator.JobFinalizing,
	orchestrator.JobSucceeded, orchestrator.JobPartiallyFailed, orchestrator.JobFailed, orchestrator.JobCancelled, orchestrator.JobExpired,
}

func validID(id string) []Problem {
	var p problems
	if id == "" {
		p.missing("id")
	} else {
		p.unless(identifier.MatchString(id), "id", quoted(id), "an identifier as submit answers it")
	}
	return p
}

func (p *problems) queue(name string, required bool) {
	switch {
	case name != "":
		p.unless(notation.ValidName(name), "queue", quoted(name), "the name of a queue: "+notation.NameForm)
	case required:
		p.missing("queue")
	}
}

func (p *problems) uri(field, text string) {
	p.unless(len(text) <= MaxText && location.MatchString(text) && !strings.ContainsAny(text, "\x00\r\n"), field, quoted(text),
		"a URI that begins with file:///, s3://BUCKET, gs://BUCKET or azblob://CONTAINER, at most 1024 bytes")
}

func (p *problems) deadline(finishBy time.Time, within string) {
	if within == "" {
		return
	}
	p.unless(finishBy.IsZero(), "within", "given together with finishBy", "one of them")
	duration, err := notation.ParseDuration(within)
	if err != nil {
		*p = append(*p, Problem{"within", err.Error()})
		return
	}
	p.unless(duration > 0 && duration <= MaxWithin, "within", quoted(within), "more than 0s, at most 365d")
}

func (p *problems) labels(labels map[string]string) {
	p.unless(len(labels) <= MaxLabels, "labels", fmt.Sprintf("%d labels", len(labels)), "at most 32")
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		p.unless(labelKey.MatchString(key), "labels", "key "+quoted(key),
			"letters, digits, -, _, . and /, beginning and ending with a letter or digit, at most 63 characters")
		p.unless(labelValue.MatchString(labels[key]), join("labels", key), quoted(labels[key]),
			"letters, digits, -, _ and ., beginning and ending with a letter or digit, at most 63 characters")
	}
}

func (p *problems) choice(field string, format orchestrator.Format, allowed ...orchestrator.Format) {
	if format != "" {
		p.choiceAt(field, string(format), words(allowed))
	}
}

func (p *problems) choiceAt(field, word string, allowed []string) {
	list := strings.Join(allowed, ", ")
	if meant := notation.Closest(word, allowed); meant != "" {
		list += "; did you mean " + meant + "?"
	}
	p.unless(slices.Contains(allowed, word), field, quoted(word), list)
}

func words[T ~string](values []T) []string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = string(value)
	}
	return texts
}

func allowedIf(holds bool, allowed string) string {
	if holds {
		return ""
	}
	return allowed
}
