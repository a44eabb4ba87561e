package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLocation(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range []string{"plain.jsonl", "odd[1]*?.jsonl", `back\slash.csv`} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ text, want string }{
		{"s3://bucket/day=*/x.parquet", "s3://bucket/day=*/x.parquet"},
		{"file:///data/in/", "file:///data/in/"},
		{"/data/in/", "file:///data/in/"},
		{"/data/../in.jsonl", "file:///in.jsonl"},
		{"/", "file:///"},
		{"data/*.jsonl", "file://" + here + "/data/*.jsonl"},
		{"testdata", "file://" + here + "/testdata/"},
		{folder, "file://" + folder + "/"},
		{folder + "/plain.jsonl", "file://" + folder + "/plain.jsonl"},
		{folder + "/odd[1]*?.jsonl", "file://" + folder + `/odd\[1]\*\?.jsonl`},
		{folder + `/back\slash.csv`, "file://" + folder + `/back\\slash.csv`},
		{folder + "/not*there", "file://" + folder + "/not*there"},
	} {
		if got, err := location(test.text); err != nil || got != test.want {
			t.Errorf("%q: got %q, error %v; want %q", test.text, got, err, test.want)
		}
	}
	if got, err := location(""); err == nil {
		t.Errorf("an empty text gave %q, want an error", got)
	}
}

func TestParseParameters(t *testing.T) {
	t.Parallel()
	got, err := parseParameters([]string{"half=0.5", "big=12345678901234567890", "on=true", "text=hello", "empty=", `quoted="05"`, "list=[1,{}]", "a=b=c", "nothing=null"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"a":"b=c","big":12345678901234567890,"empty":"","half":0.5,"list":[1,{}],"nothing":null,"on":true,"quoted":"05","text":"hello"}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, wrong := range [][]string{{"a"}, {"=1"}, {"a=1", "a=1"}} {
		if got, err := parseParameters(wrong); err == nil {
			t.Errorf("%q gave %v, want an error", wrong, got)
		}
	}
}

func TestParseLabels(t *testing.T) {
	t.Parallel()
	got, err := parseLabels([]string{"a=1,b=2", "c=", "a=1"})
	if diff := cmp.Diff(map[string]string{"a": "1", "b": "2", "c": ""}, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	for _, test := range []struct{ text, want string }{{"a", "NAME=VALUE"}, {"=b", "NAME=VALUE"}, {"a=1,", "NAME=VALUE"}, {"a=1,a=2", "is both 1 and 2"}} {
		if got, err := parseLabels([]string{test.text}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, error %v; want an error with %q", test.text, got, err, test.want)
		}
	}
}

func TestParseMaxCost(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{{"", ""}, {"1.50 EUR", "1.50 EUR"}, {" 0.000001   USD ", "0.000001 USD"}, {"1.5", "error"}, {"x EUR", "error"}, {"1.0000001 EUR", "error"}} {
		money, err := parseMaxCost(test.text)
		got := ""
		switch {
		case err != nil:
			got = "error"
		case money != nil:
			got = money.String()
		}
		if got != test.want {
			t.Errorf("%q: got %q, error %v; want %q", test.text, got, err, test.want)
		}
	}
}
