package api

import (
	"fmt"
	"strings"
	"testing"

	"nightshift.dev/nightshift/orchestrator"
)

// ST2: a Workflow is small, because its parameters are few.
func TestStepsAreBounded(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		parameters, bytes int
		want              string
	}{
		{64, 256, ""},
		{65, 5, "65 parameters; allowed: at most 64"},
		{64, 257, "16448 bytes; allowed: at most 16384: what is larger belongs into an object that a parameter names"},
	} {
		request := SubmitRequest{Queue: "a", Input: []string{"s3://b/"}, Steps: &orchestrator.Steps{Template: "t", Parameters: map[string]string{}}}
		for i := range one.parameters {
			name := fmt.Sprintf("p%03d", i)
			request.Steps.Parameters[name] = strings.Repeat("x", one.bytes-len(name))
		}
		got := ""
		for _, problem := range request.Validate() {
			got += problem.Message
		}
		if got != one.want {
			t.Errorf("%d parameters of %d bytes: %q, want %q", one.parameters, one.bytes, got, one.want)
		}
	}
}
