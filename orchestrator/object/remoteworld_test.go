package object

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gocloud.dev/blob"
)

func TestMain(m *testing.M) {
	// Credentials come from the environment only, as in production.
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		if os.Getenv("NIGHTSHIFT_TEST_S3_ENDPOINT") != "" {
			break
		}
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	os.Exit(m.Run())
}

// weather stands before a server and lets requests go wrong.
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
	forbidden        // 403
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
	happens := w.happens
	w.mutex.Unlock()
	what := happens(in)
	switch what {
	case late:
		select {
		case <-time.After(150 * time.Millisecond): // the lateness itself, not a synchronisation
		case <-in.Context().Done():
			return
		}
	case refused:
		_, _ = io.Copy(io.Discard, in.Body) // Azure's SDK rewinds the body before net/http has let go of it, which is a race if the answer comes early
		http.Error(out, "<Error><Code>SlowDown</Code></Error>", http.StatusServiceUnavailable)
		return
	case forbidden:
		http.Error(out, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
		return
	}
	if in.Method == http.MethodHead && (what == cutOff || what == silent) { // which has no middle
		if what == silent {
			<-in.Context().Done()
		}
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

// service is a kind of object store, and a server of it.
type service struct {
	scheme   string
	variable string       // of the environment, names the URL of a server program
	backend  http.Handler // the server
	// query gives the parameters of a root for a server at host:port; addressIn names the environment variable where the
	// provider's SDK looks for that instead.
	query     func(address string) string
	addressIn string
	// makeBucket makes the bucket that direct writes to, dropBucket removes it when it is empty.
	makeBucket, dropBucket func(ctx context.Context, direct *blob.Bucket, name string) error
	// unfinished counts uploads that take room; nil where the provider clears them away.
	unfinished func(ctx context.Context, direct *blob.Bucket, name string) (int, error)
	// spared are requests that this server must not get twice, though the provider's may; nil for none.
	spared func(*http.Request) bool
}

// world is a bucket of a service, a store over two prefixes of it, and a way past the store.
type world struct {
	*weather
	service service
	bucket  string
	address string // host:port of the weather
	store   *Store
	direct  *blob.Bucket
}

// newWorld makes a bucket of its own. Tests on it run in parallel, unless the environment has to name its address.
func newWorld(t *testing.T, on service) world {
	t.Helper()
	front := &weather{server: on.backend, happens: func(*http.Request) mishap { return fine }}
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)
	w := world{weather: front, service: on, bucket: "nightshift-test-" + strings.ToLower(crand.Text()), address: server.Listener.Addr().String()}
	if on.addressIn == "" {
		t.Parallel()
	} else {
		t.Setenv(on.addressIn, w.address)
	}
	var err error
	at := root{location: location{scheme: on.scheme, host: w.bucket}, query: on.query(w.address)}
	if w.direct, err = openBucket(t.Context(), at, on.scheme+"://"+w.bucket); err != nil {
		t.Fatal(err)
	}
	if err := on.makeBucket(t.Context(), w.direct, w.bucket); err != nil {
		t.Fatal(err)
	}
	w.store = w.newStore(t, w.bucket)
	t.Cleanup(func() { w.clean(t) })
	return w
}

func (w world) newStore(t testing.TB, bucket string) *Store {
	t.Helper()
	at, query := w.service.scheme+"://"+bucket, "?"+w.service.query(w.address)
	store, err := New(Access{Read: []string{at + "/in" + query}, Write: []string{at + "/out" + query}})
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

// clean removes the bucket of a server that outlives the test.
func (w world) clean(t testing.TB) {
	w.set(func(*http.Request) mishap { return fine })
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	keys := w.keys(ctx, t)
	atOnce(len(keys), func(i int) {
		if err := w.direct.Delete(ctx, keys[i]); err != nil {
			t.Errorf("delete %s: %v", keys[i], err)
		}
	})
	if err := w.service.dropBucket(ctx, w.direct, w.bucket); err != nil {
		t.Error(err)
	}
	if err := w.direct.Close(); err != nil {
		t.Error(err)
	}
}

// keys lists the bucket past the store.
func (w world) keys(ctx context.Context, t testing.TB) []string {
	var keys []string
	pages := w.direct.List(nil)
	for {
		item, err := pages.Next(ctx)
		if err == io.EOF {
			return keys
		}
		if err != nil {
			t.Error(err)
			return keys
		}
		keys = append(keys, item.Key)
	}
}

func (w world) uri(key string) string { return w.service.scheme + "://" + w.bucket + "/" + key }

// put writes past the store.
func (w world) put(t testing.TB, key string, data []byte) {
	t.Helper()
	small := &blob.WriterOptions{BufferSize: 5 << 20} // the smallest that S3 takes; every write allocates it
	if err := w.direct.WriteAll(t.Context(), key, data, small); err != nil {
		t.Errorf("put %s: %v", key, err)
	}
}

// wantNothing fails when an object or an unfinished upload is left.
func (w world) wantNothing(t *testing.T) {
	t.Helper()
	left, err := w.store.ListNames(t.Context(), w.uri("out/"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if w.service.unfinished == nil {
		return
	}
	count, err := w.service.unfinished(t.Context(), w.direct, w.bucket)
	if err != nil || count > 0 {
		t.Errorf("%d unfinished uploads, %v", count, err)
	}
}

// atOnce does something for all of 0 to count-1, a few at the same time.
func atOnce(count int, do func(i int)) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	group.Wait()
}
