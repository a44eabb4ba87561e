package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// submission is the flags of submit that say what to score.
type submission struct {
	queue, name, key, rowKey     string
	format, outputFormat, output string
	deadline                     deadlineFlags
	parameters, labels           []string
	maxCost                      string
	steps                        string
	step                         []string
}

func (s *submission) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVarP(&s.queue, "queue", "q", "", "queue, which fixes the model and the pools (required)")
	flags.StringVar(&s.deadline.finishBy, "finish-by", "", `deadline: 06:00, "tomorrow 06:00", "2026-11-21 06:00" or 2026-11-21T06:00:00Z`)
	flags.StringVar(&s.deadline.within, "within", "", "deadline as a duration from now: 90m, 5h, 2d")
	flags.StringVar(&s.name, "name", "", "name for people")
	flags.StringVar(&s.key, "key", "", "idempotency key: submitting the same again under the same key gives the same job")
	flags.StringVar(&s.key, "idempotency-key", "", "the same as --key")
	flags.StringVar(&s.rowKey, "row-key", "", "column that names a row; results and errors carry its value")
	flags.StringArrayVar(&s.parameters, "set", nil, "parameter of the scorer, NAME=VALUE, where VALUE is JSON or else text; may be repeated")
	flags.StringArrayVarP(&s.labels, "label", "l", nil, "label to select jobs by, NAME=VALUE; may be repeated")
	flags.StringVar(&s.format, "format", "", "format of the input, jsonl, csv or parquet (default: as the names of the objects end)")
	flags.StringVar(&s.outputFormat, "output-format", "", "format of the results, jsonl or parquet (default: as the queue says)")
	flags.StringVar(&s.output, "output", "", "URI prefix or folder for the results, below the queue's output root (default: a folder named after the job)")
	flags.StringVar(&s.maxCost, "max-cost", "", `refuse the job when the estimate is above this: "1.50 EUR"`)
	flags.StringVar(&s.steps, "steps", "", "WorkflowTemplate of Argo whose steps run around the scoring; the queue says which there are")
	flags.StringArrayVar(&s.step, "step", nil, "parameter of the steps, NAME=VALUE; may be repeated")
	for _, name := range []string{"format", "output-format"} {
		_ = command.RegisterFlagCompletionFunc(name, cobra.FixedCompletions([]string{"jsonl", "csv", "parquet"}, cobra.ShellCompDirectiveNoFileComp))
	}
}

// request is what the service is asked for.
func (s *submission) request(inputs []string, now time.Time) (request api.SubmitRequest, err error) {
	request = api.SubmitRequest{
		Queue: s.queue, Name: s.name, IdempotencyKey: s.key, Key: s.rowKey, Format: orchestrator.Format(s.format),
		Output: api.Output{Format: orchestrator.Format(s.outputFormat)},
	}
	if s.queue == "" {
		return request, fmt.Errorf("--queue (-q) is missing: the queue fixes the model and the pools")
	}
	for _, input := range inputs {
		uri, err := location(input)
		if err != nil {
			return request, err
		}
		request.Input = append(request.Input, uri)
	}
	if s.output != "" {
		if request.Output.Prefix, err = location(s.output); err != nil {
			return request, err
		}
	}
	if request.FinishBy, request.Within, err = s.deadline.parse(now); err != nil {
		return request, err
	}
	if request.Parameters, err = parseParameters(s.parameters); err != nil {
		return request, err
	}
	if request.Labels, err = parseLabels(s.labels); err != nil {
		return request, err
	}
	if request.Steps, err = parseSteps(s.steps, s.step); err != nil {
		return request, err
	}
	request.MaxCost, err = parseMaxCost(s.maxCost)
	return request, err
}

var hasScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// location makes a local path an absolute file URI; a URI stays as it is. A folder ends in a slash, so that all it holds is meant. Where a file
// has characters in its name that are patterns in URIs, they lose that meaning.
func location(text string) (string, error) {
	if hasScheme.MatchString(text) {
		return text, nil
	}
	if text == "" {
		return "", fmt.Errorf("an empty text is no path and no URI")
	}
	path, err := filepath.Abs(text)
	if err != nil {
		return "", fmt.Errorf("%q: find the absolute path: %w", text, err)
	}
	folder := strings.HasSuffix(text, "/")
	if info, err := os.Stat(path); err == nil {
		folder = folder || info.IsDir()
		path = withoutPatterns.Replace(path)
	}
	if folder && path != "/" {
		path += "/"
	}
	return "file://" + path, nil
}

var withoutPatterns = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// parseParameters reads NAME=VALUE. A value that is JSON is taken as such: 0.5, true, null, [1,2], "0.5"; any other is text.
func parseParameters(settings []string) (map[string]any, error) {
	if len(settings) == 0 {
		return nil, nil
	}
	parameters := map[string]any{}
	for _, setting := range settings {
		name, text, found := strings.Cut(setting, "=")
		if !found || name == "" {
			return nil, fmt.Errorf("--set: %q; allowed: NAME=VALUE", setting)
		}
		if _, twice := parameters[name]; twice {
			return nil, fmt.Errorf("--set: %s is given twice", name)
		}
		parameters[name] = text
		if json.Valid([]byte(text)) {
			parameters[name] = json.RawMessage(text)
		}
	}
	return parameters, nil
}

// parseSteps reads the template and NAME=VALUE of each --step.
func parseSteps(template string, settings []string) (*orchestrator.Steps, error) {
	if template == "" && len(settings) > 0 {
		return nil, fmt.Errorf("--step: %q is given without --steps", settings[0])
	}
	if template == "" {
		return nil, nil
	}
	steps := &orchestrator.Steps{Template: template}
	for _, setting := range settings {
		name, value, found := strings.Cut(setting, "=")
		if !found || name == "" {
			return nil, fmt.Errorf("--step: %q; allowed: NAME=VALUE", setting)
		}
		if _, twice := steps.Parameters[name]; twice {
			return nil, fmt.Errorf("--step: %s is given twice", name)
		}
		if steps.Parameters == nil {
			steps.Parameters = map[string]string{}
		}
		steps.Parameters[name] = value
	}
	return steps, nil
}

// parseLabels reads NAME=VALUE,NAME=VALUE of --label.
func parseLabels(settings []string) (map[string]string, error) {
	if len(settings) == 0 {
		return nil, nil
	}
	labels := map[string]string{}
	for _, setting := range strings.Split(strings.Join(settings, ","), ",") {
		name, value, found := strings.Cut(setting, "=")
		if !found || name == "" {
			return nil, fmt.Errorf("--label: %q; allowed: NAME=VALUE", setting)
		}
		if earlier, twice := labels[name]; twice && earlier != value {
			return nil, fmt.Errorf("--label: %s is both %s and %s; give it once", name, earlier, value)
		}
		labels[name] = value
	}
	return labels, nil
}

// parseMaxCost reads "1.50 EUR"; no text is no bound.
func parseMaxCost(text string) (*orchestrator.Money, error) {
	if text == "" {
		return nil, nil
	}
	amount, currency, found := strings.Cut(strings.TrimSpace(text), " ")
	if !found {
		return nil, fmt.Errorf(`--max-cost: %q; allowed: an amount and a currency, like "1.50 EUR"`, text)
	}
	money, err := orchestrator.ParseMoney(amount, strings.TrimSpace(currency))
	if err != nil {
		return nil, fmt.Errorf("--max-cost: %w", err)
	}
	return &money, nil
}
