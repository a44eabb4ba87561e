package orchestrator

import "time"

// Format is how the rows of an object are laid out.
type Format string

// The formats that can be read; jsonl and parquet can be written too.
const (
	FormatJSONL   Format = "jsonl"
	FormatCSV     Format = "csv"
	FormatParquet Format = "parquet"
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
	URI         string      `json:"uri"`  // file:///..., s3://bucket/key, gs://..., azblob://...
	Size        int64       `json:"size"` // bytes
	ETag        string      `json:"etag,omitempty"`
	ModTime     time.Time   `json:"modTime,omitzero"`
	Format      Format      `json:"format"`
	Compression Compression `json:"compression,omitempty"`
}

// Splittable says whether the object may be cut into more than one range.
func (o Object) Splittable() bool { return o.Compression == CompressionNone }

// Range is a half-open part [Start, End) of one object. For jsonl and csv the unit is a byte of the object, and a row belongs
// to the range in which its first byte lies; for parquet the unit is a row, and ranges begin and end with row groups. A
// compressed object has the one range [0, Size) in compressed bytes.
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
