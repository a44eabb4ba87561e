package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"nightshift.dev/nightshift/orchestrator"
)

// direct reads by batched direct gets: a work queue allows no consumer beside the user's. A replica may answer that lacks the newest messages, so where it
// has no more, the leader is asked for the next one: what it skips is not there.
type direct struct {
	js      jetstream.JetStream
	stream  string
	subject string // that is read; empty: all
	next    int64
	end     int64
	pull    func() (*jetstream.RawStreamMsg, error, bool)
	stop    func()
}

func openDirect(js jetstream.JetStream, source orchestrator.NATSSource, part orchestrator.Range) *direct {
	d := &direct{js: js, stream: source.Stream, next: max(part.Start, 1), end: part.End}
	if len(source.Subjects) > 0 {
		d.subject = source.Subjects[0]
	}
	return d
}

func (d *direct) deliver(ctx context.Context) (at int64, payload []byte, last bool, err error) {
	if d.pull == nil {
		if err := d.ask(); err != nil {
			return 0, nil, false, err
		}
	}
	message, err, has := d.pull()
	if has && err == nil {
		return d.took(message)
	}
	d.endBatch()
	if has && !errors.Is(err, jetstreamext.ErrNoMessages) {
		return 0, nil, false, err
	}
	if message, err = d.ofLeader(ctx); err != nil {
		return 0, nil, false, err
	}
	return d.took(message)
}

func (d *direct) took(message *jetstream.RawStreamMsg) (at int64, payload []byte, last bool, err error) {
	at = int64(message.Sequence) //nolint:gosec // sequences are far below
	d.next = at + 1
	return at, message.Data, false, nil
}

// ask begins a batch. Its context ends with the batch, not with the wait for one message of it.
func (d *direct) ask() error {
	options := []jetstreamext.GetBatchOpt{jetstreamext.GetBatchSeq(uint64(d.next))} //nolint:gosec // positions are not negative
	if d.subject != "" {
		options = append(options, jetstreamext.GetBatchSubject(d.subject))
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	messages, err := jetstreamext.GetBatch(ctx, d.js, d.stream, int(min(max(d.end-d.next, 1), mostAhead)), options...)
	if err != nil {
		cancel()
		return err
	}
	pull, stop := iter.Pull2(messages)
	d.pull, d.stop = pull, func() { stop(); cancel() }
	return nil
}

func (d *direct) endBatch() {
	if d.stop != nil {
		d.stop()
	}
	d.pull, d.stop = nil, nil
}

// ofLeader asks the leader for the next message.
func (d *direct) ofLeader(ctx context.Context) (*jetstream.RawStreamMsg, error) {
	subject := d.subject
	if subject == "" {
		subject = ">"
	}
	request, err := json.Marshal(map[string]any{"seq": d.next, "next_by_subj": subject})
	if err != nil {
		return nil, err
	}
	answer, err := d.js.Conn().RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+d.stream, request)
	if err != nil {
		return nil, err
	}
	var found struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Sequence uint64 `json:"seq"`
			Data     []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(answer.Data, &found); err != nil {
		return nil, fmt.Errorf("read the leader's answer: %w", err)
	}
	switch {
	case found.Error != nil && found.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, errNone
	case found.Error != nil:
		return nil, found.Error
	case found.Message == nil:
		return nil, errors.New("the leader's answer has no message")
	}
	return &jetstream.RawStreamMsg{Sequence: found.Message.Sequence, Data: found.Message.Data}, nil
}

func (d *direct) close(context.Context) { d.endBatch() }
