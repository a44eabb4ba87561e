package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/nats-io/nats.go"
)

var (
	program string        // the nightshift binary under test
	shared  *installation // one installation for all tests; nil without python3
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "nightshift-api-*")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	if program = os.Getenv("NIGHTSHIFT_TEST_PROGRAM"); program == "" {
		program = filepath.Join(dir, "nightshift")
		if output, err := exec.Command("go", "build", "-o", program, "nightshift.dev/nightshift/cmd/nightshift").CombinedOutput(); err != nil {
			panic(string(output))
		}
	}
	if _, err := exec.LookPath("python3"); err == nil {
		store := startS3()
		defer store.Close()
		if shared, err = startDev(filepath.Join(dir, "installation"), store.URL); err != nil {
			panic(err)
		}
		defer shared.stop()
	}
	return m.Run()
}

// installation is a running `nightshift dev`, or `nightshift run` against a server of the test.
type installation struct {
	dir  string
	url  string
	conn *nats.Conn
	run  *exec.Cmd
	env  []string // on top of this process's
}

// running is the installation that tests share.
func running(t *testing.T) *installation {
	t.Helper()
	if shared == nil {
		t.Skip("python3 is missing: the scorer of this test is a Python program")
	}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(shared.dir, "log"))
			t.Logf("--- end of the log\n%s", log[max(0, len(log)-3000):])
		}
	})
	return shared
}

// The queue fraud is worked on. The pool of the queues pages and wait is switched off: their jobs wait.
const documents = `
apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: fraud}
spec: {scorer: {python: "fraud:Fraud"}, batchRows: 100}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: local}
spec: {price: {amount: "0.10", currency: EUR}, replicas: {max: 1}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: "off"}
spec: {price: {amount: "0.10", currency: EUR}, replicas: {max: 0}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: fraud}
spec: {model: fraud, pools: [local], input: {roots: ["s3://transactions/?use_path_style=true&region=us-east-1&endpoint=%[1]s", more]}, output: {root: out}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: inbox}
spec:
  model: fraud
  pools: [local]
  input: {roots: [more], maxUpload: 1Mi, inbox: "s3://transactions/inbox?use_path_style=true&region=us-east-1&endpoint=%[1]s"}
  output: {root: "s3://transactions/scored?use_path_style=true&region=us-east-1&endpoint=%[1]s"}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: pages}
spec: {tenant: pages, model: fraud, pools: ["off"], input: {roots: [more]}, output: {root: out}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: wait}
spec: {tenant: payments, model: fraud, pools: ["off"], input: {roots: [more]}, output: {root: out}}
`

const scorerSource = `
import sys


class Fraud:
    def __call__(self, batch):
        print("scored", len(batch["id"]), "transactions", file=sys.stderr)
        return {"score": [amount / 100 for amount in batch["amount"]]}
`

const rows = `{"id":"t1","amount":10}` + "\n" + `{"id":"t2","amount":99}` + "\n"

// readerKey is the access key of a test that reads results from the bucket, and readDirectly counts its requests.
const readerKey = "reader"

var readDirectly atomic.Int64

// startS3 serves the input that the page names.
func startS3() *httptest.Server {
	backend := s3mem.New()
	if err := backend.CreateBucket("transactions"); err != nil {
		panic(err)
	}
	if _, err := backend.PutObject("transactions", "2026-11-20/morning.jsonl", map[string]string{}, strings.NewReader(rows), int64(len(rows)), nil); err != nil {
		panic(err)
	}
	server := gofakes3.New(backend).Server()
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Authorization"), "Credential="+readerKey+"/") {
			readDirectly.Add(1)
		}
		server.ServeHTTP(w, r)
	}))
}

func startDev(dir, store string) (*installation, error) {
	if err := writeFiles(dir, store); err != nil {
		return nil, err
	}
	in := &installation{dir: dir}
	address, err := in.start("dev", "--port", "0")
	if err != nil {
		return nil, err
	}
	in.url = address
	in.conn, err = nats.Connect(in.url)
	return in, err
}

func writeFiles(dir, store string) error {
	for name, content := range map[string]string{"docs.yaml": fmt.Sprintf(documents, store), "fraud.py": scorerSource, "more/rows.jsonl": rows} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// start runs a command of nightshift with folders of its own. Of `dev` it waits for, and answers, the address of NATS.
func (in *installation) start(command string, flags ...string) (address string, err error) {
	log, err := os.Create(filepath.Join(in.dir, "log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	in.run = exec.Command(program, append([]string{command, "-f", filepath.Join(in.dir, "docs.yaml"), "--dir", filepath.Join(in.dir, "state"), "--grace", "5s"}, flags...)...)
	in.run.Env = append(os.Environ(), "HOME="+in.dir, "XDG_CONFIG_HOME="+filepath.Join(in.dir, "config"), "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
	in.run.Env = append(in.run.Env, in.env...)
	in.run.Stderr = log
	if command != "dev" {
		return "", in.run.Start()
	}
	said, err := in.run.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := in.run.Start(); err != nil {
		return "", err
	}
	late := time.AfterFunc(time.Minute, func() { _ = in.run.Process.Kill() }) // ends the reading below, too
	defer late.Stop()
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if _, rest, found := strings.Cut(lines.Text(), "NATS at "); found {
			address, _, _ = strings.Cut(rest, ",")
			return address, nil
		}
	}
	in.stop()
	text, _ := os.ReadFile(log.Name())
	return "", fmt.Errorf("nightshift dev has ended: %s", text)
}

// stop ends nightshift in order, so that it ends its workers.
func (in *installation) stop() {
	if in.conn != nil {
		in.conn.Close()
	}
	_ = in.run.Process.Signal(syscall.SIGTERM) // it may have ended
	late := time.AfterFunc(40*time.Second, func() { _ = in.run.Process.Kill() })
	defer late.Stop()
	_ = in.run.Wait() // it was told to end
}

// eventually polls until something holds.
func eventually(t *testing.T, what string, within time.Duration, holds func(ctx context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for !holds(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", within, what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// away says whether nobody answered.
func away(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, context.DeadlineExceeded)
}
