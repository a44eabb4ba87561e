package scorer

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nightshift.dev/nightshift/orchestrator/jsonrow"
)

// readOne reads the answer to a batch of two rows.
func readOne(text string) (Result, error) { return readMessage(text, 2) }

// readMessage reads the answer to a batch, from a scorer that announced arrow.
func readMessage(text string, rows int) (Result, error) {
	reader := bufio.NewReaderSize(strings.NewReader(text), 16)
	header, err := readAnswer(reader)
	if err != nil {
		return Result{}, err
	}
	return readResult(reader, header, rows, true)
}

func TestReadResult(t *testing.T) {
	t.Parallel()
	two := [][]byte{[]byte(`{"a":1}`), []byte(`{"a":2}`)}
	for name, tc := range map[string]struct {
		text string
		want Result
	}{
		"counted by lines": {`{"type":"result","id":1,"encoding":"jsonl","rows":2}` + "\n{\"a\":1}\n{\"a\":2}\n", Result{Lines: two}},
		"counted by bytes": {`{"type":"result","id":1,"encoding":"jsonl","rows":2,"bytes":16}` + "\n{\"a\":1}\n{\"a\":2}\n", Result{Lines: two}},
		"spaces at the ends": {
			`{"type":"result","id":1,"encoding":"jsonl","rows":2}` + "\n {\"a\":1}\r\n{\"a\":2} \n", Result{Lines: two},
		},
		"unknown fields": {`{"type":"result","id":1,"encoding":"jsonl","rows":2,"took":3}` + "\n{\"a\":1}\n{\"a\":2}\n", Result{Lines: two}},
		"an error in the header": {
			`{"type":"result","id":1,"encoding":"jsonl","rows":2,"errors":[{"row":0,"code":"c","message":"m"}]}` + "\nnull\n{\"a\":2}\n",
			Result{Lines: [][]byte{nil, two[1]}, Errors: []RowError{{0, "c", "m"}}},
		},
		"errors after the payload": {
			`{"type":"result","id":1,"encoding":"jsonl","rows":2,"bytes":13,"errors_bytes":36}` +
				"\nnull\n{\"a\":2}\n" + `[{"row":0,"code":"c","message":"m"}]`,
			Result{Lines: [][]byte{nil, two[1]}, Errors: []RowError{{0, "c", "m"}}},
		},
	} {
		got, err := readOne(tc.text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestViolations(t *testing.T) {
	t.Parallel()
	header := `{"type":"result","id":1,"encoding":"jsonl","rows":2`
	for text, want := range map[string]string{
		"loading\n": `a message must begin with a JSON object, got "loading"; standard output belongs to the protocol, ` +
			"so a print of the model must go to standard error",
		"{\"type\":\n": `the header line "{\"type\":" is not a message: unexpected end of JSON input`,
		"{" + strings.Repeat(" ", maxHeaderBytes) + "}\n":                                           "a line is longer than 1048576 bytes",
		`{"type":"result","id":1,"encoding":"jsonl","rows":3}` + "\n":                               "batch 1 has 2 rows and was answered with 3",
		`{"type":"result","id":1,"encoding":"csv","rows":2}` + "\n":                                 `the result of batch 1 has encoding "csv"; allowed are jsonl and arrow`,
		`{"type":"result","id":1,"encoding":"arrow","rows":2}` + "\n":                               `the result of batch 1 has no "bytes", which only jsonl may leave out`,
		`{"type":"result","id":1,"encoding":"arrow","rows":2,"bytes":3}` + "\nabc":                  "the result of batch 1: not an Arrow stream: ",
		header + `,"bytes":-1}` + "\n":                                                              "a payload of -1 bytes; allowed are 0 to 268435456",
		header + `,"bytes":300000000}` + "\n":                                                       "a payload of 300000000 bytes; allowed are 0 to 268435456",
		header + "}\n{}\n[]\n":                                                                      `the result of batch 1: the line of row 1 is not a JSON object: "[]"`,
		header + "}\n{}\nprinted\n":                                                                 `the result of batch 1: the line of row 1 is not a JSON object: "printed"`,
		header + "}\n{}\n{\"a\":\"\xff\"}\n":                                                        "the result of batch 1: the lines are not UTF-8",
		header + `,"bytes":5}` + "\n{}\n{}":                                                         "the result of batch 1: the last line does not end with a line break",
		header + `,"bytes":9}` + "\n{}\n{}\n{}\n":                                                   "the result of batch 1: more than 2 lines for 2 rows",
		header + `,"bytes":3}` + "\n{}\n":                                                           "the result of batch 1: 1 lines for 2 rows",
		header + "}\n{}\nnull\n":                                                                    "the result of batch 1: row 1 is null, but no error names it",
		header + `,"errors":[{"row":1}]}` + "\n{}\n{}\n":                                            "the result of batch 1: row 1 has an error, but its line is not null",
		header + `,"errors":[{"row":2}]}` + "\n{}\n{}\n":                                            "batch 1: an error names row 2; the rows are 0 to 1",
		header + `,"errors":[{"row":-1}]}` + "\n{}\n{}\n":                                           "batch 1: an error names row -1; the rows are 0 to 1",
		header + `,"errors":[{"row":1},{"row":1}]}` + "\n{}\nnull\n":                                "batch 1: row 1 has two errors",
		header + `,"errors_bytes":2}` + "\n{}\n{}\n{]":                                              "the errors after the payload of batch 1 are not a JSON array: invalid character ']'",
		header + `,"errors_bytes":-2}` + "\n{}\n{}\n":                                               "a list of errors of -2 bytes; allowed are 0 to 268435456",
		`{"type":"result","id":1,"encoding":"jsonl","rows":-2,"errors":"none"}` + "\n":              "is not a message: json: cannot unmarshal string",
		`{"type":"result","id":1,"encoding":"jsonl","rows":99999999999999999999}` + "\n":            "is not a message: json: cannot unmarshal number",
		`{"type":"result","id":1,"encoding":"arrow","rows":2,"bytes":8}` + "\n\xff\xff\xff\xff\xff": "unexpected EOF",
	} {
		_, err := readOne(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100q:\ngot  %v\nwant %s", text, err, want)
		}
		if broken := violation(""); !errors.As(err, &broken) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%.100q: %T is no violation", text, err)
		}
	}
}

func TestArrowMustBeAnnounced(t *testing.T) {
	t.Parallel()
	size := int64(0)
	_, err := readResult(nil, answer{ID: 1, Rows: 2, Encoding: "arrow", Bytes: &size}, 2, false)
	if want := `the result of batch 1 is arrow, which "return" in ready did not announce`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Whatever a scorer writes, the worker gets either a result with a line or an error for every row, or an error.
func FuzzReadResult(f *testing.F) {
	f.Add([]byte(`{"type":"result","id":1,"encoding":"jsonl","rows":2}` + "\n{\"a\":1}\n{\"a\":2}\n"))
	f.Add([]byte(`{"type":"result","id":1,"encoding":"jsonl","rows":2,"bytes":10,"errors":[{"row":0}]}` + "\nnull\n{}\n  "))
	f.Add([]byte(`{"type":"result","id":1,"encoding":"jsonl","rows":2,"errors_bytes":11}` + "\n{}\nnull\n" + `[{"row":1}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		reader := bufio.NewReader(bytes.NewReader(text))
		header, err := readAnswer(reader)
		if err != nil || header.Bytes != nil && *header.Bytes > 1<<20 || header.ErrorsBytes > 1<<20 {
			return
		}
		result, err := readResult(reader, header, 2, true)
		if err != nil {
			return
		}
		failed := map[int]bool{}
		for _, failure := range result.Errors {
			failed[failure.Row] = true
		}
		if len(result.Lines) != 2 {
			t.Fatalf("%d lines", len(result.Lines))
		}
		for row, line := range result.Lines {
			if (line == nil) != failed[row] || line != nil && !new(jsonrow.Reader).Valid(line) {
				t.Errorf("row %d: line %q, failed %t", row, line, failed[row])
			}
		}
	})
}
