package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
)

// TestAddress: flags go before variables, a context may stand in place of an address, and a running nightshift dev is found. It sets the folder where
// programs keep their settings, so it runs alone.
func TestAddress(t *testing.T) {
	settings := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", settings)
	t.Setenv("HOME", settings)
	server := embeddedtest.Start(t)
	(&answers{jobs: someJobs()}).serve(t, embeddedtest.Connect(t, server))
	url := server.URL()
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(settings, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("nats/context/here.json", fmt.Sprintf(`{"url":%q}`, url))
	put("nats/context/away.json", `{"url":"nats://127.0.0.1:1"}`)
	const nobody = "nats://127.0.0.1:1"
	for _, test := range []struct {
		variables map[string]string
		args      string
		want      string // part of the error; empty: a list
	}{
		{args: "--nats " + url},
		{args: "--context here"},
		{args: "--context away", want: `cannot connect to NATS with the context "away": nothing listens there`},
		{args: "--context none", want: `unknown context "none". ` + "`nats context ls` shows"},
		{variables: map[string]string{"NIGHTSHIFT_NATS": url}},
		{variables: map[string]string{"NIGHTSHIFT_CONTEXT": "here"}},
		{variables: map[string]string{"NIGHTSHIFT_NATS": nobody}, args: "--context here"},
		{variables: map[string]string{"NIGHTSHIFT_CONTEXT": "away"}, args: "--nats " + url},
		{variables: map[string]string{"NIGHTSHIFT_NATS": url, "NIGHTSHIFT_CONTEXT": "away"}},
		{variables: map[string]string{"NIGHTSHIFT_NATS": nobody}, want: "Is the address right?"},
	} {
		checkAddress(t, test.variables, test.args, test.want)
	}
	file, err := addressFile()
	if err != nil {
		t.Fatal(err)
	}
	forget := announceAddress(url)
	checkAddress(t, nil, "", "")
	forget()
	if _, err := os.Stat(file); err == nil {
		t.Error("the address is still there")
	}
	announceAddress(nobody) // as after a kill
	if address, from := (&program{ignoreDev: true}).address(); address != defaultAddress || from != fromDefault {
		t.Errorf("a service would connect to %s, which is that of a nightshift dev", address)
	}
	checkAddress(t, nil, "", "A nightshift dev wrote down this address and is gone: start it again, or name another address with --nats")
}

func checkAddress(t *testing.T, variables map[string]string, args, want string) {
	t.Helper()
	got := runWith(t, func(name string) (string, bool) { value, set := variables[name]; return value, set }, append(strings.Fields(args), "list", "-o", "name")...)
	if want == "" && (got.code != exitDone || !strings.Contains(got.out, "fraud-run\n")) || want != "" && (got.code != exitFailed || !strings.Contains(got.errs, want)) {
		t.Errorf("%v %s: got %+v, want %q", variables, args, got, want)
	}
}

func runWith(t *testing.T, lookup func(string) (string, bool), args ...string) outcome {
	t.Helper()
	var out, errs strings.Builder
	p := &program{now: func() time.Time { return nowhere }, lookup: lookup}
	return outcome{code: p.execute(t.Context(), args, strings.NewReader(""), &out, &errs), out: out.String(), errs: errs.String()}
}

// TestRefused: what the server does not permit is said at once, and so are credentials that it does not know.
func TestRefused(t *testing.T) {
	t.Parallel()
	options := &natsserver.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, Users: []*natsserver.User{{
		Username: "ada", Password: "secret", Permissions: &natsserver.Permissions{
			Publish: &natsserver.SubjectPermission{Allow: []string{"nightshift.v1.ada.>"}}, Subscribe: &natsserver.SubjectPermission{Allow: []string{"_INBOX.>"}},
		},
	}}}
	server, err := natsserver.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Shutdown)
	if !server.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server is not ready")
	}
	at := func(user string) string { return "nats://" + user + "@" + server.Addr().String() }
	for _, test := range []struct{ user, tenant, want string }{
		{"ada:wrong", "ada", "refuses these credentials (Authorization Violation). Connect with the right ones"},
		{"ada:secret", "bob", `the NATS server does not permit this user to ask nightshift as tenant "bob"`},
		{"ada:secret", "ada", "is there, but no nightshift service answers on it"},
	} {
		got := run(t.Context(), at(test.user), map[string]string{"NIGHTSHIFT_TENANT": test.tenant}, "list")
		if got.code != exitFailed || !strings.Contains(got.errs, test.want) || strings.Contains(got.errs, "secret") || strings.Contains(got.errs, "wrong") {
			t.Errorf("%s as %s: got %+v, want %q", test.user, test.tenant, got, test.want)
		}
	}
}

