package raycluster

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// trouble is a way to the API server on which it is slow, refuses writes, and cuts watches.
type trouble struct {
	to http.Handler

	mu                 sync.Mutex
	slow               time.Duration      // before each answer
	conflicts, tooMany int                // of the next writes to RayClusters: 409, and then 429
	cut                context.CancelFunc // of the watches
	watches            context.Context
	writes             []string // patches of RayClusters that got through
	refused            int
}

// openTrouble gives a kubeconfig that leads through it.
func openTrouble(t *testing.T, kubeconfig, folder string) (*trouble, string) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	tr := &trouble{}
	tr.watches, tr.cut = context.WithCancel(context.WithoutCancel(t.Context()))
	tr.to = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(at) }, Transport: transport, FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: tr, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	through := filepath.Join(folder, "trouble")
	text := "apiVersion: v1\nkind: Config\ncurrent-context: t\ncontexts: [{name: t, context: {cluster: t, user: t}}]\nusers: [{name: t, user: {}}]\nclusters: [{name: t, cluster: {server: \"http://" + listener.Addr().String() + "\"}}]\n"
	if err := os.WriteFile(through, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return tr, through
}

// ServeHTTP passes a request on, if there is no trouble with it.
func (tr *trouble) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tr.mu.Lock()
	slow, watches, code := tr.slow, tr.watches, 0
	if r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/rayclusters/") {
		switch {
		case tr.conflicts > 0:
			code, tr.conflicts = http.StatusConflict, tr.conflicts-1
		case tr.tooMany > 0:
			code, tr.tooMany = http.StatusTooManyRequests, tr.tooMany-1
		default:
			tr.writes = append(tr.writes, r.URL.Path)
		}
	}
	if code != 0 {
		tr.refused++
	}
	tr.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-r.Context().Done():
		return
	}
	if code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	if code != 0 {
		w.WriteHeader(code)
		return
	}
	if r.URL.Query().Get("watch") != "" {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(watches, cancel)()
		r = r.WithContext(ctx)
	}
	tr.to.ServeHTTP(w, r)
}

func (tr *trouble) set(slow time.Duration, conflicts, tooMany int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.slow, tr.conflicts, tr.tooMany = slow, conflicts, tooMany
}

// cutWatches ends those that are open.
func (tr *trouble) cutWatches() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.cut()
	tr.watches, tr.cut = context.WithCancel(context.Background())
}

func (tr *trouble) seen() (writes, refused int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return len(tr.writes), tr.refused
}

// RC4, RC10 and RC20 (scenario 10): an API server that is slow, answers writes with 409 and 429, and cuts watches again and again. The group grows and shrinks all the same, never while there
// is work for it, and is not written more often than it is changed.
func TestAPIServerIsInTrouble(t *testing.T) {
	in := prepareInstallation(t)
	tr, through := openTrouble(t, in.Kubeconfig, in.Dir)
	in.Reach = through
	in.run()
	tr.set(time.Second, 6, 6)
	job := in.submit(6_000, "10s")
	in.until("the group grows to four in spite of it", func() bool { return in.group().Replicas == 4 })
	_, refused := tr.seen()
	if refused < 12 {
		t.Errorf("%d writes were refused, want 12", refused)
	}
	in.until("workers work", func() bool { return in.working() >= 2 })
	tr.set(time.Second, 6, 6)
	done := make(chan error, 1)
	go func() {
		_, err := in.Nightshift("watch", job)
		done <- err
	}()
	for working := true; working; {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			working = false
		case <-time.After(2 * time.Second):
			tr.cutWatches()
			if replicas := in.group().Replicas; replicas != 4 && in.half(job) {
				t.Errorf("%d replicas before half of the job is done", replicas)
			}
		}
	}
	in.ends(job, 6_000)
	writes, refused := tr.seen()
	if refused < 24 || writes > 8 {
		t.Errorf("%d writes, %d refused", writes, refused)
	}
	t.Logf("%d writes, %d refused", writes, refused)
}

// half says that less than half of a job is done.
func (in *installation) half(job string) bool {
	var of struct {
		Counts struct{ RowsTotal, RowsDone int }
	}
	return json.Unmarshal([]byte(in.said("get", job, "-o", "json")), &of) == nil && of.Counts.RowsDone < of.Counts.RowsTotal/2
}
