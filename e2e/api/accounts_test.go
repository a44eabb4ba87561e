package api

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"nightshift.dev/nightshift/orchestrator/api"
)

// serve runs a NATS server with the configuration of the page.
func serve(t *testing.T) (address func(user, password string) string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nats-server.conf")
	if err := os.WriteFile(file, []byte(the(t, "conf", "jetstream")), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NIGHTSHIFT_PASSWORD", "for-the-service")
	t.Setenv("PAYMENTS_PASSWORD", "for-payments")
	options, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	options.Host, options.Port, options.StoreDir, options.NoLog, options.NoSigs = "127.0.0.1", server.RANDOM_PORT, t.TempDir(), true, true
	running, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	running.Start()
	t.Cleanup(func() { running.Shutdown(); running.WaitForShutdown() })
	if !running.ReadyForConnections(20 * time.Second) {
		t.Fatal("the NATS server is not ready")
	}
	return func(user, password string) string {
		return "nats://" + user + ":" + password + "@" + running.Addr().String()
	}
}

func connect(t *testing.T, address string) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// With the configuration of the page a tenant reaches its own subjects and nothing else.
func TestAccounts(t *testing.T) {
	address := serve(t)
	in := &installation{dir: t.TempDir()}
	if err := writeFiles(in.dir, "http://127.0.0.1:9"); err != nil {
		t.Fatal(err)
	}
	if _, err := in.start("run", "--nats", address("nightshift", "for-the-service")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.stop)
	tenant := connect(t, address("payments", "for-payments"))
	events, err := tenant.SubscribeSync("nightshift.v1.*.events.>")
	if err != nil {
		t.Fatal(err)
	}
	job := submitOnce(t, tenant, fields{"queue": "wait", "input": []string{in.more()}, "idempotencyKey": "k"})
	event, err := events.NextMsg(20 * time.Second)
	if want := "nightshift.v1.payments.events.jobs.wait." + job.ID + ".queued"; err != nil || event.Subject != want {
		t.Fatalf("event %+v, %v, want %s", event, err, want)
	}
	for _, subject := range []string{"nightshift.v1.pages.jobs.list", "nightshift.v1.default.jobs.list", "$JS.API.STREAM.NAMES", "$SRV.PING.nightshift"} {
		if answer, err := tenant.Request(subject, nil, time.Second); !away(err) && !refusedByJetStream(answer) {
			t.Errorf("tenant payments asks %s and gets %v, %v", subject, answer, err)
		}
	}
	service := connect(t, address("nightshift", "for-the-service"))
	heard, err := service.SubscribeSync("nightshift.v1.payments.events.jobs.wait.forged.failed")
	if err != nil || service.Flush() != nil || tenant.Publish(heard.Subject, []byte("{}")) != nil || tenant.Flush() != nil {
		t.Fatalf("publish a forged event: %v", err)
	}
	others := must[api.SubmitResponse](t, service, "pages", "jobs.submit", fields{"queue": "pages", "input": []string{in.more()}}).Job
	own := submitOnce(t, tenant, fields{"queue": "wait", "input": []string{in.more()}})
	for began := time.Now(); event.Subject != "nightshift.v1.payments.events.jobs.wait."+own.ID+".queued"; { // the other tenant's events came earlier
		if event, err = events.NextMsg(20 * time.Second); err != nil || time.Since(began) > 20*time.Second {
			t.Fatalf("no event of job %s: %v", own.ID, err)
		}
		if !strings.HasPrefix(event.Subject, "nightshift.v1.payments.") {
			t.Errorf("tenant payments hears %s, of job %s", event.Subject, others.ID)
		}
	}
	if forged, err := heard.NextMsg(100 * time.Millisecond); err == nil { // all events above came after it
		t.Errorf("tenant payments has published %s", forged.Subject)
	}
	if _, err := nats.Connect(address("payments", "wrong")); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("a wrong password: %v", err)
	}
}

// submitOnce submits as soon as the service is there.
func submitOnce(t *testing.T, conn *nats.Conn, body fields) api.Job {
	t.Helper()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) { // a poll
		answer, err := ask[api.SubmitResponse](t, conn, "payments", "jobs.submit", body)
		if err == nil {
			return answer.Job
		}
		if !away(err) || time.Since(began) > 30*time.Second {
			t.Fatal(err)
		}
	}
}

// refusedByJetStream says whether JetStream answered that this account has none.
func refusedByJetStream(answer *nats.Msg) bool {
	return answer != nil && bytes.Contains(answer.Data, []byte("JetStream not enabled for account"))
}