// TestSecretsStayHidden: whatever is wrong with an address, no password and no token is shown, and neither is a part of one.
func TestSecretsStayHidden(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t)
	_, host, _ := strings.Cut(server.URL(), "://")
	for _, test := range []struct{ address, want string }{
		{"nats://svc:s3cret@" + host, "nats://svc:xxxxx@" + host + " is there, but"},
		{"svc:s3cret@" + host, "nats://svc:xxxxx@" + host},
		{"nats://s3cret@" + host, "nats://xxxxx@" + host + " is there, but"},
		{"nats://svc:s3cret@127.0.0.1:1", "cannot connect to NATS at nats://svc:xxxxx@127.0.0.1:1: nothing listens there"},
		{"nats://svc:s3cret%zz@127.0.0.1:1", "cannot connect to NATS at nats://svc:xxxxx@127.0.0.1:1: this is no address"},
		{"nats://svc:s3cret/t@127.0.0.1:1", "cannot connect to NATS at nats://svc:xxxxx@127.0.0.1:1: this is no address"},
		{"nats://svc:s3cret@x@127.0.0.1:1", "cannot connect to NATS at nats://svc:xxxxx@127.0.0.1:1: nothing listens there"},
		{"nats://svc:s3cret,t@127.0.0.1:1", "cannot connect to NATS at xxxxx,nats://xxxxx@127.0.0.1:1: this is no address"},
	} {
		for _, args := range [][]string{{"list"}, {"doctor"}, {"run", "-f", "testdata/nope.yaml"}, {"worker", "--id", "w", "--pool", "p"}} {
			if args[0] != "list" && args[0] != "doctor" && !strings.Contains(test.want, "cannot") {
				continue // they would connect, and go on
			}
			got := run(t.Context(), test.address, map[string]string{"NIGHTSHIFT_REQUEST_TIMEOUT": "5s"}, args...)
			said := got.out + got.errs
			if got.code != exitFailed || !strings.Contains(said, test.want) || strings.Contains(said, "s3c") || strings.Contains(said, "zz") {
				t.Errorf("%v at %s: got %+v, want %q", args, test.address, got, test.want)
			}
		}
	}
}

// TestNobodyAnswers: an absent service and a silent one are told apart.
func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t)
	url := server.URL()
	got := run(t.Context(), url, nil, "list")
	want := "error: NATS at " + url + " is there, but no nightshift service answers on it. nightshift dev or nightshift run starts one, nightshift doctor looks for the cause\n"
	if got.code != exitFailed || got.errs != want {
		t.Errorf("no service: got %+v, want %q", got, want)
	}
	conn := embeddedtest.Connect(t, server)
	silent, err := conn.SubscribeSync("nightshift.v1.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil { // before the question comes
		t.Fatal(err)
	}
	got = run(t.Context(), url, map[string]string{"NIGHTSHIFT_REQUEST_TIMEOUT": "50ms"}, "get", "x")
	want = "error: no answer to jobs.get within 50ms (--request-timeout). nightshift doctor looks for the cause\n"
	if got.code != exitFailed || got.errs != want {
		t.Errorf("silence: got %+v, want %q", got, want)
	}
	if message, err := silent.NextMsg(time.Second); err != nil || string(message.Data) != `{"id":"x"}` {
		t.Errorf("asked %v, error %v", message, err)
	}
}

// TestComplete: the shell is offered the tenant's jobs.
func TestComplete(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t)
	service := &answers{jobs: []api.Job{{ID: "a", Tenant: "default", Name: "nightly", State: "partially_failed"}, {ID: "b", Tenant: "other", State: "queued"}}}
	service.serve(t, embeddedtest.Connect(t, server))
	got := run(t.Context(), server.URL(), map[string]string{"NIGHTSHIFT_TENANT": "default"}, "__complete", "get", "")
	if want := "@latest\tthe newest job\na\tpartially failed nightly\n:36\n"; got.out != want {
		t.Errorf("got %q, want %q", got.out, want)
	}
	for _, args := range [][]string{{"__complete", "list", "--status", ""}, {"__complete", "get", "-o", ""}, {"__complete", "submit", "--format", ""}, {"completion", "bash"}} {
		if got := run(t.Context(), server.URL(), nil, args...); got.code != exitDone || strings.Count(got.out, "\n") < 3 {
			t.Errorf("%v: got %+v", args, got)
		}
	}
	if got := run(t.Context(), "nats://127.0.0.1:1", nil, "__complete", "get", ""); !strings.HasPrefix(got.out, ":4\n") {
		t.Errorf("without a server: got %+v", got)
	}
}
