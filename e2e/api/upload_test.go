package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nightshift.dev/nightshift/orchestrator/api"
)

// bigFile is more than one piece.
func bigFile() []byte {
	var text bytes.Buffer
	for i := range 25_000 {
		fmt.Fprintf(&text, `{"id":"t%d","amount":%d}`+"\n", i, i%100)
	}
	return text.Bytes()
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// piece is an upload request for a part of a file.
func piece(file []byte, upload string, from, to int) fields {
	request := fields{"queue": "inbox", "name": "big file?.jsonl", "size": len(file), "upload": upload, "offset": from, "data": file[from:to]}
	if to == len(file) {
		request["sha256"] = hexSum(file)
	}
	return request
}

func TestUpload(t *testing.T) {
	t.Parallel()
	in := running(t)
	file := bigFile()
	begin := fields{"queue": "inbox", "name": "big file?.jsonl", "size": len(file)}
	put := func(body fields) api.UploadResponse {
		return must[api.UploadResponse](t, in.conn, "default", "jobs.upload", body)
	}
	upload := put(begin).Upload
	const half = 300_000
	for range 2 { // a piece whose answer was lost comes again
		if answer := put(piece(file, upload, 0, half)); answer.Received != half || answer.URI != "" {
			t.Fatalf("after the first piece: %+v", answer)
		}
	}
	refused(t, in.conn, "payments", "jobs.upload", piece(file, upload, half, len(file)), api.CodeNotFound)
	var last api.UploadResponse
	for range 2 {
		last = put(piece(file, upload, half, len(file)))
	}
	if !strings.HasPrefix(last.URI, "s3://transactions/inbox/") || !strings.HasSuffix(last.URI, "/big_file_.jsonl") {
		t.Fatalf("after the last piece: %+v", last)
	}
	job := must[api.SubmitResponse](t, in.conn, "default", "jobs.submit", fields{"queue": "inbox", "input": []string{last.URI}}).Job
	if job = in.finish(t, "default", job); job.Counts.RowsDone != 25_000 || job.Counts.BytesTotal != int64(len(file)) {
		t.Errorf("of the uploaded file: %+v", job.Counts)
	}

	// A gap, and another content than announced, end an upload.
	for _, wrong := range []fields{piece(file, "", half, len(file)), piece(file, "", 0, half)} {
		upload := put(begin).Upload
		wrong["upload"] = upload
		if wrong["offset"] == 0 {
			put(wrong)
			wrong = piece(file, upload, half, len(file))
			wrong["sha256"] = hexSum(nil)
		}
		refused(t, in.conn, "default", "jobs.upload", wrong, api.CodeConflict)
		refused(t, in.conn, "default", "jobs.upload", piece(file, upload, 0, half), api.CodeNotFound)
	}
	for _, name := range []string{"", "..", "a/b", "a\x00b"} {
		refused(t, in.conn, "default", "jobs.upload", fields{"queue": "inbox", "name": name, "size": 1}, api.CodeInvalid)
	}
	refused(t, in.conn, "default", "jobs.upload", fields{"queue": "none", "name": "a", "size": 1}, api.CodeNotFound)
	for queue, want := range map[string]string{
		"inbox": "at most 1048576 (input.maxUpload); copy the file to where its workers read it, and submit that: scp rows.jsonl HOST:" + in.dir + "/more/ && nightshift submit -q inbox file://" + in.dir + "/more/rows.jsonl",
		"fraud": "aws s3 cp rows.jsonl s3://transactions/ && nightshift submit -q fraud s3://transactions/rows.jsonl",
	} {
		code := map[string]api.Code{"inbox": api.CodeTooLarge, "fraud": api.CodeForbidden}[queue]
		if problem := refused(t, in.conn, "default", "jobs.upload", fields{"queue": queue, "name": "rows.jsonl", "size": 1<<20 + 1}, code); !strings.Contains(problem.Message, want) {
			t.Errorf("queue %s refuses with %q, want %q", queue, problem.Message, want)
		}
	}
}

// A user submits a file that the service does not see: it lies in no root of the queue.
func TestSubmitUploads(t *testing.T) {
	t.Parallel()
	in := running(t)
	path := filepath.Join(t.TempDir(), "here [1].jsonl")
	if err := os.WriteFile(path, bigFile(), 0o600); err != nil {
		t.Fatal(err)
	}
	submit := func(flags ...string) (string, error) { return in.cli(t, nil, "submit", flags...) }
	said, err := submit("-q", "inbox", "--row-key", "id", "--wait", path)
	if err != nil || !strings.Contains(said, "to the inbox of queue inbox, because the service does not see it") || !strings.Contains(said, "25,000") {
		t.Errorf("submit of a file that is only here: %v\n%s", err, said)
	}
	id := regexp.MustCompile(`inbox-[a-z0-9-]+`).FindString(said)
	for access, direct := range map[string]bool{readerKey: true, "": false} {
		before, out := readDirectly.Load(), filepath.Join(t.TempDir(), "results.jsonl")
		said, err := in.cli(t, []string{"AWS_ACCESS_KEY_ID=" + access, "AWS_SECRET_ACCESS_KEY=" + access}, "results", id, "-o", out)
		written, _ := os.ReadFile(out)
		if rows := bytes.Count(written, []byte("\n")); err != nil || rows != 25_000 || readDirectly.Load() > before != direct {
			t.Errorf("results with the access key %q: %v, %d rows, read from the bucket itself: %t\n%s", access, err, rows, !direct, said)
		}
	}
	said, err = submit("-q", "inbox", "--dry-run", path)
	if err == nil || !strings.Contains(said, "a dry run uploads nothing") {
		t.Errorf("dry run: %v\n%s", err, said)
	}
	said, err = submit("-q", "fraud", path)
	if err == nil || !strings.Contains(said, "lies outside of what is allowed for reading") || !strings.Contains(said, "aws s3 cp") {
		t.Errorf("submit to a queue without inbox: %v\n%s", err, said)
	}
}

// cli runs a command of nightshift as a user without any settings but these.
func (in *installation) cli(t *testing.T, settings []string, command string, flags ...string) (said string, err error) {
	t.Helper()
	run := exec.CommandContext(t.Context(), program, append([]string{command, "--nats", in.url}, flags...)...)
	run.Env = append(append(os.Environ(), "HOME="+in.dir, "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull), settings...)
	output, err := run.CombinedOutput()
	return string(output), err
}
