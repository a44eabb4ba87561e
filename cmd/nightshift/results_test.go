package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/embedded"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
	"nightshift.dev/nightshift/orchestrator/format"
	"nightshift.dev/nightshift/orchestrator/object"
)

// written is a job that has ended, its output in a folder of this machine.
type written struct {
	folder string
	job    api.Job
	all    manifest
}

// writeJob writes parts of so many rows, some of them none, an error file, and a manifest.
func writeJob(t *testing.T, layout orchestrator.Format, parts ...int) *written {
	t.Helper()
	w := &written{folder: t.TempDir()}
	output := "file://" + w.folder + "/"
	store, err := object.New(object.Access{Write: []string{output}})
	if err != nil {
		t.Fatal(err)
	}
	row := int64(0)
	for number, rows := range parts {
		part := dispatch.Part{Shard: number, RowsIn: int64(rows)}
		if rows > 0 {
			part.Result = writePart(t, store, fmt.Sprintf("%sparts/%06d.%s", output, number, layout), layout, row, rows)
		}
		w.all.Parts = append(w.all.Parts, part)
		row += int64(rows)
	}
	problems := `{"object":"file:///in.jsonl","offset":7,"code":"bad","message":"no","attempts":1}` + "\n"
	w.put(t, "errors.jsonl", problems)
	sum := sha256.Sum256([]byte(problems))
	w.all.Totals.Errors = &orchestrator.ObjectRef{URI: output + "errors.jsonl", Bytes: int64(len(problems)), Rows: 1, SHA256: hex.EncodeToString(sum[:])}
	w.all.Totals.Counts = orchestrator.Counts{RowsTotal: row + 1, RowsExact: true, RowsDone: row, RowsFailed: 1, CutAll: true}
	w.job = api.Job{ID: "j", Tenant: "default", Queue: "q", State: orchestrator.JobPartiallyFailed, Output: output, OutputFormat: layout,
		Results: output + "parts/", Manifest: output + "manifest.json", Errors: output + "errors.jsonl", Counts: w.all.Totals.Counts}
	w.writeManifest(t)
	return w
}

func writePart(t *testing.T, store *object.Store, uri string, layout orchestrator.Format, first int64, rows int) *orchestrator.ObjectRef {
	t.Helper()
	out, err := store.Create(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	writer, err := format.NewPartWriter(out, layout, "id")
	if err != nil {
		t.Fatal(err)
	}
	for at := first; at < first+int64(rows); at++ {
		score := fmt.Sprint(at)
		if first > 0 {
			score += ".5" // another type than in the first part
		}
		if err := writer.Append(fmt.Appendf(nil, "%d", at), "file:///in.jsonl", at, []byte(`{"score":`+score+`}`)); err != nil {
			t.Fatal(err)
		}
	}
	reference, err := writer.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &reference
}

func (w *written) put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *written) writeManifest(t *testing.T) {
	t.Helper()
	data, err := json.Marshal(w.all)
	if err != nil {
		t.Fatal(err)
	}
	w.put(t, "manifest.json", string(data))
}

