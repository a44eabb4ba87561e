package object

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

func TestMain(m *testing.M) {
	// Credentials come from the environment only, as in production.
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		if os.Getenv(endpointVariable) != "" {
			break
		}
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	os.Exit(m.Run())
}

// endpointVariable names an S3 service to run these tests against, instead of the server in this process. Credentials come
// from the usual variables; every test makes a bucket of its own and removes it.
const endpointVariable = "NIGHTSHIFT_TEST_S3_ENDPOINT"

// weather stands before an S3 server and lets requests go wrong.
type weather struct {
	server   http.Handler
	mutex    sync.Mutex
	happens  func(*http.Request) mishap
	requests atomic.Int64
}

// mishap is what goes wrong with one request.
type mishap int

const (
	fine      mishap = iota
	late             // answers after a while
	refused          // 503 without doing anything
	forgotten        // does it and then answers 500
	cutOff           // breaks the connection in the middle of the answer
	silent           // sends half an answer and then nothing
)

func (w *weather) set(happens func(*http.Request) mishap) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.happens = happens
}

func (w *weather) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	w.requests.Add(1)
	w.mutex.Lock()
	what := w.happens(in)
	w.mutex.Unlock()
	switch what {
	case late:
		select {
		case <-time.After(150 * time.Millisecond): // the lateness itself, not a synchronisation
		case <-in.Context().Done():
			return
		}
	case refused:
		http.Error(out, "<Error><Code>SlowDown</Code></Error>", http.StatusServiceUnavailable)
		return
	}
	if what == cutOff && in.Method == http.MethodHead { // which has no middle
		panic(http.ErrAbortHandler)
	}
	if what == fine || what == late {
		w.server.ServeHTTP(out, in)
		return
	}
	answer := httptest.NewRecorder()
	w.server.ServeHTTP(answer, in)
	if what == forgotten {
		http.Error(out, "<Error><Code>InternalError</Code></Error>", http.StatusInternalServerError)
		return
	}
	for name, values := range answer.Header() {
		out.Header()[name] = values
	}
	out.Header().Set("Content-Length", fmt.Sprint(answer.Body.Len()))
	out.WriteHeader(answer.Code)
	_, _ = out.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
	_ = http.NewResponseController(out).Flush()
	if what == silent {
		<-in.Context().Done()
	}
	panic(http.ErrAbortHandler)
}

// world is a bucket of an S3 server, a store over two prefixes of it, and a client that goes past the store.
type world struct {
	*weather
	bucket string
	url    string
	store  *Store
	client *s3.Client
}

func newWorld(t testing.TB) world {
	t.Helper()
	front := &weather{server: backendOf(t), happens: func(*http.Request) mishap { return fine }}
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)
	w := world{weather: front, bucket: "nightshift-test-" + strings.ToLower(crand.Text()), url: server.URL}
	config, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.client = s3.NewFromConfig(config, func(options *s3.Options) {
		options.BaseEndpoint, options.UsePathStyle = aws.String(w.url), true
	})
	if _, err := w.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &w.bucket}); err != nil {
		t.Fatal(err)
	}
	w.store = w.newStore(t, w.bucket)
	t.Cleanup(func() { w.clean(t) })
	return w
}

// backendOf gives the server in this process, or a way to the one that the environment names. The signature of a request
// covers the host it was sent to, so that is left as it is.
func backendOf(t testing.TB) http.Handler {
	t.Helper()
	endpoint := os.Getenv(endpointVariable)
	if endpoint == "" {
		return gofakes3.New(s3mem.New()).Server()
	}
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(request *httputil.ProxyRequest) {
		request.SetURL(to)
		request.Out.Host = request.In.Host
	}}
}

func (w world) newStore(t testing.TB, bucket string) *Store {
	t.Helper()
	query := "?use_path_style=true&endpoint=" + w.url
	store, err := New(Access{Read: []string{"s3://" + bucket + "/in" + query}, Write: []string{"s3://" + bucket + "/out" + query}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// clean removes the bucket of a service that outlives the test.
func (w world) clean(t testing.TB) {
	if os.Getenv(endpointVariable) == "" {
		return
	}
	w.set(func(*http.Request) mishap { return fine })
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	pages := s3.NewListObjectsV2Paginator(w.client, &s3.ListObjectsV2Input{Bucket: &w.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		for _, one := range page.Contents {
			if _, err := w.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &w.bucket, Key: one.Key}); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := w.client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &w.bucket}); err != nil {
		t.Error(err)
	}
}

func (w world) uri(key string) string { return "s3://" + w.bucket + "/" + key }

// put writes past the store.
func (w world) put(t testing.TB, key string, data []byte) {
	t.Helper()
	_, err := w.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &w.bucket, Key: &key, Body: bytes.NewReader(data)})
	if err != nil {
		t.Fatal(err)
	}
}
