package state

import (
	"context"

	"nightshift.dev/nightshift/orchestrator"
)

// Consumer reads the last word of one of the user's own consumers. ErrNotFound: it has said nothing lately.
func (s *Store) Consumer(ctx context.Context, id string) (word orchestrator.ConsumerWord, err error) {
	_, err = get(ctx, s.consumerWords, id, &word)
	return word, err
}
