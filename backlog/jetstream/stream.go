package jetstream

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// streamEvery is how old what is known of a stream may be where limits may remove rows unread. Other streams are asked when something is odd.
const streamEvery = 10 * time.Second

// stream is what is remembered of a stream, for all its consumers.
type stream struct {
	name string

	mu     sync.Mutex
	handle jetstream.Stream
	asked  time.Time
	info   *jetstream.StreamInfo
}

// streamInfo gives what was asked for at or after since, and asks when nothing was. Consumers of one stream share an answer.
func (r *Reader) streamInfo(ctx context.Context, s *stream, since time.Time) (*jetstream.StreamInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.info != nil && !s.asked.Before(since) {
		return s.info, nil
	}
	asked := time.Now()
	err := r.ask(ctx, r.subject("STREAM.INFO", s.name), true, func(ctx context.Context) error {
		handle, err := r.js.Stream(ctx, s.name)
		if err == nil {
			s.handle, s.info, s.asked = handle, handle.CachedInfo(), asked
		}
		return err
	})
	if err != nil {
		s.handle, s.info = nil, nil
	}
	return s.info, err
}

// streamSometimes gives what is known, not older than limits of the stream allow; nil where it was never asked.
func (r *Reader) streamSometimes(ctx context.Context, s *stream) (*jetstream.StreamInfo, error) {
	s.mu.Lock()
	info := s.info
	s.mu.Unlock()
	if info == nil || !removesUnread(info.Config) {
		return r.streamInfo(ctx, s, time.Time{})
	}
	return r.streamInfo(ctx, s, time.Now().Add(-streamEvery))
}

func (s *stream) known() jetstream.Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handle
}

// removesUnread is whether the stream's own limits may remove a row that a consumer has not read.
func removesUnread(config jetstream.StreamConfig) bool {
	return config.MaxAge > 0 || config.MaxMsgs > 0 || config.MaxBytes > 0 || config.MaxMsgsPerSubject > 0 || config.AllowMsgTTL
}
