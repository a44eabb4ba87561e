package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator/state"
)

// Codes of nats-server: JSClusterNotAvailErr, JSClusterNoPeersErrF.
const (
	clusterNotAvailable = 10008
	noPeers             = 10005
)

// createStore waits for JetStream a minute: servers that have just started, or lost a leader, answer when enough of them are there and have elected one.
func createStore(ctx context.Context, nc *nats.Conn, config state.Config, log *slog.Logger) (*state.Store, error) {
	create := func() (*state.Store, error) {
		store, err := state.Create(ctx, nc, config)
		var refused *jetstream.APIError
		gathering := errors.As(err, &refused) && (refused.ErrorCode == clusterNotAvailable || refused.ErrorCode == noPeers)
		if err != nil && !gathering && !errors.Is(err, context.DeadlineExceeded) {
			return nil, backoff.Permanent(err)
		}
		return store, err
	}
	return backoff.Retry(ctx, create, backoff.WithBackOff(backoff.NewConstantBackOff(time.Second)), backoff.WithMaxElapsedTime(time.Minute),
		backoff.WithNotify(func(err error, _ time.Duration) { log.Warn("JetStream is not ready; trying again", "error", err) }))
}
