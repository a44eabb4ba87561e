package api

import (
	"fmt"
	"regexp"
	"strings"
)

// MaxUploadPiece bounds the bytes of one upload request, so that it fits into a message when written as base64.
const MaxUploadPiece = MaxReadBytes

// UploadRequest sends a file into the inbox of a queue, a piece at a time, for a service that does not see it. The first request
// has no data and is answered with an upload; each other one names it.
type UploadRequest struct {
	// Queue is the queue whose inbox takes the file.
	Queue string `json:"queue" jsonschema:"pattern=^[a-z0-9]([a-z0-9-]*[a-z0-9])?$,maxLength=40"`
	// Name is the name of the file without folders; its end tells the format.
	Name string `json:"name" jsonschema:"maxLength=200"`
	// Size is that of the whole file in bytes.
	Size int64 `json:"size" jsonschema:"minimum=0"`
	// Upload is what the first request was answered with.
	Upload string `json:"upload,omitempty"`
	// Offset is where in the file Data begins. A piece that was received before is not received again.
	Offset int64 `json:"offset,omitempty"`
	// Data is at most 512 KiB, in base64.
	Data []byte `json:"data,omitempty"`
	// SHA256 of the whole file in hexadecimal, with the last piece.
	SHA256 string `json:"sha256,omitempty"`
}

// UploadResponse says how far an upload is.
type UploadResponse struct {
	Upload   string `json:"upload"`
	Received int64  `json:"received"` // bytes
	// URI is what a submit names as input; there once everything is received and durable.
	URI string `json:"uri,omitempty"`
}

var (
	fileName = regexp.MustCompile(`^[^/\x00-\x1f\x7f]{1,200}$`)
	digest   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Validate returns what is wrong with the request.
func (r UploadRequest) Validate() []Problem {
	var p problems
	p.queue(r.Queue, true)
	p.unless(fileName.MatchString(r.Name) && strings.Trim(r.Name, ".") != "", "name", quoted(r.Name), "the name of a file without folders, at most 200 characters")
	p.unless(r.Size >= 0, "size", fmt.Sprint(r.Size), "0 or more")
	if r.Upload == "" {
		p.unless(len(r.Data) == 0 && r.Offset == 0, "upload", "missing in a request with data", "what the first request, without data, was answered with")
		return p
	}
	p.unless(identifier.MatchString(r.Upload), "upload", quoted(r.Upload), "what the first request was answered with")
	p.unless(len(r.Data) <= MaxUploadPiece, "data", fmt.Sprintf("%d bytes", len(r.Data)), fmt.Sprintf("at most %d", MaxUploadPiece))
	p.unless(r.Offset >= 0 && r.Offset <= r.Size-int64(len(r.Data)), "offset", fmt.Sprint(r.Offset), "0 to size without the data")
	p.unless(r.SHA256 == "" || digest.MatchString(r.SHA256), "sha256", quoted(r.SHA256), "64 hexadecimal digits in lower case")
	if r.Offset+int64(len(r.Data)) == r.Size && r.SHA256 == "" {
		p.missing("sha256")
	}
	return p
}
