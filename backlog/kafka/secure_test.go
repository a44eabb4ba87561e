package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"nightshift.dev/nightshift/e2e/kafkatest"
)

// protected is a connection to the listener with SASL and TLS.
func (w *world) protected(mechanism, user, password string) Connection {
	w.t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(w.cluster.Authority) {
		w.t.Fatal("no certificate")
	}
	return Connection{
		Brokers: []string{w.cluster.Brokers[0].Protected}, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		SASL: &SASL{Mechanism: mechanism, User: user, Password: password}, Timeout: 5 * time.Second,
	}
}

func (w *world) scramUser(user string, mechanism kadm.ScramMechanism) {
	w.t.Helper()
	_, err := w.admin.AlterUserSCRAMs(w.t.Context(), nil, []kadm.UpsertSCRAM{{User: user, Mechanism: mechanism, Iterations: 4096, Password: kafkatest.Password}})
	must(w.t, err)
}

func (w *world) allow(user string, rights *kadm.ACLBuilder) {
	w.t.Helper()
	results, err := w.admin.CreateACLs(w.t.Context(), rights.Allow("User:"+user).AllowHosts("*").ResourcePatternType(kadm.ACLPatternLiteral))
	must(w.t, err)
	for _, result := range results {
		must(w.t, result.Err)
	}
}

func (w *world) connected(connection Connection, source Source) *Reader {
	w.t.Helper()
	source.Queue = "q"
	r, err := New(connection, []Source{source})
	must(w.t, err)
	w.t.Cleanup(r.Close)
	return r
}

// rights gives a user one right after the other.
func rights(t *testing.T, w *world) {
	w.topic("k16", 1)
	w.produce("k16", 0, 3)
	w.commit("g16", "k16", 1)
	w.scramUser("reader16", kadm.ScramSha256)
	r := w.connected(w.protected(Scram256, "reader16", kafkatest.Password), Source{Topic: "k16", Group: "g16"})
	w.untilHeld(r, "the user needs DESCRIBE on the topic")
	w.allow("reader16", kadm.NewACLs().Topics("k16").Operations(kadm.OpDescribe))
	w.untilHeld(r, "the user needs DESCRIBE on the group")
	w.allow("reader16", kadm.NewACLs().Groups("g16").Operations(kadm.OpDescribe))
	b := w.right(r)
	pending(t, b, 2, true, 1)
	noted(t, b, "the user needs READ on the topic")
	noted(t, b, "the user needs DESCRIBE_CONFIGS on the topic")
	w.allow("reader16", kadm.NewACLs().Topics("k16").Operations(kadm.OpRead, kadm.OpDescribeConfigs))
	must(t, eventuallyNil(t, func() error {
		b = r.Read(t.Context(), now.Add(askPolicyEvery))[0]
		return nilIf(len(b.Notes) == 0, b)
	}))
	pending(t, b, 2, false, 1)
}

// loggedIn comes with each mechanism, with a wrong password, and with a certificate of a stranger.
func loggedIn(t *testing.T, w *world) {
	w.topic("k17", 1)
	w.produce("k17", 0, 3)
	w.commit("g17", "k17", 1)
	w.scramUser("scram256", kadm.ScramSha256)
	w.scramUser("scram512", kadm.ScramSha512)
	source := Source{Topic: "k17", Group: "g17"}
	for mechanism, user := range map[string]string{Plain: kafkatest.PlainUser, Scram256: "scram256", Scram512: "scram512"} {
		w.allow(user, kadm.NewACLs().Topics("k17").Operations(kadm.OpRead, kadm.OpDescribe, kadm.OpDescribeConfigs))
		w.allow(user, kadm.NewACLs().Groups("g17").Operations(kadm.OpDescribe))
		pending(t, w.right(w.connected(w.protected(mechanism, user, kafkatest.Password), source)), 2, false, 1)
		b := w.held(w.connected(w.protected(mechanism, user, "hunter2"), source), "the broker refuses the user or the password")
		if strings.Contains(b.Err, "hunter2") {
			t.Errorf("a password: %s", b.Err)
		}
	}
	stranger := w.protected(Plain, kafkatest.PlainUser, kafkatest.Password)
	stranger.TLS = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	w.held(w.connected(stranger, source), "certificate")
}
