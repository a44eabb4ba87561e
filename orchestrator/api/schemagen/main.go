package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"github.com/invopop/jsonschema"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: schemagen FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1)
	}
}

func write(folder string) error {
	schemas, err := generate(".")
	if err != nil {
		return err
	}
	for name, schema := range schemas {
		if err := os.WriteFile(filepath.Join(folder, name), schema, 0o644); err != nil {
			return fmt.Errorf("write schema: %w", err)
		}
	}
	return nil
}

// requests are read strictly; answers may get more fields in later versions.
var (
	requests = []any{
		api.SubmitRequest{}, api.EstimateRequest{}, api.GetRequest{}, api.ListRequest{}, api.CancelRequest{}, api.RetryRequest{}, api.DeleteRequest{},
		api.LogsRequest{}, api.ReadRequest{}, api.UploadRequest{}, api.ExplainRequest{}, api.PoolsRequest{}, api.BacklogsRequest{}, api.ForecastRequest{}, api.PlanRequest{},
		api.SchedulesRequest{}, api.TriggerRequest{}, api.PauseRequest{}, api.ResumeRequest{}, api.BackfillRequest{},
	}
	answers = []any{
		api.SubmitResponse{}, api.EstimateResponse{}, api.GetResponse{}, api.ListResponse{}, api.CancelResponse{}, api.RetryResponse{},
		api.DeleteResponse{}, api.LogsResponse{}, api.ReadResponse{}, api.UploadResponse{}, api.ExplainResponse{}, api.PoolsResponse{}, api.BacklogsResponse{}, api.ForecastResponse{}, api.PlanResponse{},
		api.SchedulesResponse{}, api.TriggerResponse{}, api.PauseResponse{}, api.ResumeResponse{}, api.BackfillResponse{}, api.ErrorResponse{}, api.Event{},
	}
)

// generate returns the text of each schema by its file's name. The folder is that of package api.
func generate(folder string) (map[string][]byte, error) {
	comments := map[string]string{}
	for path, folder := range map[string]string{
		reflect.TypeFor[api.Job]().PkgPath():          folder,
		reflect.TypeFor[orchestrator.Job]().PkgPath(): filepath.Join(folder, ".."),
	} {
		if err := addComments(comments, path, folder); err != nil {
			return nil, err
		}
	}
	schemas := map[string][]byte{}
	for strict, values := range map[bool][]any{true: requests, false: answers} {
		reflector := jsonschema.Reflector{
			Anonymous: true, ExpandedStruct: true, AllowAdditionalProperties: !strict, Mapper: special, CommentMap: comments,
		}
		for _, value := range values {
			name := fileName(reflect.TypeOf(value).Name())
			schema := reflector.Reflect(value)
			schema.ID = jsonschema.ID("https://nightshift.dev/schemas/v1alpha1/" + name)
			text, err := encode(schema)
			if err != nil {
				return nil, fmt.Errorf("encode schema %s: %w", name, err)
			}
			schemas[name] = text
		}
	}
	return schemas, nil
}

func encode(schema *jsonschema.Schema) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(schema)
	return buffer.Bytes(), err
}

var capital = regexp.MustCompile(`[A-Z]`)

// fileName is "submit-request.json" for SubmitRequest.
func fileName(typeName string) string {
	kebab := capital.ReplaceAllStringFunc(typeName, func(letter string) string { return "-" + strings.ToLower(letter) })
	return strings.TrimPrefix(kebab, "-") + ".json"
}

// special are the types whose JSON is not what their Go type says, and words of which there are few.
func special(of reflect.Type) *jsonschema.Schema {
	switch of {
	case reflect.TypeFor[orchestrator.Money]():
		properties := jsonschema.NewProperties()
		properties.Set("amount", &jsonschema.Schema{Type: "string", Pattern: `^-?[0-9]+(\.[0-9]{0,6})?$`, Description: "Decimal with at most six decimals."})
		properties.Set("currency", &jsonschema.Schema{Type: "string", Pattern: `^([A-Z]{3})?$`, Description: "ISO 4217 code; empty for an amount nobody priced."})
		return &jsonschema.Schema{
			Type: "object", Properties: properties, Required: []string{"amount", "currency"}, AdditionalProperties: jsonschema.FalseSchema,
		}
	case reflect.TypeFor[orchestrator.JobState]():
		return words(api.States)
	case reflect.TypeFor[api.Code]():
		return words(api.Codes)
	}
	return nil
}

func words[T ~string](values []T) *jsonschema.Schema {
	schema := &jsonschema.Schema{Type: "string"}
	for _, value := range values {
		schema.Enum = append(schema.Enum, string(value))
	}
	return schema
}
