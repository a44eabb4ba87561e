package orchestrator

import "time"

// Format is how the rows of an object are laid out.
type Format string

// The formats that can be read; jsonl and parquet can be written too.
const (
	FormatJSONL   Format = "jsonl"
	FormatCSV     Format = "csv"
	FormatParquet Format = "parquet"
	// FormatMessages are the messages of a source: a row is the payload of one, a JSON object. Only standing jobs read it.
	FormatMessages Format = "messages"
)

// Compression wraps a whole object, which then cannot be cut.
type Compression string

// The compressions that can be read. The empty value means none.
const (
	CompressionNone Compression = ""
	CompressionGzip Compression = "gzip"
	CompressionZstd Compression = "zstd"
)

// Object is one input object and its identity as it was when the job was accepted. A worker that finds another size,
// ETag or modification time refuses the object (code input_changed).
type Object struct {
	URI         string      `json:"uri"`             // file:///..., s3://bucket/key, gs://..., azblob://...; nats://STREAM, kafka://TOPIC/PARTITION
	Start       int64       `json:"start,omitempty"` // position of the first message; only of messages, of which one source gives several objects
	Size        int64       `json:"size"`            // bytes; positions for messages
	ETag        string      `json:"etag,omitempty"`
	ModTime     time.Time   `json:"modTime,omitzero"`
	Format      Format      `json:"format"`
	Compression Compression `json:"compression,omitempty"`
	Gone        bool        `json:"gone,omitempty"` // of messages: the source had removed them when they were recorded; one range, whose loss a worker reports
}

// equal compares times as instants: what was read from a journal has no zone.
func (o Object) equal(other Object) bool {
	same := o.ModTime.Equal(other.ModTime)
	o.ModTime, other.ModTime = time.Time{}, time.Time{}
	return same && o == other
}

// End is the end of the object's last range: its size, or the position after the last message.
func (o Object) End() int64 { return o.Start + o.Size }

// Splittable says whether the object may be cut into more than one range.
func (o Object) Splittable() bool { return o.Compression == CompressionNone }

// Range is a half-open part [Start, End) of one object. For jsonl and csv the unit is a byte of the object, and a row belongs
// to the range in which its first byte lies; for parquet the unit is a row, and ranges begin and end with row groups. A
// compressed object has the one range [0, Size) in compressed bytes. For messages the unit is a position in the source (a sequence, an
// offset), which may hold no row, and ranges lie in [Object.Start, Object.Start+Size).
type Range struct {
	Object int   `json:"object"` // index in the job's list of objects
	Start  int64 `json:"start"`
	End    int64 `json:"end"`
}

// Length is the number of bytes, or of rows for parquet.
func (r Range) Length() int64 { return r.End - r.Start }

// ObjectRef names an object somebody wrote.
type ObjectRef struct {
	URI    string `json:"uri"`
	Bytes  int64  `json:"bytes"`
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"` // hex
}

// RowError is one line of the error file.
type RowError struct {
	Key      any    `json:"key,omitempty"` // value of the job's key column, if the row has one
	Object   string `json:"object"`        // URI
	Offset   int64  `json:"offset"`        // byte offset of the row in the (decompressed) object; row number for parquet
	Code     string `json:"code"`
	Message  string `json:"message"`
	Attempts int    `json:"attempts"`
}
