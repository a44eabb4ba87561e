package format

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

// pile are messages in one buffer, which each call overwrites, as a client may.
type pile struct {
	list   []orchestrator.Message
	buffer []byte
	closed bool
}

func (p *pile) Next() (orchestrator.Message, error) {
	if len(p.list) == 0 {
		return orchestrator.Message{}, io.EOF
	}
	next := p.list[0]
	p.list = p.list[1:]
	p.buffer = append(p.buffer[:0], next.Payload...)
	next.Payload = p.buffer
	return next, nil
}

func (p *pile) Close() error {
	p.closed = true
	return nil
}

func TestMessagesAreRows(t *testing.T) {
	t.Parallel()
	payload := func(at int64, text string) orchestrator.Message {
		return orchestrator.Message{Position: at, Payload: []byte(text)}
	}
	list := []orchestrator.Message{
		payload(3, `{"id":"a","n":1}`),
		payload(5, " {\"n\": 2,\r\n \"id\": null} \n"),
		payload(6, ""),
		{Position: 7, LostTo: 11},
		payload(11, `[1]`),
		payload(12, `{"id":`),
		payload(13, "{\"id\":\"\xff\"}"),
		payload(14, `{"id":"`+strings.Repeat("x", 80)+`"}`),
		payload(15, "{\"id\":\n"),
		payload(20, `{"id":7}`),
	}
	want := []string{
		`{"id":"a","n":1} key "a"`,
		`{"n":2,"id":null} key `,
		"empty_message: the message has no payload",
		"messages_lost: the source has deleted the messages from 7 to 10 before they were read; this line stands for all of them",
		"not_an_object", "invalid_json", "invalid_utf8", "row_too_long", "invalid_json",
		`{"id":7} key 7`,
	}
	for _, unchecked := range []bool{false, true} { // then a row is looked at closely afterwards, as if a scorer had refused it
		messages := &pile{list: slices.Clone(list)}
		rows := OpenMessages(messages, "nats://ROWS", Options{Key: "id", MaxRowBytes: 64})
		if unchecked {
			rows.Unchecked()
		}
		got := readMessages(t, rows, unchecked)
		for i := range got {
			if i < len(want) && !strings.Contains(want[i], " ") {
				got[i], _, _ = strings.Cut(got[i], ":")
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows (-want +got), unchecked %t\n%s", unchecked, diff)
		}
		if err := rows.Close(); err != nil || !messages.closed {
			t.Errorf("closed %t (%v)", messages.closed, err)
		}
	}
}

func readMessages(t *testing.T, rows *Rows, unchecked bool) (got []string) {
	t.Helper()
	for {
		chunk, err := rows.Next(4)
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range chunk.Rows {
			if unchecked {
				Recheck(&row, "nats://ROWS")
			}
			switch {
			case row.Error == nil:
				got = append(got, string(row.Line)+" key "+string(row.Key))
			case row.Error.Object != "nats://ROWS" || row.Error.Offset != row.Offset:
				t.Errorf("%+v", row.Error)
				fallthrough
			default:
				got = append(got, row.Error.Code+": "+row.Error.Message)
			}
		}
		chunk.Release()
	}
}
