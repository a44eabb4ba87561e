package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/synadia-io/orbit.go/natscontext"
)

const (
	defaultAddress = nats.DefaultURL
	connectWithin  = 3 * time.Second
)

// addressSource is who said where to connect.
type addressSource int

const (
	fromFlag    addressSource = iota // --nats or NIGHTSHIFT_NATS
	fromContext                      // --context or NIGHTSHIFT_CONTEXT
	fromDev                          // the file that nightshift dev writes
	fromDefault
)

// address says where to connect, and who said so.
func (p *program) address() (string, addressSource) {
	switch {
	case p.nats != "":
		return p.nats, fromFlag
	case p.saved != "":
		return "", fromContext
	}
	if file, err := addressFile(); err == nil {
		if text, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(text)) != "" {
			return strings.TrimSpace(string(text)), fromDev
		}
	}
	return defaultAddress, fromDefault
}

// dial connects to NATS. Its error says what to do next.
func (p *program) dial(options ...nats.Option) (*nats.Conn, error) {
	address, from := p.address()
	options = append(options, nats.Name("nightshift command line"), nats.Timeout(connectWithin), nats.MaxReconnects(-1), nats.ReconnectWait(250*time.Millisecond))
	var conn *nats.Conn
	var err error
	if from == fromContext {
		var settings natscontext.Settings
		conn, settings, err = natscontext.Connect(p.saved, options...)
		address = settings.URL
	} else {
		conn, err = nats.Connect(address, options...)
	}
	if err != nil {
		return nil, fmt.Errorf("%s", p.unreachable(redacted(address), from, err))
	}
	return conn, nil
}

// unreachable is one sentence about why there is no connection, and one about what helps.
func (p *program) unreachable(address string, from addressSource, err error) string {
	place := "NATS at " + address
	if from == fromContext {
		place = fmt.Sprintf("NATS with the context %q", p.saved)
	}
	why := strings.TrimPrefix(err.Error(), "nats: ")
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		return fmt.Sprintf("%s refuses these credentials (%s). Connect with the right ones: --context NAME uses what the nats tool keeps", place, why)
	case from == fromContext && !errors.Is(err, nats.ErrNoServers):
		return fmt.Sprintf("cannot connect to %s: %s. `nats context ls` shows the contexts there are", place, why)
	case errors.Is(err, nats.ErrNoServers):
		why = "nothing listens there"
	}
	next := "Is the address right? nightshift dev starts a server on this machine"
	switch from {
	case fromDev:
		next = "A nightshift dev wrote down this address and is gone: start it again, or name another address with --nats"
	case fromDefault:
		next = "Start one with nightshift dev, or name another address with --nats or --context"
	}
	return fmt.Sprintf("cannot connect to %s: %s. %s", place, why, next)
}

// redacted hides passwords of addresses.
func redacted(addresses string) string {
	parts := strings.Split(addresses, ",")
	for i, part := range parts {
		if parsed, err := url.Parse(strings.TrimSpace(part)); err == nil && parsed.User != nil {
			parts[i] = parsed.Redacted()
			if _, hasPassword := parsed.User.Password(); !hasPassword { // a token
				parsed.User = url.User("xxxxx")
				parts[i] = parsed.String()
			}
		}
	}
	return strings.Join(parts, ",")
}
