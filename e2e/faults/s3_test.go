package faults

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// mishaps lets some requests to an S3 server go wrong: late, refused, or done and then denied.
type mishaps struct {
	server http.Handler
	mu     sync.Mutex
	chance *rand.Rand
	count  int
}

func (m *mishaps) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	m.mu.Lock()
	what := m.chance.IntN(12)
	if what < 3 {
		m.count++
	}
	m.mu.Unlock()
	switch what {
	case 0:
		http.Error(out, "<Error><Code>SlowDown</Code></Error>", http.StatusServiceUnavailable)
	case 1: // it happens, and the answer says that it did not
		m.server.ServeHTTP(httptest.NewRecorder(), in)
		http.Error(out, "<Error><Code>InternalError</Code></Error>", http.StatusInternalServerError)
	case 2:
		time.Sleep(200 * time.Millisecond) // the lateness itself
		m.server.ServeHTTP(out, in)
	default:
		m.server.ServeHTTP(out, in)
	}
}

// D3: input and output lie in an object store that answers late, twice, or with an error.
func TestMoodyObjectStoreLosesAndDoublesNothing(t *testing.T) {
	server := gofakes3.New(s3mem.New()).Server()
	direct := httptest.NewServer(server)
	defer direct.Close()
	moody := &mishaps{server: server, chance: random(t)}
	front := httptest.NewServer(moody)
	defer front.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_REGION", "us-east-1")
	query := "?use_path_style=true&region=us-east-1&endpoint=" + front.URL
	in := install(t, setting{rows: 30_000, pause: .02, ack: 2 * time.Second, input: "s3://bucket/in" + query, output: "s3://bucket/out" + query})
	in.s3, in.input = direct.URL, "s3://bucket/in/rows.jsonl"
	in.putS3("bucket", nil)
	in.putS3("bucket/in/rows.jsonl", in.rows)
	job := in.submit("k")
	in.check(in.finish(job.ID, 120*time.Second), 30_000)
	moody.mu.Lock()
	defer moody.mu.Unlock()
	if moody.count == 0 {
		t.Error("no request went wrong: the test has shown nothing")
	}
}

func (in *installation) putS3(name string, data []byte) {
	in.t.Helper()
	request, err := http.NewRequestWithContext(in.t.Context(), http.MethodPut, in.s3+"/"+name, bytes.NewReader(data))
	if err != nil {
		in.t.Fatal(err)
	}
	in.doS3(request)
}

func (in *installation) getS3(name string) []byte {
	in.t.Helper()
	request, err := http.NewRequestWithContext(in.t.Context(), http.MethodGet, in.s3+"/"+name, nil)
	if err != nil {
		in.t.Fatal(err)
	}
	return in.doS3(request)
}

func (in *installation) doS3(request *http.Request) []byte {
	in.t.Helper()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		in.t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		in.t.Fatalf("%s %s: %s, %v", request.Method, request.URL, answer.Status, err)
	}
	return data
}

var listedKey = regexp.MustCompile(`<Key>([^<]+)</Key>`)

func (in *installation) listS3(prefix string) (names []string) {
	in.t.Helper()
	bucket, rest, _ := strings.Cut(prefix, "/")
	for _, match := range listedKey.FindAllSubmatch(in.getS3(bucket+"?list-type=2&prefix="+rest), -1) {
		names = append(names, path.Base(string(match[1])))
	}
	return names
}
