package scorer

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Defaults of the timeouts that a Spec leaves at zero.
const (
	DefaultReadyTimeout = 10 * time.Minute
	DefaultBatchTimeout = 5 * time.Minute
	DefaultStopTimeout  = 10 * time.Second
)

// Spec says how a scorer is started and how long its steps may take. It comes from a Model document.
type Spec struct {
	// Command is the program and its arguments, as in {"python3", "-m", "nightshift_scorer", "fraud:Model"}. Required.
	Command []string
	// Dir is the folder the program starts in. Empty: the folder of the worker.
	Dir string
	// Env holds NAME=VALUE pairs on top of the worker's own environment.
	Env []string

	// Model is the model's name. It is sent to the scorer and stands in every error.
	Model string
	// Parameters are sent to the scorer as JSON, so that one program serves many models.
	Parameters map[string]any
	// Columns fixes the type of columns by name: string, int64, float64 or bool.
	Columns map[string]string

	// Log receives what the scorer writes to standard error, a line at a time without its line break; lines longer than
	// 8 KiB come in pieces. It is called from one goroutine and must not block for long. Nil: discarded.
	Log func(line string)

	// ReadyTimeout bounds the time from start to ready, which is the load of the model.
	ReadyTimeout time.Duration
	// BatchTimeout bounds the time between two answers while a batch is outstanding.
	BatchTimeout time.Duration
	// StopTimeout bounds the time between stop and the end of the process.
	StopTimeout time.Duration

	// MemoryLimit is the most bytes of memory that the scorer's process group may hold; it is sampled four times a second
	// from /proc, and a scorer above it is killed. 0: no limit.
	MemoryLimit int64
	// Allowed is asked with every sample for a second limit; the lower one counts. 0: no limit. Nil: MemoryLimit alone.
	Allowed func() int64

	// root is the folder where /proc and /sys are; a test has its own.
	root string
}

// limit is the most bytes that the scorer may hold now; 0: no limit.
func (s Spec) limit() int64 {
	allowed := int64(0)
	if s.Allowed != nil {
		allowed = s.Allowed()
	}
	if s.MemoryLimit > 0 && (allowed <= 0 || s.MemoryLimit < allowed) {
		return s.MemoryLimit
	}
	return max(allowed, 0)
}

// hello is the first message of the worker (case 1).
type hello struct {
	Type       string            `json:"type"`
	Protocol   []int             `json:"protocol"`
	Encodings  []string          `json:"encodings"`
	Model      string            `json:"model"`
	Parameters map[string]any    `json:"parameters"`
	Columns    map[string]string `json:"columns"`
}

// name is what errors call the scorer.
func (s Spec) name() string {
	if s.Model != "" {
		return s.Model
	}
	return filepath.Base(s.Command[0])
}

func (s Spec) withDefaults() Spec {
	if s.ReadyTimeout == 0 {
		s.ReadyTimeout = DefaultReadyTimeout
	}
	if s.BatchTimeout == 0 {
		s.BatchTimeout = DefaultBatchTimeout
	}
	if s.StopTimeout == 0 {
		s.StopTimeout = DefaultStopTimeout
	}
	return s
}

// check returns every fault of the spec, each with its field, its value and what is allowed.
func (s Spec) check() error {
	var faults []error
	if len(s.Command) == 0 || s.Command[0] == "" {
		faults = append(faults, errors.New("command: is empty; it must name a program"))
	}
	for _, timeout := range []struct {
		field string
		value time.Duration
	}{{"readyTimeout", s.ReadyTimeout}, {"batchTimeout", s.BatchTimeout}, {"stopTimeout", s.StopTimeout}} {
		if timeout.value < 0 {
			faults = append(faults, fmt.Errorf("%s: %s is negative; it must be above zero", timeout.field, timeout.value))
		}
	}
	if s.MemoryLimit < 0 {
		faults = append(faults, fmt.Errorf("memoryLimit: %d is negative; it must be a number of bytes, or 0 for no limit", s.MemoryLimit))
	}
	for _, variable := range s.Env {
		if name, _, found := strings.Cut(variable, "="); !found || name == "" {
			faults = append(faults, fmt.Errorf("env: %q is not NAME=VALUE", variable))
		}
	}
	for _, column := range slices.Sorted(maps.Keys(s.Columns)) {
		if err := checkColumnType(s.Columns[column]); err != nil {
			faults = append(faults, fmt.Errorf("columns.%s: %w", column, err))
		}
	}
	return errors.Join(faults...)
}

func checkColumnType(name string) error {
	switch name {
	case "string", "int64", "float64", "bool":
		return nil
	}
	meant := map[string]string{
		"str": "string", "text": "string", "int": "int64", "integer": "int64", "int32": "int64", "long": "int64",
		"float": "float64", "float32": "float64", "double": "float64", "number": "float64", "boolean": "bool",
	}[strings.ToLower(name)]
	if meant == "" {
		return fmt.Errorf("%q is not a column type; use string, int64, float64 or bool", name)
	}
	return fmt.Errorf("%q is not a column type; use string, int64, float64 or bool (%s?)", name, meant)
}

// hello renders the first message. It fails when the parameters are not JSON or when the line would be too long.
func (s Spec) hello() ([]byte, error) {
	message := hello{
		Type: "hello", Protocol: []int{protocolVersion}, Encodings: []string{encodingLines, encodingArrow},
		Model: s.Model, Parameters: s.Parameters, Columns: s.Columns,
	}
	if message.Parameters == nil {
		message.Parameters = map[string]any{}
	}
	if message.Columns == nil {
		message.Columns = map[string]string{}
	}
	line, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("parameters: cannot be written as JSON: %w", err)
	}
	if len(line) >= maxHeaderBytes {
		return nil, fmt.Errorf("parameters and columns: %d bytes as JSON; at most %d fit into the first message", len(line), maxHeaderBytes-1)
	}
	return append(line, '\n'), nil
}
