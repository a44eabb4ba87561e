package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"nightshift.dev/nightshift/orchestrator/api"
)

// A file is uploaded only when the service says that it lacks it, or has another one under its path.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ten.jsonl")
	if err := os.WriteFile(path, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	local, bucket := "file://"+path, "s3://lake/in/a.jsonl"
	missing := func(field string) error {
		return &api.Error{Code: api.CodeNotFound, Field: field, Message: "not there"}
	}
	cases := []struct {
		name   string
		inputs []string
		bytes  int64
		err    error
		want   bool
	}{
		{"seen", []string{local}, 10, nil, false},
		{"another one under this path", []string{local}, 11, nil, true},
		{"with an object of a bucket sizes say nothing", []string{local, bucket}, 99, nil, false},
		{"not there", []string{bucket, local}, 0, missing("input[1]"), true},
		{"outside of the roots", []string{local}, 0, &api.Error{Code: api.CodeForbidden, Field: "input[0]"}, true},
		{"the object of a bucket is not there", []string{bucket, local}, 0, missing("input[0]"), false},
		{"the queue is not there", []string{local}, 0, missing("queue"), false},
		{"bad input", []string{local}, 0, &api.Error{Code: api.CodeInvalid, Field: "input[0]"}, false},
		{"nobody answers", []string{local}, 0, errors.New("no answer"), false},
	}
	for _, test := range cases {
		paths := make([]string, len(test.inputs))
		for i, input := range test.inputs {
			if paths[i] = input; input == local {
				paths[i] = path
			}
		}
		s := submitting{request: api.SubmitRequest{Input: test.inputs}, local: localInputs(paths)}
		if got := s.elsewhere(api.EstimateResponse{Bytes: test.bytes}, test.err); got != test.want {
			t.Errorf("%s: %t, want %t", test.name, got, test.want)
		}
	}
}
