package object

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

func randomBytes(seed uint64, count int) []byte {
	data := make([]byte, count)
	source := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = source.Read(data)
	return data
}

func TestS3ReadAndWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, size := range []int{0, 1, 100_000, uploadPart, 2*uploadPart + 5} {
		data := randomBytes(uint64(size), size)
		uri := w.uri(fmt.Sprintf("out/job-1/part %d ü.jsonl", size))
		writer, err := w.store.Create(t.Context(), uri)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Write(data); err != nil {
			t.Fatal(err)
		}
		written, err := writer.Close(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		want := orchestrator.ObjectRef{URI: uri, Bytes: int64(size), SHA256: hex.EncodeToString(sum[:])}
		if diff := cmp.Diff(want, written); diff != "" {
			t.Errorf("written (-want +got):\n%s", diff)
		}
		found, err := w.store.Stat(t.Context(), uri, "")
		if err != nil || found.Size != int64(size) || found.ETag == "" || found.Format != orchestrator.FormatJSONL {
			t.Fatalf("stat: %+v, %v", found, err)
		}
		for _, part := range [][2]int64{{0, -1}, {0, 10}, {int64(size) / 2, 7}, {int64(size), -1}, {int64(size) + 9, 3}} {
			if got := readS3(t, w.store, found, part[0], part[1]); !bytes.Equal(got, slice(data, part[0], part[1])) {
				t.Errorf("range %v of %d bytes gave %d bytes", part, size, len(got))
			}
		}
	}
	all, err := w.store.ListNames(t.Context(), w.uri("out/job-1/part"))
	if err != nil || len(all) != 5 {
		t.Fatalf("names: %v, %v", all, err)
	}
	for _, one := range append(all, all[0]) { // deleting twice is no error
		if err := w.store.Delete(t.Context(), one.URI); err != nil {
			t.Error(err)
		}
	}
	if all, err = w.store.ListNames(t.Context(), w.uri("out/")); err != nil || len(all) != 0 {
		t.Errorf("after deleting: %v, %v", all, err)
	}
	_, err = w.store.ReadAll(t.Context(), w.uri("out/absent"), 10)
	wantCode(t, err, CodeNotFound)
}

func slice(data []byte, start, length int64) []byte {
	start = min(start, int64(len(data)))
	if end := start + length; length >= 0 && end < int64(len(data)) {
		return data[start:end]
	}
	return data[start:]
}

func readS3(t testing.TB, store *Store, from orchestrator.Object, start, length int64) []byte {
	t.Helper()
	reader, err := store.OpenRange(t.Context(), from, start, length)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	data, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestS3ListingOfThreeThousand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 3000 {
		w.put(t, fmt.Sprintf("in/%d/rows-%04d.jsonl", i%7, i), []byte("{}\n"))
	}
	w.put(t, "in/_SUCCESS", nil)
	w.put(t, "in/3/", nil) // what consoles make for a folder
	w.put(t, "input/other.jsonl", nil)
	all, err := w.store.List(t.Context(), w.uri("in/"), "", 3000)
	if err != nil || len(all) != 3000 {
		t.Fatalf("%d objects, %v", len(all), err)
	}
	for i, one := range all {
		if i > 0 && one.URI <= all[i-1].URI || one.Size != 3 || one.ETag == "" {
			t.Fatalf("object %d is %+v after %s", i, one, all[i-1].URI)
		}
	}
	_, err = w.store.List(t.Context(), w.uri("in/"), "", 2999)
	wantCode(t, err, CodeTooManyObjects)
	some, err := w.store.List(t.Context(), w.uri("in/3/rows-2*.jsonl"), "", 3000)
	if err != nil || len(some) != 143 {
		t.Errorf("pattern: %d objects, %v", len(some), err)
	}
	if some, err = w.store.List(t.Context(), w.uri("in/**/rows-00?0.jsonl"), "", 3000); err != nil || len(some) != 10 {
		t.Errorf("pattern with any depth: %d objects, %v", len(some), err)
	}
	// What a listing says of an object is what opening it says.
	if got := readS3(t, w.store, some[0], 0, -1); string(got) != "{}\n" {
		t.Errorf("read %q", got)
	}
	_, err = w.store.List(t.Context(), w.uri("in/x/"), "", 1)
	wantCode(t, err, CodeNotFound)
	_, err = w.store.List(t.Context(), w.uri("input/"), "", 1)
	wantCode(t, err, CodeOutsideRoots)
}

func TestS3ChangedObjectIsRefused(t *testing.T) {
	t.Parallel()
	for name, now := range map[string]string{"same size": "new!", "shorter": "n", "longer": "new and longer"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put(t, "in/a.jsonl", []byte("old!"))
			accepted, err := w.store.Stat(t.Context(), w.uri("in/a.jsonl"), "")
			if err != nil {
				t.Fatal(err)
			}
			if got := readS3(t, w.store, accepted, 2, 2); string(got) != "d!" {
				t.Fatalf("read %q", got)
			}
			w.put(t, "in/a.jsonl", []byte(now))
			for _, part := range [][2]int64{{0, -1}, {2, 2}, {3, 0}} {
				_, err = w.store.OpenRange(t.Context(), accepted, part[0], part[1])
				problem := wantCode(t, err, CodeInputChanged)
				if problem.URI != accepted.URI {
					t.Errorf("the error names %s", problem.URI)
				}
			}
		})
	}
}

