package scorer

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// arrowResult turns the payload of an arrow result into lines; the lines of failed rows are nil.
func arrowResult(payload []byte, rows int, failed map[int]bool) (lines [][]byte, err error) {
	// Offsets and lengths that lie make the Arrow library panic where a value is read. Its own check refuses sound columns of
	// type null, as of v18.8.0, so it cannot be used.
	defer func() {
		if fault := recover(); fault != nil {
			lines, err = nil, violationf("the Arrow record batch is malformed: %v", fault)
		}
	}()
	// The sizes in a stream are claims until its bytes are read. The library does not bound lengths
	// inside the metadata, and nor do we: a scorer that lies there can cost its worker.
	messages := ipc.NewMessageReader(bytes.NewReader(payload), ipc.WithMetadataSizeLimit(int64(len(payload))),
		ipc.WithBodySizeLimit(int64(len(payload))))
	reader, err := ipc.NewReaderFromMessageReader(messages, ipc.WithAllocator(&boundedMemory{left: maxPayloadBytes}))
	if err != nil {
		return nil, violationf("not an Arrow stream: %v", err)
	}
	defer reader.Release()
	if !reader.Next() {
		return nil, violationf("the Arrow stream has no record batch (%v)", reader.Err())
	}
	record := reader.RecordBatch()
	record.Retain()
	defer record.Release()
	if int(record.NumRows()) != rows {
		return nil, violationf("the Arrow record batch has %d rows for %d", record.NumRows(), rows)
	}
	if reader.Next() || reader.Err() != nil {
		return nil, violation("the Arrow stream must have exactly one record batch")
	}
	lines, err = recordLines(record, failed)
	if err != nil {
		return nil, violation(err.Error())
	}
	return lines, nil
}

// recordLines writes every row of a record as a JSON object, all of them into one buffer. Rows named in failed stay nil.
func recordLines(record arrow.RecordBatch, failed map[int]bool) ([][]byte, error) {
	members, err := newMembers(record.Schema().Fields(), record.Columns())
	if err != nil {
		return nil, err
	}
	rows := int(record.NumRows())
	ends := make([]int, rows)
	var buffer []byte
	for row := range rows {
		if !failed[row] {
			buffer = members.append(buffer, row)
		}
		ends[row] = len(buffer)
		if row == 63 { // The first rows say how long the others will be.
			buffer = append(make([]byte, 0, len(buffer)*(rows/64+1)*5/4), buffer...)
		}
	}
	lines := make([][]byte, rows)
	start := 0
	for row, end := range ends {
		if end > start {
			lines[row] = buffer[start:end:end]
		}
		start = end
	}
	return lines, nil
}

// members writes one row of several columns as a JSON object.
type members struct {
	names  [][]byte // `{"first":`, then `,"second":`
	values []appendValue
}

func newMembers(fields []arrow.Field, columns []arrow.Array) (members, error) {
	var all members
	seen := make(map[string]bool, len(fields))
	for i, field := range fields {
		if seen[field.Name] {
			return members{}, fmt.Errorf("column %s comes twice", field.Name)
		}
		seen[field.Name] = true
		value, err := newAppendValue(columns[i])
		if err != nil {
			return members{}, fmt.Errorf("column %s: %w", field.Name, err)
		}
		name := append(appendString([]byte{','}, field.Name), ':')
		if i == 0 {
			name[0] = '{'
		}
		all.names = append(all.names, name)
		all.values = append(all.values, value)
	}
	return all, nil
}

func (m members) append(buffer []byte, row int) []byte {
	if len(m.names) == 0 {
		return append(buffer, '{', '}')
	}
	for i, name := range m.names {
		buffer = m.values[i](append(buffer, name...), row)
	}
	return append(buffer, '}')
}

// boundedMemory gives the Arrow library memory up to a bound, which compressed columns could exceed.
type boundedMemory struct {
	memory.GoAllocator
	left int
}

func (b *boundedMemory) Allocate(size int) []byte {
	if b.left -= size; b.left < 0 {
		panic(fmt.Sprintf("it needs more than %d bytes of memory", maxPayloadBytes))
	}
	return b.GoAllocator.Allocate(size)
}

func (b *boundedMemory) Reallocate(size int, old []byte) []byte {
	if b.left -= size - len(old); b.left < 0 {
		panic(fmt.Sprintf("it needs more than %d bytes of memory", maxPayloadBytes))
	}
	return b.GoAllocator.Reallocate(size, old)
}
