package api

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
)

// TestTranscripts runs testdata/requests.txt: the name of a type takes JSON and answers with the request as it was read, or with everything
// that is wrong.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	datadriven.RunTest(t, "testdata/requests.txt", func(t *testing.T, d *datadriven.TestData) string {
		decode, known := decoders[d.Cmd]
		if !known {
			t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
		}
		request, err := decode([]byte(d.Input))
		if err != nil {
			return string(err.Code) + "\n" + err.Error() + "\n"
		}
		text, marshalErr := json.Marshal(request)
		if marshalErr != nil {
			t.Fatal(marshalErr)
		}
		return string(text) + "\n"
	})
}

var decoders = map[string]func([]byte) (any, *Error){
	"submit":   decoder[SubmitRequest],
	"estimate": decoder[EstimateRequest],
	"get":      decoder[GetRequest],
	"list":     decoder[ListRequest],
	"cancel":   decoder[CancelRequest],
	"retry":    decoder[RetryRequest],
	"delete":   decoder[DeleteRequest],
	"logs":     decoder[LogsRequest],
	"read":     decoder[ReadRequest],
	"explain":  decoder[ExplainRequest],
	"pools":    decoder[PoolsRequest],
	"backlogs": decoder[BacklogsRequest],
	"forecast": decoder[ForecastRequest],
	"plan":     decoder[PlanRequest],
	"trigger":  decoder[TriggerRequest],
	"pause":    decoder[PauseRequest],
	"resume":   decoder[ResumeRequest],
	"backfill": decoder[BackfillRequest],
}

func decoder[T Request](data []byte) (any, *Error) { return Decode[T](data) }

func TestDecodeBounds(t *testing.T) {
	t.Parallel()
	many := func(entry string, count int) string { return strings.TrimSuffix(strings.Repeat(entry+",", count), ",") }
	long := strings.Repeat("x", 70_000)
	for name, test := range map[string]struct{ text, want string }{
		"bytes":      {`{"queue":"` + strings.Repeat("a", MaxRequestBytes) + `"}`, "allowed: at most 1048576"},
		"depth":      {`{"parameters":` + strings.Repeat(`[`, 40) + strings.Repeat(`]`, 40) + `}`, "is nested deeper than 32 levels"},
		"inputs":     {`{"queue":"q","input":[` + many(`"s3://b/k"`, 1001) + `]}`, "input: 1001 entries; allowed: at most 1000"},
		"parameters": {`{"queue":"q","input":["s3://b/k"],"parameters":{"a":"` + long + `"}}`, "parameters: 70008 bytes; allowed: at most 65536"},
		"name":       {`{"queue":"q","input":["s3://b/k"],"name":"` + long + `"}`, `x"...; allowed: at most 200 characters`},
		"problems":   {`{"queue":"q","input":[` + many(`""`, 1000) + `]}`, "\n900 more problems are left out"},
		"field":      {`{"` + long + `":1}`, `x"...]: unknown field`},
		"labels":     {`{"queue":"q","input":["s3://b/k"],"labels":{` + manyLabels(33) + `}}`, "labels: 33 labels; allowed: at most 32"},
	} {
		if _, err := Decode[SubmitRequest]([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 50_000 {
			t.Errorf("%s: got %.300v, want a short error with %s", name, err, test.want)
		}
	}
}

func manyLabels(count int) string {
	var labels []string
	for i := range count {
		labels = append(labels, `"a`+strings.Repeat("b", i)+`":"1"`)
	}
	return strings.Join(labels, ",")
}

func TestError(t *testing.T) {
	t.Parallel()
	_, err := Decode[SubmitRequest]([]byte(`{"queue":"Q"}`))
	text, marshalErr := json.Marshal(ErrorResponse{err})
	if marshalErr != nil {
		t.Fatal(marshalErr)
	}
	_, got := DecodeResponse[SubmitResponse](text)
	if diff := cmp.Diff(error(err), got); diff != "" || len(err.Problems) != 2 || err.Field != "queue" {
		t.Errorf("%s (-want +got):\n%s", text, diff)
	}
	answer, got := DecodeResponse[DeleteResponse]([]byte(`{"id":"a","later":1}`))
	if want := (DeleteResponse{ID: "a"}); got != nil || answer != want {
		t.Errorf("answer %v and error %v, want %v", answer, got, want)
	}
	for _, text := range []string{``, `{"id":1}`, `[]`} {
		if _, err := DecodeResponse[DeleteResponse]([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), "decode answer: ") {
			t.Errorf("%q: error %v, want decode answer: ...", text, err)
		}
	}
}

// FuzzDecode: no text makes Decode panic, an error has a code and a message, and a request that was read is written and read as the same.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `[]`, `{"queue":"q","input":["s3://b/k"]}`, `{"queue":1,"input":"x","output":[]}`, `{"id":"a","within":"5h"}`,
		`{"maxCost":{"amount":"1.50","currency":"EUR"},"finishBy":"2026-11-21T06:00:00Z"}`, `{"a":1,"a":2,"b":{"c":[1e400,9999999999999999]}}`,
		`{"states":["running"],"limit":5,"labels":{"a":"b"},"continue":"x"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, decode := range decoders {
			request, err := decode(data)
			if err != nil {
				if err.Code == "" || err.Message == "" {
					t.Errorf("%s: error without a code or a message: %+v", name, err)
				}
				continue
			}
			text, marshalErr := json.Marshal(request)
			if marshalErr != nil {
				t.Fatalf("%s: %v", name, marshalErr)
			}
			if len(text) > MaxRequestBytes {
				continue // JSON wrote some characters longer
			}
			again, err := decode(text)
			if err != nil {
				t.Fatalf("%s: %v for what was written:\n%s", name, err, text)
			}
			if !reflect.DeepEqual(normal(t, request), normal(t, again)) {
				t.Errorf("%s (-want +got):\n%s", name, cmp.Diff(request, again))
			}
		}
	})
}

// normal is the request as JSON has it: no difference between nothing and empty.
func normal(t *testing.T, request any) any {
	t.Helper()
	text, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}
