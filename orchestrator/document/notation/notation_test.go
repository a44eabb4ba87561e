package notation

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		want time.Duration
		err  string // part of the message
	}{
		{text: "90s", want: 90 * time.Second},
		{text: "5m", want: 5 * time.Minute},
		{text: "0", want: 0},
		{text: "30d", want: 720 * time.Hour},
		{text: "1d12h", want: 36 * time.Hour},
		{text: "0.5d", want: 12 * time.Hour},
		{text: "-5m", want: -5 * time.Minute},
		{text: "106751d", want: 106751 * 24 * time.Hour},
		{text: "90", err: `"90" has no unit; write it like 90s, 5m, 12h or 30d`},
		{text: "1d30", err: `"1d30" is not a duration`},
		{text: "1d-12h", err: `"1d-12h" is not a duration`},
		{text: "-1d", err: `"-1d" is not a duration`},
		{text: "ten minutes", err: `"ten minutes" is not a duration`},
		{text: "", err: `"" is not a duration`},
		{text: "d", err: `"d" is not a duration`},
		{text: "infd", err: `"infd" is not a duration`},
		{text: "106752d", err: `"106752d" is longer than 290 years`},
		{text: "106751d24h", err: `"106751d24h" is longer than 290 years`},
	} {
		got, err := ParseDuration(test.text)
		checkParsed(t, test.text, got, test.want, err, test.err)
	}
}

func TestParseQuantity(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		want int64
		err  string
	}{
		{text: "0", want: 0},
		{text: "1048576", want: 1 << 20},
		{text: "2Gi", want: 2 << 30},
		{text: "1.5G", want: 1_500_000_000},
		{text: "512Mi", want: 512 << 20},
		{text: "10k", want: 10_000},
		{text: "0.5Ki", want: 512},
		{text: "8191Pi", want: 8191 << 50},
		{text: "8192Pi", err: `"8192Pi" is more than 8191Pi`},
		{text: "0.3", err: `"0.3" is not a whole number of bytes`},
		{text: "2GB", err: `"2GB" is not a quantity; write bytes like 512Mi, 2Gi, 1.5G or 1048576`},
		{text: "-2Gi", err: `"-2Gi" is not a quantity`},
		{text: "1e9", err: `"1e9" is not a quantity`},
		{text: "1/2Gi", err: `"1/2Gi" is not a quantity`},
		{text: "", err: `"" is not a quantity`},
		{text: "Gi", err: `"Gi" is not a quantity`},
		{text: "..", err: `".." is not a quantity`},
		{text: strings.Repeat("9", 41), err: `is not a quantity`},
	} {
		got, err := ParseQuantity(test.text)
		checkParsed(t, test.text, got, test.want, err, test.err)
	}
}

func checkParsed[T comparable](t *testing.T, text string, got, want T, err error, message string) {
	t.Helper()
	switch {
	case message == "" && (err != nil || got != want):
		t.Errorf("parse %q: got %v and error %v, want %v", text, got, err, want)
	case message != "" && (err == nil || !strings.Contains(err.Error(), message)):
		t.Errorf("parse %q: got %v and error %v, want an error with %s", text, got, err, message)
	}
}

func TestFormatted(t *testing.T) {
	t.Parallel()
	for duration, want := range map[time.Duration]string{
		0:                       "0s",
		10 * time.Minute:        "10m",
		90 * time.Minute:        "1h30m",
		20 * time.Second:        "20s",
		time.Hour + time.Second: "1h0m1s",
		720 * time.Hour:         "30d",
		36 * time.Hour:          "36h",
		math.MaxInt64:           "2562047h47m16.854775807s",
	} {
		if got := FormatDuration(duration); got != want {
			t.Errorf("FormatDuration(%d) = %q, want %q", duration, got, want)
		}
	}
	for bytes, want := range map[int64]string{0: "0", 1000: "1000", 1536: "1536", 2048: "2Ki", 3 << 29: "1536Mi", 1 << 62: "4096Pi"} {
		if got := FormatQuantity(bytes); got != want {
			t.Errorf("FormatQuantity(%d) = %q, want %q", bytes, got, want)
		}
	}
}

func TestFormattedIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		duration := time.Duration(rapid.Int64Min(0).Draw(t, "duration"))
		if got, err := ParseDuration(FormatDuration(duration)); err != nil || got != duration {
			t.Fatalf("%q: got %v and error %v, want %v", FormatDuration(duration), got, err, duration)
		}
		bytes := rapid.Int64Min(0).Draw(t, "bytes")
		if got, err := ParseQuantity(FormatQuantity(bytes)); err != nil || got != bytes {
			t.Fatalf("%q: got %v and error %v, want %v", FormatQuantity(bytes), got, err, bytes)
		}
	})
}

func TestValidName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"fraud": true, "fraud-v2": true, "0a": true, strings.Repeat("a", 40): true,
		"": false, "-a": false, "a-": false, "Fraud": false, "a.b": false, "a b": false, "a*": false, "ä": false, strings.Repeat("a", 41): false,
	} {
		if got := ValidName(name); got != want {
			t.Errorf("ValidName(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestClosest(t *testing.T) {
	t.Parallel()
	allowed := []string{"batchRows", "batchTimeout", "readyTimeout", "memoryLimit", "env"}
	for word, want := range map[string]string{
		"batchrows":               "batchRows",
		"batch_rows":              "batchRows",
		"bacthRows":               "batchRows",
		"batchTimeOuts":           "batchTimeout",
		"envs":                    "env",
		"memLimit":                "", // more than a third is missing
		"replicas":                "",
		"":                        "",
		"e":                       "",
		strings.Repeat("env", 30): "",
	} {
		if got := Closest(word, allowed); got != want {
			t.Errorf("Closest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestEdits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "ab", 1}, {"abc", "xbc", 1}, {"ca", "abc", 3}, {"kitten", "sitting", 3},
	} {
		if got, back := edits(test.a, test.b), edits(test.b, test.a); got != test.want || back != test.want {
			t.Errorf("edits(%q, %q) = %d and back %d, want %d", test.a, test.b, got, back, test.want)
		}
	}
}