// remote moves the output to a place that only the service can see.
func (w *written) remote(t *testing.T) map[string][]byte {
	t.Helper()
	objects := map[string][]byte{}
	err := filepath.Walk(w.folder, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		objects["file://"+path] = data
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(w.folder); err != nil {
		t.Fatal(err)
	}
	return objects
}

func serveJob(t *testing.T, w *written, objects map[string][]byte) *embedded.Server {
	t.Helper()
	server := embeddedtest.Start(t)
	service := &answers{jobs: []api.Job{w.job, {ID: "running", Tenant: "default", State: orchestrator.JobRunning}, {ID: "gone", Tenant: "default", State: orchestrator.JobCancelled}}, objects: objects}
	service.serve(t, embeddedtest.Connect(t, server))
	return server
}

// lineResults is what the parts of writeJob hold, in order.
func lineResults(parts ...int) string {
	var text strings.Builder
	row := 0
	for _, rows := range parts {
		first := row
		for ; row < first+rows; row++ {
			half := ""
			if first > 0 {
				half = ".5"
			}
			fmt.Fprintf(&text, "{\"id\":%d,\"score\":%d%s}\n", row, row, half)
		}
	}
	return text.String()
}

// TestResultsLines fetches JSON Lines parts directly and through the service, to a file, a folder and standard output.
func TestResultsLines(t *testing.T) {
	t.Parallel()
	parts := []int{3, 0, 40_000, 2} // the third has more bytes than one answer of the service
	for _, remote := range []bool{false, true} {
		t.Run(fmt.Sprintf("remote %v", remote), func(t *testing.T) {
			t.Parallel()
			w := writeJob(t, orchestrator.FormatJSONL, parts...)
			var objects map[string][]byte
			if remote {
				objects = w.remote(t)
			}
			url, folder := serveJob(t, w, objects).URL(), t.TempDir()
			got := run(t.Context(), url, nil, "results", "j", "-o", filepath.Join(folder, "all.jsonl"))
			if got.code != exitDone || !strings.Contains(got.errs, "all.jsonl: 40,005 rows") {
				t.Fatalf("got %+v", got)
			}
			want := lineResults(parts...)
			if !bytes.Equal(readFile(t, filepath.Join(folder, "all.jsonl")), []byte(want)) {
				t.Error("the file differs from the parts")
			}
			if got = run(t.Context(), url, nil, "results", "@latest", "-o", folder); got.code != exitDone || len(readFile(t, filepath.Join(folder, "j.jsonl"))) != len(want) {
				t.Errorf("into a folder: got %+v", got)
			}
			if got = run(t.Context(), url, nil, "results", "j", "-o", "-"); got.out != want || got.errs != "" || got.code != exitDone {
				t.Errorf("to standard output: got %d bytes, %q, exit %d", len(got.out), got.errs, got.code)
			}
			want = "{\"object\":\"file:///in.jsonl\",\"offset\":7,\"code\":\"bad\",\"message\":\"no\",\"attempts\":1}\n"
			if got = run(t.Context(), url, nil, "errors", "j"); got.out != want || got.code != exitDone {
				t.Errorf("errors: got %+v", got)
			}
			onlyThese(t, folder, "all.jsonl", "j.jsonl")
		})
	}
}

// TestResultsParquet: parts whose types differ become one Parquet file, also when only the service can see them.
func TestResultsParquet(t *testing.T) {
	t.Parallel()
	for _, remote := range []bool{false, true} {
		t.Run(fmt.Sprintf("remote %v", remote), func(t *testing.T) {
			t.Parallel()
			w := writeJob(t, orchestrator.FormatParquet, 3, 2000)
			var objects map[string][]byte
			if remote {
				objects = w.remote(t)
			}
			file := filepath.Join(t.TempDir(), "all.parquet")
			got := run(t.Context(), serveJob(t, w, objects).URL(), nil, "results", "j", "-o", file)
			if got.code != exitDone || !strings.Contains(got.errs, "2,003 rows") {
				t.Fatalf("got %+v", got)
			}
			rows, err := parquet.ReadFile[struct {
				ID    int64   `parquet:"id"`
				Score float64 `parquet:"score"`
			}](file)
			if err != nil || len(rows) != 2003 || rows[2].Score != 2 || rows[3].ID != 3 || rows[2002].Score != 2002.5 {
				t.Errorf("%d rows, error %v", len(rows), err)
			}
		})
	}
}

// TestResultsBucket: where this machine cannot reach a bucket, the service reads for it. It sets variables of the S3 client, so it runs alone.
func TestResultsBucket(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1", "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	w := writeJob(t, orchestrator.FormatJSONL, 3, 2)
	bucket := func(text string) string { return strings.ReplaceAll(text, "file://"+w.folder+"/", "s3://scores/j/") }
	objects := map[string][]byte{}
	for uri, data := range w.remote(t) {
		objects[bucket(uri)] = []byte(bucket(string(data)))
	}
	w.job.Output, w.job.Manifest = bucket(w.job.Output), bucket(w.job.Manifest)
	got := run(t.Context(), serveJob(t, w, objects).URL(), nil, "results", "j", "-o", "-")
	if got.out != lineResults(3, 2) || got.code != exitDone {
		t.Errorf("got %+v", got)
	}
}

// TestResultsRefuse: what is not as the manifest says is never left in the file.
func TestResultsRefuse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		layout orchestrator.Format
		spoil  func(*testing.T, *written)
		want   string
	}{
		"changed lines": {orchestrator.FormatJSONL, func(t *testing.T, w *written) {
			w.put(t, "parts/000001.jsonl", strings.Repeat(`{"id":7,"score":0.5}`+"\n", 2))
		}, "SHA-256"},
		"changed parquet": {orchestrator.FormatParquet, func(t *testing.T, w *written) { w.put(t, "parts/000001.parquet", "PAR1") }, "SHA-256"},
		"too few rows":    {orchestrator.FormatJSONL, func(t *testing.T, w *written) { w.all.Totals.Counts.RowsDone = 6; w.writeManifest(t) }, "got 5 rows, but the manifest says 6"},
		"no manifest":     {orchestrator.FormatJSONL, func(t *testing.T, w *written) { w.put(t, "manifest.json", "{") }, "read the manifest"},
		"part is gone": {orchestrator.FormatJSONL, func(t *testing.T, w *written) {
			if err := os.Remove(filepath.Join(w.folder, "parts/000001.jsonl")); err != nil {
				t.Fatal(err)
			}
		}, "no such object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := writeJob(t, test.layout, 3, 2)
			test.spoil(t, w)
			folder := t.TempDir()
			got := run(t.Context(), serveJob(t, w, nil).URL(), nil, "results", "j", "-o", filepath.Join(folder, "all"))
			if got.code != exitFailed || !strings.Contains(got.errs, test.want) {
				t.Errorf("got %+v, want an error with %q", got, test.want)
			}
			onlyThese(t, folder)
		})
	}
}

