package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// Credentials that do not suffice are said to be that, at once, and are not taken for an object that is not there.
func forbiddenEverything(t *testing.T, on service) {
	w := newWorld(t, on)
	w.put(t, "out/a.jsonl", []byte("{}\n"))
	accepted, err := w.store.Stat(t.Context(), w.uri("out/a.jsonl"), "")
	if err != nil {
		t.Fatal(err)
	}
	w.set(func(*http.Request) mishap { return forbidden })
	before := w.requests.Load()
	_, err = w.store.Stat(t.Context(), accepted.URI, "")
	wantCode(t, err, CodeNotReadable)
	_, err = w.store.OpenRange(t.Context(), accepted, 0, -1)
	wantCode(t, err, CodeNotReadable)
	_, err = w.store.List(t.Context(), w.uri("in/"), "", 10)
	wantCode(t, err, CodeNotReadable)
	_, err = w.store.ListNames(t.Context(), w.uri("out/"))
	wantCode(t, err, CodeNotReadable)
	wantCode(t, w.store.Delete(t.Context(), accepted.URI), CodeOutputUnwritable)
	writer, err := w.store.Create(t.Context(), w.uri("out/b"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = writer.Close(t.Context())
	wantCode(t, err, CodeOutputUnwritable)
	if count := w.requests.Load() - before; count > 10 {
		t.Errorf("%d requests: refusals were asked for again", count)
	}
}

// Bad weather: whatever goes wrong now and then, what is read and written is right.
func badWeather(t *testing.T, on service) {
	for name, what := range map[string]mishap{"late": late, "refused": refused, "forgotten": forgotten, "cut off": cutOff} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, on)
			data := randomBytes(7, 2*uploadPart+100)
			w.put(t, "in/a.jsonl", data)
			happens := now(3, what)
			w.set(func(in *http.Request) mishap {
				if w.service.spared != nil && w.service.spared(in) && (what == forgotten || what == cutOff) {
					return fine
				}
				return happens(in)
			})
			accepted, err := w.store.Stat(t.Context(), w.uri("in/a.jsonl"), "")
			if err != nil {
				t.Fatal(err)
			}
			for _, start := range []int64{0, 1000, uploadPart + 1} {
				if got := readPart(t, w.store, accepted, start, -1); !bytes.Equal(got, data[start:]) {
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
func now(every int64, what mishap) func(*http.Request) mishap {
	var count atomic.Int64
	return func(*http.Request) mishap {
		if (count.Add(1)-1)%every == 0 {
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
func silence(t *testing.T, on service) {
	w := newWorld(t, on)
	w.store.patience = 150 * time.Millisecond
	data := randomBytes(9, 100_000)
	w.put(t, "in/a.jsonl", data)
	accepted, err := w.store.Stat(t.Context(), w.uri("in/a.jsonl"), "")
	if err != nil {
		t.Fatal(err)
	}
	w.set(now(2, silent))
	if got := readPart(t, w.store, accepted, 0, -1); !bytes.Equal(got, data) {
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
func failedUpload(t *testing.T, on service) {
	w := newWorld(t, on)
	var parts atomic.Int64
	w.set(func(in *http.Request) mishap {
		if in.ContentLength >= uploadPart && parts.Add(1) > 1 {
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

func abort(t *testing.T, on service) {
	w := newWorld(t, on)
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
