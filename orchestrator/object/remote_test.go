package object

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob"

	"nightshift.dev/nightshift/orchestrator"
)

// remoteBehaviours is what every remote store has to do, each on buckets of its own.
var remoteBehaviours = []struct {
	name string
	run  func(t *testing.T, on service)
}{
	{"ReadAndWrite", readAndWrite},
	{"StoredCompressed", storedCompressed},
	{"ListingOfThreeThousand", listingOfThreeThousand},
	{"ChangedObjectIsRefused", changedObjectIsRefused},
	{"ReplacedMeanwhile", replacedMeanwhile},
	{"Refusals", refusals},
	{"Forbidden", forbiddenEverything},
	{"BadWeather", badWeather},
	{"Silence", silence},
	{"FailedUpload", failedUpload},
	{"Abort", abort},
	{"ConcurrentWriters", concurrentWriters},
}

func testRemote(t *testing.T, on service) {
	for _, one := range remoteBehaviours {
		t.Run(one.name, func(t *testing.T) { one.run(t, on) })
	}
}

func randomBytes(seed uint64, count int) []byte {
	data := make([]byte, count)
	source := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = source.Read(data)
	return data
}

func readAndWrite(t *testing.T, on service) {
	w := newWorld(t, on)
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
			if got := readPart(t, w.store, found, part[0], part[1]); !bytes.Equal(got, slice(data, part[0], part[1])) {
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

// Other tools mark what they upload as compressed. Its bytes are read as they are stored, also a range of them.
func storedCompressed(t *testing.T, on service) {
	w := newWorld(t, on)
	var stored bytes.Buffer
	into := gzip.NewWriter(&stored)
	if _, err := into.Write(bytes.Repeat([]byte("{}\n"), 10_000)); err != nil {
		t.Fatal(err)
	}
	if err := into.Close(); err != nil {
		t.Fatal(err)
	}
	marked := &blob.WriterOptions{ContentType: "application/jsonl", ContentEncoding: "gzip"}
	if err := w.direct.WriteAll(t.Context(), "in/a.jsonl.gz", stored.Bytes(), marked); err != nil {
		t.Fatal(err)
	}
	found, err := w.store.Stat(t.Context(), w.uri("in/a.jsonl.gz"), "")
	if err != nil || found.Size != int64(stored.Len()) {
		t.Fatalf("stat: %+v, %v", found, err)
	}
	for _, part := range [][2]int64{{0, -1}, {0, 10}, {20, 5}} {
		if got := readPart(t, w.store, found, part[0], part[1]); !bytes.Equal(got, slice(stored.Bytes(), part[0], part[1])) {
			t.Errorf("range %v gave %d bytes that differ", part, len(got))
		}
	}
}

func slice(data []byte, start, length int64) []byte {
	start = min(start, int64(len(data)))
	if end := start + length; length >= 0 && end < int64(len(data)) {
		return data[start:end]
	}
	return data[start:]
}

func readPart(t testing.TB, store *Store, from orchestrator.Object, start, length int64) []byte {
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

func listingOfThreeThousand(t *testing.T, on service) {
	w := newWorld(t, on)
	atOnce(3000, func(i int) { w.put(t, fmt.Sprintf("in/%d/rows-%04d.jsonl", i%7, i), []byte("{}\n")) })
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
	if got := readPart(t, w.store, some[0], 0, -1); string(got) != "{}\n" {
		t.Errorf("read %q", got)
	}
	_, err = w.store.List(t.Context(), w.uri("in/x/"), "", 1)
	wantCode(t, err, CodeNotFound)
	_, err = w.store.List(t.Context(), w.uri("input/"), "", 1)
	wantCode(t, err, CodeOutsideRoots)
}

func changedObjectIsRefused(t *testing.T, on service) {
	for name, now := range map[string]string{"same size": "new!", "shorter": "n", "longer": "new and longer"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, on)
			w.put(t, "in/a.jsonl", []byte("old!"))
			accepted, err := w.store.Stat(t.Context(), w.uri("in/a.jsonl"), "")
			if err != nil {
				t.Fatal(err)
			}
			if got := readPart(t, w.store, accepted, 2, 2); string(got) != "d!" {
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

// Whenever an object is replaced by another one of the same size, a reader gives the bytes of the accepted one or refuses;
// it never mixes them.
func replacedMeanwhile(t *testing.T, on service) {
	w := newWorld(t, on)
	old, replacement := bytes.Repeat([]byte("old!"), 25_000), bytes.Repeat([]byte("new!"), 25_000)
	for _, until := range []mishap{fine, cutOff} {
		for before := range 3 { // the replacement comes before the first request of the read, the second, the third
			w.put(t, "in/a.jsonl", old)
			accepted, err := w.store.Stat(t.Context(), w.uri("in/a.jsonl"), "")
			if err != nil {
				t.Fatal(err)
			}
			replaced := w.replaceBefore(t, before, until, replacement)
			data, err := readAccepted(t, w.store, accepted)
			w.set(func(*http.Request) mishap { return fine })
			if err != nil || replaced.Load() && until == cutOff {
				wantCode(t, err, CodeInputChanged)
			}
			if !bytes.HasPrefix(old, data) || err == nil && len(data) < len(old) {
				t.Errorf("replaced before request %d: read %d bytes that are not of the accepted object", before, len(data))
			}
		}
	}
}

// replaceBefore has an object replaced when a number of requests have met with something.
func (w world) replaceBefore(t *testing.T, requests int, met mishap, replacement []byte) *atomic.Bool {
	var count atomic.Int64
	var replaced atomic.Bool
	w.set(func(*http.Request) mishap {
		switch {
		case replaced.Load():
			return fine
		case count.Add(1) <= int64(requests):
			return met
		}
		replaced.Store(true)
		w.put(t, "in/a.jsonl", replacement)
		return fine
	})
	return &replaced
}

// readAccepted gives also what was read before an error.
func readAccepted(t *testing.T, store *Store, accepted orchestrator.Object) ([]byte, error) {
	reader, err := store.OpenRange(t.Context(), accepted, 0, -1)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return io.ReadAll(reader)
}

func refusals(t *testing.T, on service) {
	w := newWorld(t, on)
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
	writer, err := w.newStore(t, "nightshift-absent").Create(t.Context(), w.service.scheme+"://nightshift-absent/out/x")
	if err != nil {
		t.Fatal(err)
	}
	_, err = writer.Close(t.Context())
	wantCode(t, err, CodeOutputUnwritable)
	for _, key := range []string{"in/a.jsonl", "outer/a.jsonl", "a.jsonl"} {
		_, err := w.store.Create(t.Context(), w.uri(key))
		wantCode(t, err, CodeOutsideRoots)
		wantCode(t, w.store.Delete(t.Context(), w.uri(key)), CodeOutsideRoots)
	}
}

// Workers write at the same time, two of them the same shard: under names unique to the attempt, so none is in the other's way.
func concurrentWriters(t *testing.T, on service) {
	w := newWorld(t, on)
	const shards, attempts = 6, 2
	sizes := []int{1000, 100_000, uploadPart + 1}
	refs := make([]orchestrator.ObjectRef, shards*attempts)
	atOnce(len(refs), func(i int) {
		writer, err := w.store.Create(t.Context(), w.uri(fmt.Sprintf("out/job-1/parts/%05d.%d.jsonl", i/attempts, i%attempts)))
		if err != nil {
			t.Error(err)
			return
		}
		for _, piece := range slices.Collect(slices.Chunk(randomBytes(uint64(i), sizes[i%len(sizes)]), 64<<10)) {
			if _, err := writer.Write(piece); err != nil {
				t.Error(err)
			}
		}
		if refs[i], err = writer.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	found, err := w.store.List(t.Context(), w.uri("out/job-1/parts/"), "", len(refs))
	if err != nil || len(found) != len(refs) {
		t.Fatalf("%d objects, %v", len(found), err)
	}
	for i, one := range found {
		sum := sha256.Sum256(readPart(t, w.store, one, 0, -1))
		want := orchestrator.ObjectRef{URI: one.URI, Bytes: one.Size, SHA256: hex.EncodeToString(sum[:])}
		if diff := cmp.Diff(want, refs[i]); diff != "" {
			t.Errorf("what lies there and what was written (-want +got):\n%s", diff)
		}
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