func TestS3Refusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set(func(*http.Request) mishap { return refused })
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := w.store.Stat(ctx, w.uri("in/a.jsonl"), "")
	wantCode(t, err, CodeUnavailable)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("gave up only after %s", took)
	}
	w.set(func(*http.Request) mishap { return fine })
	writer, err := w.newStore(t, "nightshift-absent").Create(t.Context(), "s3://nightshift-absent/out/x")
	if err != nil {
		t.Fatal(err)
	}
	_, err = writer.Close(t.Context())
	wantCode(t, err, CodeOutputUnwritable)
}

// Bad weather: whatever goes wrong now and then, what is read and written is right.
func TestS3InBadWeather(t *testing.T) {
	t.Parallel()
	for name, what := range map[string]mishap{"late": late, "refused": refused, "forgotten": forgotten, "cut off": cutOff} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			data := randomBytes(7, 2*uploadPart+100)
			w.put(t, "in/a.jsonl", data)
			w.set(now(3, what))
			accepted, err := w.store.Stat(t.Context(), w.uri("in/a.jsonl"), "")
			if err != nil {
				t.Fatal(err)
			}
			for _, start := range []int64{0, 1000, uploadPart + 1} {
				if got := readS3(t, w.store, accepted, start, -1); !bytes.Equal(got, data[start:]) {
					t.Errorf("from %d: read %d bytes that differ", start, len(got))
				}
			}
			for i, size := range []int{0, 5000, len(data)} {
				writeAndCheck(t, w, w.uri(fmt.Sprint("out/", i)), data[:size])
			}
			if _, err := w.store.List(t.Context(), w.uri("in/**"), "", 10); err != nil {
				t.Error(err)
			}
			if err := w.store.Delete(t.Context(), w.uri("out/0")); err != nil {
				t.Error(err)
			}
		})
	}
}

// now lets something happen to every request whose number is divisible, the first one among them.
func now(every int, what mishap) func(*http.Request) mishap {
	count := -1
	return func(*http.Request) mishap {
		if count++; count%every == 0 {
			return what
		}
		return fine
	}
}

func writeAndCheck(t *testing.T, w world, uri string, data []byte) {
	t.Helper()
	writer, err := w.store.Create(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Write(data); err != nil {
		t.Fatalf("write %d bytes: %v", len(data), err)
	}
	if _, err := writer.Close(t.Context()); err != nil {
		t.Fatalf("close after %d bytes: %v", len(data), err)
	}
	got, err := w.store.ReadAll(t.Context(), uri, 1<<30)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("wrote %d bytes, read %d, %v", len(data), len(got), err)
	}
}

// A store that stops in the middle of an answer is asked again after the patience is over.
func TestS3Silence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store.patience = 150 * time.Millisecond
	data := randomBytes(9, 100_000)
	w.put(t, "in/a.jsonl", data)
	accepted, err := w.store.Stat(t.Context(), w.uri("in/a.jsonl"), "")
	if err != nil {
		t.Fatal(err)
	}
	w.set(now(2, silent))
	if got := readS3(t, w.store, accepted, 0, -1); !bytes.Equal(got, data) {
		t.Errorf("read %d bytes that differ", len(got))
	}
	w.set(func(*http.Request) mishap { return silent })
	reader, err := w.store.OpenRange(t.Context(), accepted, 0, -1)
	if err == nil {
		_, err = io.Copy(io.Discard, reader)
		reader.Close()
	}
	if err != nil { // every answer brings half of what is missing, so it may even succeed
		wantCode(t, err, CodeUnavailable)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if reader, err = w.store.OpenRange(ctx, accepted, 0, -1); err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	cancel()
	if _, err := io.Copy(io.Discard, reader); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of its context a reader gives %v", err)
	}
}

// An upload that cannot be completed fails with a code and leaves no object.
func TestS3FailedUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set(func(in *http.Request) mishap {
		if in.Method == http.MethodPut && strings.Contains(in.URL.RawQuery, "partNumber=2") {
			return refused
		}
		return fine
	})
	writer, err := w.store.Create(t.Context(), w.uri("out/part"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = writer.Write(make([]byte, 3*uploadPart))
	if err == nil {
		_, err = writer.Close(t.Context())
	}
	wantCode(t, err, CodeUnavailable)
	if err := writer.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	w.wantNothing(t)
}

func TestS3Abort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, size := range []int{0, 1000, 2 * uploadPart} {
		writer, err := w.store.Create(t.Context(), w.uri("out/part"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if err := writer.Abort(t.Context()); err != nil {
			t.Error(err)
		}
		w.wantNothing(t)
	}
}

// wantNothing fails when an object or an unfinished upload is left.
func (w world) wantNothing(t *testing.T) {
	t.Helper()
	left, err := w.store.ListNames(t.Context(), w.uri("out/"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	uploads, err := w.client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &w.bucket})
	var answer smithy.APIError
	if errors.As(err, &answer) && answer.ErrorCode() == "NoSuchUpload" { // what this server says when there never was one
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(uploads.Uploads) > 0 {
		t.Errorf("%d unfinished uploads", len(uploads.Uploads))
	}
}

func TestOtherProvidersAreAccepted(t *testing.T) {
	t.Parallel()
	store, err := New(Access{Read: []string{"gs://bucket/in", "azblob://container/in"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, uri := range []string{"gs://bucket/other/a.csv", "azblob://other/in/a.csv"} {
		_, err := store.Stat(t.Context(), uri, "")
		wantCode(t, err, CodeOutsideRoots)
	}
}
