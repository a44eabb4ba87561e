package scorer

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSpecFaults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spec Spec
		want string
	}{
		"empty":    {Spec{}, "command: is empty; it must name a program"},
		"no name":  {Spec{Command: []string{"", "x"}}, "command: is empty; it must name a program"},
		"timeouts": {Spec{Command: []string{"x"}, BatchTimeout: -time.Second}, "batchTimeout: -1s is negative; it must be above zero"},
		"memory":   {Spec{Command: []string{"x"}, MemoryLimit: -5}, "memoryLimit: -5 is negative; it must be a number of bytes, or 0 for no limit"},
		"env":      {Spec{Command: []string{"x"}, Env: []string{"A=1", "B"}}, `env: "B" is not NAME=VALUE`},
		"columns": {
			Spec{Command: []string{"x"}, Columns: map[string]string{"amount": "float", "id": "string", "when": "date"}},
			`columns.amount: "float" is not a column type; use string, int64, float64 or bool (float64?)` + "\n" +
				`columns.when: "date" is not a column type; use string, int64, float64 or bool`,
		},
		"parameters": {
			Spec{Command: []string{"x"}, Parameters: map[string]any{"threshold": math.NaN()}},
			"parameters: cannot be written as JSON: json: unsupported value: NaN",
		},
		"long": {
			Spec{Command: []string{"x"}, Parameters: map[string]any{"text": strings.Repeat("x", 1<<20)}},
			"parameters and columns: 1048686 bytes as JSON; at most 1048575 fit into the first message",
		},
	} {
		_, err := Start(t.Context(), tc.spec)
		if err == nil || !strings.HasSuffix(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "start scorer") {
			t.Errorf("%s: got %v\nwant %s", name, err, tc.want)
		}
	}
}

func TestHello(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spec Spec
		want string
	}{
		"full": {
			Spec{Model: "fraud", Parameters: map[string]any{"threshold": 0.5}, Columns: map[string]string{"amount": "float64"}},
			`{"type":"hello","protocol":[1],"encodings":["jsonl","arrow"],"model":"fraud","parameters":{"threshold":0.5},"columns":{"amount":"float64"}}`,
		},
		"least": {
			Spec{},
			`{"type":"hello","protocol":[1],"encodings":["jsonl","arrow"],"model":"","parameters":{},"columns":{}}`,
		},
	} {
		got, err := tc.spec.hello()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want+"\n", string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
