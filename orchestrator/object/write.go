package object

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"

	"nightshift.dev/nightshift/orchestrator"
)

// Writer writes one new object. Nothing is visible under its URI before Close; an object that was there is replaced whole.
// A Writer is used by one goroutine and ends with Close or Abort.
type Writer struct {
	uri   string
	sink  sink
	sum   hash.Hash
	bytes int64
	err   error // the first failure; later calls repeat it
	ended bool
}

// Create begins an object. Missing folders of a file URI are made. ctx ends the writing when it ends.
func (s *Store) Create(ctx context.Context, uri string) (*Writer, error) {
	at, err := parseURI(uri)
	if err != nil {
		return nil, err
	}
	if at.folder {
		return nil, &Error{Code: CodeInvalidURI, URI: uri, Message: "ends with /; want the name of an object"}
	}
	where, name, err := s.resolve(ctx, at, true)
	if err != nil {
		return nil, err
	}
	into, err := where.create(ctx, name)
	if err != nil {
		return nil, writeError(uri, err)
	}
	return &Writer{uri: uri, sink: into, sum: sha256.New()}, nil
}

// Write appends bytes. After a failure the object cannot be completed; call Abort.
func (w *Writer) Write(data []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	count, err := w.sink.Write(data)
	w.sum.Write(data[:count])
	w.bytes += int64(count)
	if err != nil {
		w.err = writeError(w.uri, err)
	}
	return count, w.err
}

// Close makes the object durable and visible and says what was written; Rows is left to the caller, who knows rows. When it
// fails nothing is left behind.
func (w *Writer) Close(ctx context.Context) (orchestrator.ObjectRef, error) {
	if w.ended {
		return orchestrator.ObjectRef{}, errors.New("close object: it was closed or aborted before")
	}
	if w.err == nil {
		w.err = writeError(w.uri, w.sink.commit(ctx))
	}
	if w.err != nil {
		return orchestrator.ObjectRef{}, errors.Join(w.err, w.Abort(ctx))
	}
	w.ended = true
	return orchestrator.ObjectRef{URI: w.uri, Bytes: w.bytes, SHA256: hex.EncodeToString(w.sum.Sum(nil))}, nil
}

// Abort gives the object up and removes what was written. After Close or Abort it does nothing.
func (w *Writer) Abort(ctx context.Context) error {
	if w.ended {
		return nil
	}
	w.ended = true
	return writeError(w.uri, w.sink.abort(ctx))
}
