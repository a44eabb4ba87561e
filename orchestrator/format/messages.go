package format

import (
	"bytes"
	"encoding/json"
	"fmt"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/jsonrow"
)

// Messages gives the messages of one range of a source, in the order of their positions.
type Messages interface {
	// Next gives io.EOF after the last one.
	Next() (orchestrator.Message, error)
	Close() error
}

// OpenMessages gives the rows of messages: the payload of each is one JSON object, on one line or several.
func OpenMessages(messages Messages, uri string, options Options) *Rows {
	return &Rows{decoder: &messageRows{
		messages: messages, uri: uri, limit: options.maxRowBytes(), rowCheck: rowCheck{rows: jsonrow.NewReader(options.Key)}, arena: newArena(),
	}}
}

type messageRows struct {
	messages Messages
	uri      string
	limit    int
	rowCheck
	arena arena
	line  bytes.Buffer
}

func (m *messageRows) next(into *Chunk) error {
	message, err := m.messages.Next()
	if err != nil {
		return err
	}
	row := Row{Offset: message.Position}
	text := bytes.TrimSpace(message.Payload)
	switch {
	case message.LostTo > message.Position:
		row.Error = &orchestrator.RowError{Code: CodeMessagesLost, Message: fmt.Sprintf(
			"the source has deleted the messages from %d to %d before they were read; this line stands for all of them", message.Position, message.LostTo-1)}
	case len(text) > m.limit:
		row = rowTooLong(m.uri, message.Position, m.limit)
	case len(text) == 0:
		row.Error = &orchestrator.RowError{Code: CodeEmptyMessage, Message: "the message has no payload"}
	default:
		m.read(&row, text, into)
	}
	if row.Error != nil {
		row.Error.Object, row.Error.Offset = m.uri, message.Position
	}
	into.Rows = append(into.Rows, row)
	return nil
}

// read makes a payload a line.
func (m *messageRows) read(row *Row, text []byte, into *Chunk) {
	if bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 {
		m.line.Reset()
		if json.Compact(&m.line, text) != nil {
			row.Error = whyBad(text)
			return
		}
		text = m.line.Bytes()
	}
	m.arena.room(len(text))
	line := m.arena.take(into, append(m.arena.rest(), text...))
	key, valid := m.look(line)
	if !valid {
		row.Error = whyBad(line)
		return
	}
	row.Line, row.Key = line, notNull(key)
}

func (m *messageRows) close() error {
	m.arena.close()
	return m.messages.Close()
}
