package state

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// PutEvent stores a lifecycle event on nightshift.v1.TENANT.events.REST. An event with the same id is stored once within the stream's
// duplicate window.
func (s *Store) PutEvent(ctx context.Context, tenant, rest, id string, header nats.Header, data []byte) error {
	message := &nats.Msg{Subject: "nightshift.v1." + tenant + ".events." + rest, Header: header, Data: data}
	if _, err := s.js.PublishMsg(ctx, message, jetstream.WithMsgID(id)); err != nil {
		return fmt.Errorf("publish event on %s: %w", message.Subject, classify(err))
	}
	return nil
}
