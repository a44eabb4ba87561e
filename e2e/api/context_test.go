package api

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

const secret = "s3cret-of-the-service"

// The service and its workers connect as a NATS context says, with its certificates and its password.
func TestServiceConnectsByContext(t *testing.T) {
	keys := makeKeys(t)
	for name, given := range map[string]struct{ flags, env []string }{
		"flag":     {flags: []string{"--context", "production"}},
		"variable": {env: []string{"NIGHTSHIFT_CONTEXT=production"}},
	} {
		t.Run(name, func(t *testing.T) {
			address := serveWith(t, &server.Options{Username: "svc", Password: secret, TLS: true, TLSConfig: keys.config(t)})
			in := prepared(t, given.env)
			in.writeContext(t, "production", map[string]string{
				"url": "tls://" + address, "user": "svc", "password": secret, "ca": keys.file("ca.pem"), "cert": keys.file("cert.pem"), "key": keys.file("key.pem"),
			})
			conn := dialWith(t, "tls://"+address, nats.UserInfo("svc", secret), nats.RootCAs(keys.file("ca.pem")), nats.ClientCert(keys.file("cert.pem"), keys.file("key.pem")))
			in.scoreAndLookForSecret(t, conn, given.flags...)
		})
	}
}

// The password of an address is neither logged nor shown by command lines, and scorers do not get it.
func TestPasswordOfAddressStaysHidden(t *testing.T) {
	address := "nats://svc:" + secret + "@" + serveWith(t, &server.Options{Username: "svc", Password: secret})
	in := prepared(t, []string{"NIGHTSHIFT_NATS=" + address, "NIGHTSHIFT_CONTEXT=not-this-one"})
	in.scoreAndLookForSecret(t, dialWith(t, address))
}

// serveWith runs a NATS server with JetStream and says its host and port.
func serveWith(t *testing.T, options *server.Options) string {
	t.Helper()
	options.Host, options.Port, options.JetStream, options.StoreDir, options.NoLog, options.NoSigs = "127.0.0.1", server.RANDOM_PORT, true, t.TempDir(), true, true
	running, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	running.Start()
	t.Cleanup(func() { running.Shutdown(); running.WaitForShutdown() })
	if !running.ReadyForConnections(20 * time.Second) {
		t.Fatal("the NATS server is not ready")
	}
	return running.Addr().String()
}

func dialWith(t *testing.T, address string, options ...nats.Option) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func prepared(t *testing.T, env []string) *installation {
	t.Helper()
	running(t) // for Python, and its bucket is not used here
	in := &installation{dir: t.TempDir(), env: env}
	if err := writeFiles(in.dir, "http://127.0.0.1:9"); err != nil {
		t.Fatal(err)
	}
	return in
}

// writeContext does what `nats context save` does.
func (in *installation) writeContext(t *testing.T, name string, settings map[string]string) {
	t.Helper()
	data, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(in.dir, "config", "nats", "context")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// scoreAndLookForSecret runs the service, has a job scored by its workers, and looks where others may look.
func (in *installation) scoreAndLookForSecret(t *testing.T, conn *nats.Conn, flags ...string) {
	t.Helper()
	if _, err := in.start("run", flags...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.stop)
	var job api.Job
	eventually(t, "the service answers", 30*time.Second, func(context.Context) bool {
		answer, err := ask[api.SubmitResponse](t, conn, "default", "jobs.submit", fields{"queue": "fraud", "input": []string{in.more()}, "idempotencyKey": "k"})
		if err != nil && !away(err) {
			t.Fatal(err)
		}
		job = answer.Job
		return err == nil
	})
	seen := false
	eventually(t, "the job has succeeded, and a worker with its scorer was seen", time.Minute, func(context.Context) bool {
		for _, pid := range in.workers() {
			seen = lookInProcess(t, pid) || seen
		}
		job = must[api.GetResponse](t, conn, "default", "jobs.get", fields{"id": job.ID}).Job
		return seen && job.State == orchestrator.JobSucceeded
	})
	for _, pattern := range []string{"log", "state/local/logs/*.log"} {
		names, err := filepath.Glob(filepath.Join(in.dir, pattern))
		if err != nil || len(names) == 0 {
			t.Errorf("%s: %v, %v", pattern, names, err)
		}
		for _, name := range names {
			if text, err := os.ReadFile(name); err != nil || bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s: %v, or shows the secret:\n%s", name, err, text)
			}
		}
	}
}

// workers gives the process ids of the workers that run.
func (in *installation) workers() (pids []string) {
	names, _ := filepath.Glob(filepath.Join(in.dir, "state", "local", "workers", "*.json"))
	for _, name := range names {
		var record struct {
			PID json.Number `json:"pid"`
		}
		if data, err := os.ReadFile(name); err == nil && json.Unmarshal(data, &record) == nil {
			pids = append(pids, record.PID.String())
		}
	}
	return pids
}

// lookInProcess looks at the command line of a worker, and at the environment of its scorers. Both may end at any moment. It says whether there was a scorer.
func lookInProcess(t *testing.T, worker string) (seen bool) {
	t.Helper()
	line, _ := os.ReadFile(filepath.Join("/proc", worker, "cmdline"))
	if bytes.Contains(line, []byte(secret)) {
		t.Errorf("worker %s has the secret on its command line: %q", worker, line)
	}
	tasks, _ := filepath.Glob(filepath.Join("/proc", worker, "task", "*", "children"))
	for _, task := range tasks {
		children, _ := os.ReadFile(task)
		for _, scorer := range strings.Fields(string(children)) {
			line, _ := os.ReadFile(filepath.Join("/proc", scorer, "cmdline"))
			environment, _ := os.ReadFile(filepath.Join("/proc", scorer, "environ"))
			if !bytes.Contains(line, []byte("python")) { // before its exec it is a copy of the worker
				continue
			}
			seen = true
			if bytes.Contains(append(line, environment...), []byte(secret)) {
				t.Errorf("scorer %s of worker %s has the secret on its command line or in its environment", scorer, worker)
			}
		}
	}
	return seen
}

// keys are a certificate that stands for the server and its clients, and what signed it.
type keys struct{ dir string }

func (k keys) file(name string) string { return filepath.Join(k.dir, name) }

func makeKeys(t *testing.T) keys {
	t.Helper()
	k := keys{t.TempDir()}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, kind string, data []byte) {
		check(os.WriteFile(k.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nightshift test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(err)
	private, err := x509.MarshalECPrivateKey(key)
	check(err)
	write("ca.pem", "CERTIFICATE", certificate)
	write("cert.pem", "CERTIFICATE", certificate)
	write("key.pem", "EC PRIVATE KEY", private)
	return k
}

// config is that of a server that wants certificates of its clients.
func (k keys) config(t *testing.T) *tls.Config {
	t.Helper()
	config, err := server.GenTLSConfig(&server.TLSConfigOpts{CertFile: k.file("cert.pem"), KeyFile: k.file("key.pem"), CaFile: k.file("ca.pem"), Verify: true, Timeout: 5})
	if err != nil {
		t.Fatal(err)
	}
	return config
}
