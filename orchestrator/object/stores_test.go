package object

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob"
)

// TestStores does what TestS3 does on server programs, one of each scheme. Credentials come from the usual variables; every
// test makes a bucket of its own and removes it.
func TestStores(t *testing.T) {
	for _, on := range []service{s3Service, gcsService, azureService} {
		t.Run(on.scheme, func(t *testing.T) {
			endpoint := os.Getenv(on.variable)
			if endpoint == "" {
				t.Skipf("%s is not set to the URL of a server for %s; make test-stores starts one", on.variable, on.scheme)
			}
			on.backend = wayTo(t, endpoint)
			testRemote(t, on)
		})
	}
}

// wayTo passes requests on. The signature of a request covers the host it was sent to, so that is left as it is.
func wayTo(t testing.TB, endpoint string) http.Handler {
	t.Helper()
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16}, // answers are not touched
		ErrorLog:  log.New(io.Discard, "", 0),                                         // requests that were given up
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(to)
			request.Out.Host = request.In.Host
		},
	}
}

// Google ends the session of an upload after a week.
var gcsService = service{
	scheme:    schemeGCS,
	variable:  "NIGHTSHIFT_TEST_GS_ENDPOINT",
	query:     func(string) string { return "" },
	addressIn: "STORAGE_EMULATOR_HOST",
	makeBucket: func(ctx context.Context, direct *blob.Bucket, name string) error {
		return gcsClient(direct).Bucket(name).Create(ctx, "nightshift-test", nil)
	},
	dropBucket: func(ctx context.Context, direct *blob.Bucket, name string) error {
		return gcsClient(direct).Bucket(name).Delete(ctx)
	},
	// fake-gcs-server appends a part that comes twice.
	spared: func(in *http.Request) bool { return in.URL.Query().Has("upload_id") },
}

func gcsClient(direct *blob.Bucket) *storage.Client {
	var client *storage.Client
	direct.As(&client)
	return client
}

// Azure removes blocks that did not become an object after a week.
var azureService = service{
	scheme:   schemeAzure,
	variable: "NIGHTSHIFT_TEST_AZBLOB_ENDPOINT",
	query:    func(address string) string { return "protocol=http&localemu=true&domain=" + address },
	makeBucket: func(ctx context.Context, direct *blob.Bucket, _ string) error {
		_, err := azureClient(direct).Create(ctx, nil)
		return err
	},
	dropBucket: func(ctx context.Context, direct *blob.Bucket, _ string) error {
		_, err := azureClient(direct).Delete(ctx, nil)
		return err
	},
}

func azureClient(direct *blob.Bucket) *container.Client {
	var client *container.Client
	direct.As(&client)
	return client
}

// Without credentials nothing is printed, and the error says what is missing; public buckets can be opened all the same.
func TestGCSWithoutCredentials(t *testing.T) {
	t.Setenv("STORAGE_EMULATOR_HOST", "")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "absent.json"))
	printed, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer printed.Close()
	stdout := os.Stdout
	os.Stdout = printed
	defer func() { os.Stdout = stdout }()
	store, err := New(Access{Read: []string{"gs://bucket"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Stat(t.Context(), "gs://bucket/a.csv", "")
	if problem := wantCode(t, err, CodeUnavailable); !strings.Contains(problem.Error(), "GOOGLE_APPLICATION_CREDENTIALS") {
		t.Errorf("the error says %v", problem)
	}
	public, err := openGCS(t.Context(), "bucket", "anonymous=true")
	if err != nil {
		t.Fatal(err)
	}
	if err := public.Close(); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(printed.Name()); err != nil || len(text) > 0 {
		t.Errorf("printed %q, %v", text, err)
	}
}
