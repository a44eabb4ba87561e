package object

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"gocloud.dev/blob"

	"nightshift.dev/nightshift/orchestrator"
)

// Store opens, lists and writes objects within its roots. It is safe for concurrent use.
type Store struct {
	roots    []root
	patience time.Duration // with remote stores; shorter in tests
	mutex    sync.Mutex
	buckets  map[string]*blob.Bucket // by scheme, bucket and connection parameters; opened at first use
}

// New checks the roots and makes a store. It opens nothing.
func New(access Access) (*Store, error) {
	roots, err := parseRoots(access)
	if err != nil {
		return nil, err
	}
	return &Store{roots: roots, patience: patience, buckets: map[string]*blob.Bucket{}}, nil
}

// Close closes the connections of remote stores.
func (s *Store) Close() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var first error
	for _, bucket := range s.buckets {
		if err := bucket.Close(); err != nil && first == nil {
			first = fmt.Errorf("close bucket: %w", err)
		}
	}
	clear(s.buckets)
	return first
}

// entry is one object as a place knows it.
type entry struct {
	name    string // below the place
	size    int64  // bytes
	etag    string // without quotes; empty when the provider gave none
	modTime time.Time
}

// place is where objects lie: a folder that a file root resolved to, or a bucket. Its names are checked already.
type place interface {
	stat(ctx context.Context, name string) (entry, error)
	// walk visits the objects whose names begin with prefix and lie at most depth elements below its last slash; 0 = any depth.
	walk(ctx context.Context, prefix string, depth int, visit func(entry) error) error
	// open reads from start, length bytes or to the end when negative, and checks that the object still is what want says.
	open(ctx context.Context, name string, start, length int64, want orchestrator.Object) (io.ReadCloser, error)
	create(ctx context.Context, name string) (sink, error)
	remove(ctx context.Context, name string) error
}

// sink takes the bytes of one new object.
type sink interface {
	io.Writer
	commit(ctx context.Context) error // makes the object visible and durable
	abort(ctx context.Context) error  // leaves nothing behind
}

// resolve checks a location against the roots and says where it really lies.
func (s *Store) resolve(ctx context.Context, at location, writing bool) (place, string, error) {
	holding, err := allowed(s.roots, at, writing)
	if err != nil {
		return nil, "", err
	}
	if at.scheme == schemeFile {
		return s.resolveFile(at, writing)
	}
	bucket, err := s.bucket(ctx, holding[0])
	if err != nil {
		return nil, "", err
	}
	return bucket, at.path, nil
}

// Stat describes one object. The format is told from the extension unless given; an unknown extension is an error.
func (s *Store) Stat(ctx context.Context, uri string, format orchestrator.Format) (orchestrator.Object, error) {
	at, err := parseURI(uri)
	if err != nil {
		return orchestrator.Object{}, err
	}
	where, name, err := s.resolve(ctx, at, false)
	if err != nil {
		return orchestrator.Object{}, err
	}
	found, err := where.stat(ctx, name)
	if err != nil {
		return orchestrator.Object{}, readError(uri, err)
	}
	return describe(uri, found, format)
}

func describe(uri string, found entry, format orchestrator.Format) (orchestrator.Object, error) {
	format, compression, err := layout(uri, format)
	if err != nil {
		return orchestrator.Object{}, err
	}
	return orchestrator.Object{
		URI: uri, Size: found.size, ETag: found.etag, ModTime: found.modTime.UTC(), Format: format, Compression: compression,
	}, nil
}

// OpenRange reads length bytes from start, or to the end of the object when length is negative, and fewer where the object
// ends. An object that is no longer the one described (size, ETag or modification time) gives input_changed. Reading honours
// ctx; the caller closes the reader.
func (s *Store) OpenRange(ctx context.Context, from orchestrator.Object, start, length int64) (io.ReadCloser, error) {
	at, err := parseURI(from.URI)
	if err != nil {
		return nil, err
	}
	where, name, err := s.resolve(ctx, at, false)
	if err != nil {
		return nil, err
	}
	if rest := from.Size - start; length < 0 || length > rest {
		length = max(0, rest)
	}
	reader, err := where.open(ctx, name, start, length, from)
	if err != nil {
		return nil, readError(from.URI, err)
	}
	return reader, nil
}

// ReadAll reads a whole small object; more than limit bytes give too_large.
func (s *Store) ReadAll(ctx context.Context, uri string, limit int64) ([]byte, error) {
	at, err := parseURI(uri)
	if err != nil {
		return nil, err
	}
	where, name, err := s.resolve(ctx, at, false)
	if err != nil {
		return nil, err
	}
	found, err := where.stat(ctx, name)
	if err != nil {
		return nil, readError(uri, err)
	}
	if found.size > limit {
		return nil, &Error{Code: CodeTooLarge, URI: uri, Message: fmt.Sprintf("has %d bytes; at most %d are read", found.size, limit)}
	}
	reader, err := where.open(ctx, name, 0, found.size, orchestrator.Object{URI: uri, Size: found.size, ETag: found.etag, ModTime: found.modTime})
	if err != nil {
		return nil, readError(uri, err)
	}
	defer reader.Close()
	data := make([]byte, found.size)
	if _, err := io.ReadFull(reader, data); err != nil {
		return nil, readError(uri, err)
	}
	return data, nil
}

// Delete removes one object. An object that is not there is no error.
func (s *Store) Delete(ctx context.Context, uri string) error {
	at, err := parseURI(uri)
	if err != nil {
		return err
	}
	where, name, err := s.resolve(ctx, at, true)
	if err != nil {
		return err
	}
	return writeError(uri, where.remove(ctx, name))
}

// changed says how an object differs from the accepted one, or gives "".
func changed(want orchestrator.Object, found entry) string {
	switch {
	case want.Size != found.size:
		return fmt.Sprintf("has %d bytes, had %d when the job was accepted", found.size, want.Size)
	case want.ETag != "" && found.etag != "":
		if want.ETag != found.etag {
			return fmt.Sprintf("has ETag %s, had %s when the job was accepted", found.etag, want.ETag)
		}
	// A listing and a single answer may differ in the parts of a second they tell.
	case !want.ModTime.IsZero() && !found.modTime.IsZero() && !want.ModTime.Truncate(time.Second).Equal(found.modTime.Truncate(time.Second)):
		return fmt.Sprintf("was modified at %s, had been at %s when the job was accepted",
			found.modTime.UTC().Format(time.RFC3339), want.ModTime.UTC().Format(time.RFC3339))
	}
	return ""
}