func TestResultsShown(t *testing.T) {
	t.Parallel()
	w := writeJob(t, orchestrator.FormatJSONL, 3, 2)
	w.job.ID = "j"
	url := serveJob(t, w, nil).URL()
	got := run(t.Context(), url, nil, "results", "j")
	want := strings.ReplaceAll(`Results   file://FOLDER/parts/
Parts     2 jsonl parts, 99 B
Rows      5 scored, 1 failed
Errors    file://FOLDER/errors.jsonl
Manifest  file://FOLDER/manifest.json

Only parts that the manifest lists count. nightshift results j -o FILE writes one file.
`, "FOLDER", w.folder)
	if diff := cmp.Diff(outcome{want, "", exitDone}, got, cmp.AllowUnexported(outcome{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for job, want := range map[string]string{
		"running": "job running has no results yet: it is running. nightshift watch running waits for it",
		"gone":    "job gone has no results: it is cancelled. nightshift retry gone scores what is missing",
	} {
		if got := run(t.Context(), url, nil, "errors", job); got.code != exitFailed || got.errs != "error: "+want+"\n" {
			t.Errorf("%s: got %+v", job, got)
		}
	}
	w.all.Totals.Errors = nil
	w.writeManifest(t)
	if got := run(t.Context(), url, nil, "errors", "j", "-o", filepath.Join(w.folder, "e")); got.code != exitDone || got.errs != "no row of job j has failed\n" {
		t.Errorf("no errors: got %+v", got)
	}
}

// Results that were published are in no file.
func TestPublishedResultsShown(t *testing.T) {
	t.Parallel()
	w := writeJob(t, orchestrator.FormatJSONL)
	w.all.Totals.Counts.RowsDone = 5
	w.job.ID, w.job.Published, w.job.Results = "j", "subject scored.payments", ""
	w.writeManifest(t)
	url := serveJob(t, w, nil).URL()
	got := run(t.Context(), url, nil, "results", "j")
	want := strings.ReplaceAll(`Published  subject scored.payments
Rows       5 scored, 1 failed
Errors     file://FOLDER/errors.jsonl
Manifest   file://FOLDER/manifest.json
`, "FOLDER", w.folder)
	if diff := cmp.Diff(outcome{want, "", exitDone}, got, cmp.AllowUnexported(outcome{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := run(t.Context(), url, nil, "results", "j", "-o", "-"); got.code != exitFailed || !strings.Contains(got.errs, "are not in files: they were published to subject scored.payments") {
		t.Errorf("-o: %+v", got)
	}
	for _, command := range []string{"get", "watch"} {
		if got := run(t.Context(), url, nil, command, "j"); !strings.Contains(got.out, "subject scored.payments") {
			t.Errorf("%s says %s", command, got.out)
		}
	}
}

// What could not be read is said wherever the counts are, and the code of the failure once.
func TestUnreadIsShown(t *testing.T) {
	t.Parallel()
	w := writeJob(t, orchestrator.FormatJSONL, 3, 2)
	counts := &w.all.Totals.Counts
	counts.RowsExact, counts.RowsTotal, counts.RowsFailed, counts.RowsUnread, counts.ShardsUnread, counts.BytesUnread = false, 39_900, 39_895, 32_018, 11, 3<<20
	w.job.ID, w.job.Counts, w.job.State = "j", *counts, orchestrator.JobPartiallyFailed
	w.job.Failure = &orchestrator.Failure{Code: "input_changed", Message: "file:///in.jsonl: its size is 8, at the submit it was 7 (input_changed)"}
	w.writeManifest(t)
	url := serveJob(t, w, nil).URL()
	const unread = "~32,018 rows in 11 shards (3.0 MiB) that could not be read to the end; they count as failed, with one line of the error file for each shard\n"
	for command, wants := range map[string][]string{
		"results": {"5 scored, ~39,895 failed\n", "Not read  " + unread},
		"get":     {"5 of ~39,900 scored, ~39,895 failed\n", "Not read  " + unread, "at the submit it was 7 (input_changed)\n"},
		"watch":   {"5 rows scored, ~39,895 failed", "  not read: " + unread, "at the submit it was 7 (input_changed)\n"},
		"list":    {" ~39,895 "},
	} {
		args := []string{command, "j"}
		if command == "list" {
			args = args[:1]
		}
		got := run(t.Context(), url, nil, args...)
		for _, want := range wants {
			if !strings.Contains(got.out, want) {
				t.Errorf("%s says %s\nwant %q (%s)", command, got.out, want, got.errs)
			}
		}
	}
}

// TestResultsInterrupted: Ctrl-C leaves nothing behind.
func TestResultsInterrupted(t *testing.T) {
	t.Parallel()
	w := writeJob(t, orchestrator.FormatJSONL, 3)
	objects := w.remote(t)
	url, folder := serveJob(t, w, objects).URL(), t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := run(ctx, url, nil, "results", "j", "-o", filepath.Join(folder, "all")); got.code != exitInterrupted || got.errs != "" {
		t.Errorf("got %+v", got)
	}
	onlyThese(t, folder)
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func onlyThese(t *testing.T, folder string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
