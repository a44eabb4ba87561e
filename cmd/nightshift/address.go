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

// The variables that say where to connect, for the flags --nats and --context.
const (
	addressVariable = "NIGHTSHIFT_NATS"
	contextVariable = "NIGHTSHIFT_CONTEXT"
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
	if file, err := addressFile(); err == nil && !p.ignoreDev {
		if text, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(text)) != "" {
			return strings.TrimSpace(string(text)), fromDev
		}
	}
	return defaultAddress, fromDefault
}

// reach is the environment in which another process of nightshift connects as this one does. An address may hold a password, so it is not handed on by the
// command line, which everybody on the machine can read.
func (p *program) reach() []string {
	address, from := p.address()
	if from == fromContext {
		return []string{addressVariable + "=", contextVariable + "=" + p.saved}
	}
	return []string{addressVariable + "=" + address, contextVariable + "="}
}

// dial connects to NATS, for good: it outlives restarts of the server. Its error says what to do next, and no secret.
func (p *program) dial(name string, options ...nats.Option) (*nats.Conn, error) {
	address, from := p.address()
	options = append(options, nats.Name(name), nats.Timeout(connectWithin), nats.MaxReconnects(-1), nats.ReconnectWait(250*time.Millisecond))
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
	case errors.As(err, new(*url.Error)): // which would show the address
		return fmt.Sprintf("cannot connect to %s: this is no address. Write it like %s; in a user name or password write %%40 for @, %%3A for :, %%2F for /", place, defaultAddress)
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

// redacted hides passwords and tokens of addresses, also of those that cannot be parsed.
func redacted(addresses string) string {
	parts := strings.Split(addresses, ",")
	for i, part := range parts {
		scheme, rest, found := strings.Cut(strings.TrimSpace(part), "://")
		if !found { // nats.go takes an address without a scheme, too
			scheme, rest = "nats", scheme
		}
		at := strings.LastIndexByte(rest, '@')
		if at >= 0 {
			user, _, hasPassword := strings.Cut(rest[:at], ":")
			if !hasPassword { // a token
				parts[i] = scheme + "://" + hidden + rest[at:]
				continue
			}
			parts[i] = scheme + "://" + user + ":" + hidden + rest[at:]
		} else if _, err := url.Parse(scheme + "://" + rest); err != nil { // a password with a comma may have been cut here
			parts[i] = hidden
		}
	}
	return strings.Join(parts, ",")
}

const hidden = "xxxxx" // in place of a secret
