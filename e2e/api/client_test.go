package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"nightshift.dev/nightshift/orchestrator/api"
)

const schemas = "../../docs/schemas"

// compile is done once for each schema.
var compiled sync.Map

// conforms checks a text against docs/schemas/NAME.json.
func conforms(t *testing.T, name string, text []byte) {
	t.Helper()
	known, ok := compiled.Load(name)
	if !ok {
		compiler := jsonschema.NewCompiler()
		compiler.AssertFormat()
		schema, err := compiler.Compile(filepath.Join(schemas, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		known, _ = compiled.LoadOrStore(name, schema)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, text)
	}
	if err := known.(*jsonschema.Schema).Validate(value); err != nil {
		t.Errorf("does not conform to %s: %v\n%s", name, err, text)
	}
}

// schemaOf is the first word of the schemas' names: jobs.submit has submit-request and submit-response.
func schemaOf(operation string) string {
	if operation == "schedules.list" {
		return "schedules"
	}
	return strings.TrimPrefix(strings.TrimPrefix(operation, "jobs."), "schedules.")
}

// ask sends a request for a tenant and checks the answer against its schema.
func ask[T any](t *testing.T, conn *nats.Conn, tenant, operation string, body any) (T, error) {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	message := nats.NewMsg("nightshift.v1." + tenant + "." + operation)
	message.Data = data
	return send[T](t, conn, operation, message)
}

func send[T any](t *testing.T, conn *nats.Conn, operation string, message *nats.Msg) (T, error) {
	t.Helper()
	var none T
	answer, err := conn.RequestMsg(message, 30*time.Second)
	if err != nil {
		return none, err
	}
	result, err := api.DecodeResponse[T](answer.Data)
	var refused *api.Error
	if !errors.As(err, &refused) {
		conforms(t, schemaOf(operation)+"-request", message.Data)
		conforms(t, schemaOf(operation)+"-response", answer.Data)
		return result, err
	}
	conforms(t, "error-response", answer.Data)
	if got := answer.Header.Get("Nats-Service-Error-Code"); got != string(refused.Code) {
		t.Errorf("header Nats-Service-Error-Code = %q, want %q", got, refused.Code)
	}
	if got, want := answer.Header.Get("Nats-Service-Error"), strings.ReplaceAll(refused.Message, "\n", " "); got != want {
		t.Errorf("header Nats-Service-Error = %q, want %q", got, want)
	}
	return result, err
}

// must is ask for a request that is not refused.
func must[T any](t *testing.T, conn *nats.Conn, tenant, operation string, body any) T {
	t.Helper()
	result, err := ask[T](t, conn, tenant, operation, body)
	if err != nil {
		t.Fatalf("%s for %s: %v", operation, tenant, err)
	}
	return result
}

// refused is ask for a request that must be refused with a code.
func refused(t *testing.T, conn *nats.Conn, tenant, operation string, body any, code api.Code) *api.Error {
	t.Helper()
	_, err := ask[struct{}](t, conn, tenant, operation, body)
	var problem *api.Error
	if !errors.As(err, &problem) || problem.Code != code {
		t.Fatalf("%s for %s with %v: error %v, want code %s", operation, tenant, body, err, code)
	}
	return problem
}

// more is the URI of the input on disk.
func (in *installation) more() string { return "file://" + filepath.Join(in.dir, "more", "rows.jsonl") }
