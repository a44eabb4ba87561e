package format

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/object"
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// s3Store is a store over a bucket, every third request of which is refused once.
func s3Store(t *testing.T) (store *object.Store, root string, requests *atomic.Int64) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("data"); err != nil {
		t.Fatal(err)
	}
	inner := gofakes3.New(backend).Server()
	requests = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		if requests.Add(1)%3 == 0 {
			http.Error(out, "", http.StatusServiceUnavailable)
			return
		}
		inner.ServeHTTP(out, in)
	}))
	t.Cleanup(server.Close)
	store, err := object.New(object.Access{Write: []string{"s3://data?use_path_style=true&endpoint=" + server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store, "s3://data", requests
}

// Every format is read from an object store as from memory, in ranges, with few requests.
func TestRowsFromAnObjectStore(t *testing.T) {
	t.Parallel()
	store, root, requests := s3Store(t)
	csvData, _ := benchmarkCSV()
	csvData = csvData[:bytes.LastIndexByte(csvData[:3<<20], '\n')+1]
	lines := []byte(strings.Repeat("{\"id\":1,\"text\":\""+strings.Repeat("x", 100_000)+"\"}\n{\"id\":2}\n", 20))
	cases := map[string][]byte{
		"rows.jsonl": lines, "rows.jsonl.gz": pack(t, lines, orchestrator.CompressionGzip), "rows.csv": csvData, "rows.csv.zst": pack(t, csvData, orchestrator.CompressionZstd),
		"rows.parquet": transactions(t, 20_000, 6000).data,
	}
	for name, data := range cases {
		uri := root + "/" + name
		out := create(t, store, uri)
		if _, err := out.Write(data); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		from, err := store.Stat(t.Context(), uri, "")
		if err != nil {
			t.Fatal(err)
		}
		near := memorySource{data, 0}
		cuts := cutsOf(t, near, from)
		before := requests.Load()
		for _, part := range ranges(cuts) {
			want := readRange(t, near, from, part[0], part[1], 500, Options{Key: "id"})
			if diff := cmp.Diff(want, readRange(t, store, from, part[0], part[1], 500, Options{Key: "id"})); diff != "" {
				t.Fatalf("%s %v (-near +far):\n%s", name, part, diff)
			}
		}
		if made := requests.Load() - before; made > 60 {
			t.Errorf("%s: %d requests for %d ranges of %d bytes", name, made, len(cuts)-1, len(data))
		}
	}
}

// cutsOf chooses some cuts that are allowed, with the beginning and the end.
func cutsOf(t *testing.T, source Source, from orchestrator.Object) []int64 {
	t.Helper()
	switch Cuttable(from) {
	case CutNowhere:
		return []int64{0, from.Size}
	case CutAnywhere:
		return []int64{0, 1, 99_999, from.Size / 2, from.Size}
	}
	borders, err := Borders(t.Context(), source, from)
	if err != nil {
		t.Fatal(err)
	}
	if from.Format == orchestrator.FormatParquet {
		return borders
	}
	return []int64{0, borders[3], borders[len(borders)-1], from.Size}
}
