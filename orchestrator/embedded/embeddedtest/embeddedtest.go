// Package embeddedtest gives a test a JetStream server of its own: a real one, in the test's process and folder, which does not sync. Only tests import
// it; it imports the standard library, embedded and nats.go.
package embeddedtest

import (
	"testing"

	"github.com/nats-io/nats.go"

	"nightshift.dev/nightshift/orchestrator/embedded"
)

// Start serves until the test ends.
func Start(t testing.TB) *embedded.Server {
	t.Helper()
	server, err := embedded.Start(embedded.Config{Dir: t.TempDir(), Port: -1, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

// Connect connects to a server until the test ends.
func Connect(t testing.TB, server *embedded.Server) *nats.Conn {
	t.Helper()
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}
