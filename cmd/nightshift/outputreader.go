package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/object"
)

// manifest is manifest.json as dispatch writes it.
type manifest struct {
	dispatch.Manifest
	Input  []orchestrator.Object `json:"input"`
	Parts  []dispatch.Part       `json:"parts"`
	Totals dispatch.Totals       `json:"totals"`
}

// outputReader reads what a job has written: a file that lies on this machine directly, a bucket with the credentials of the environment, and
// anything else through the service. It implements format.Source.
type outputReader struct {
	client   *client
	job      api.Job
	manifest manifest
	bucket   *object.Store     // nil: buckets are read through the service
	spooled  map[string]string // URI -> local copy
	folder   string            // of the local copies; empty: none yet
}

const (
	maxManifest  = 1 << 30         // bytes
	bucketWithin = 3 * time.Second // to find out whether this machine may read a bucket
)

// openOutput reads the manifest.
func openOutput(ctx context.Context, client *client, job api.Job) (*outputReader, error) {
	o := &outputReader{client: client, job: job, spooled: map[string]string{}}
	o.openBucket(ctx)
	reader, err := o.open(ctx, job.Manifest, 0, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("read the manifest of job %s: %w", job.ID, err)
	}
	defer func() { _ = reader.Close() }() // only read
	if err := json.NewDecoder(reader).Decode(&o.manifest); err != nil {
		return nil, fmt.Errorf("read the manifest %s: %w", job.Manifest, err)
	}
	return o, nil
}

// openBucket finds out whether this machine may read the bucket that the job has written to.
func (o *outputReader) openBucket(ctx context.Context) {
	if len(o.job.OutputRoots) == 0 { // files
		return
	}
	store, err := object.New(object.Access{Read: o.job.OutputRoots})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, bucketWithin)
	defer cancel()
	if _, err := store.Stat(ctx, o.job.Manifest, orchestrator.FormatJSONL); err != nil {
		_ = store.Close() // it is of no use
		return
	}
	o.bucket = store
}

func (o *outputReader) close() {
	if o.bucket != nil {
		_ = o.bucket.Close() // only read
	}
	if o.folder != "" {
		_ = os.RemoveAll(o.folder) // copies
	}
}

// parts are the results that count, in the order of the input.
func (o *outputReader) parts() []orchestrator.ObjectRef {
	var parts []orchestrator.ObjectRef
	for _, part := range o.manifest.Parts {
		if part.Result != nil && part.Result.Rows > 0 {
			parts = append(parts, *part.Result)
		}
	}
	return parts
}

func (o *outputReader) bytes() (sum int64) {
	for _, part := range o.parts() {
		sum += part.Bytes
	}
	return sum
}

// OpenRange reads length bytes from start, or to the end when length is negative.
func (o *outputReader) OpenRange(ctx context.Context, from orchestrator.Object, start, length int64) (io.ReadCloser, error) {
	if rest := max(from.Size-start, 0); length < 0 || length > rest {
		length = rest
	}
	return o.open(ctx, from.URI, start, length)
}

const fileScheme = "file://"

func (o *outputReader) open(ctx context.Context, uri string, start, length int64) (io.ReadCloser, error) {
	path, local := strings.CutPrefix(uri, fileScheme)
	if copied, ok := o.spooled[uri]; ok {
		path, local = copied, true
	}
	if local {
		file, err := os.Open(path)
		if err == nil {
			return fileRange{io.NewSectionReader(file, start, length), file}, nil
		}
	}
	if o.bucket != nil {
		found, err := o.bucket.Stat(ctx, uri, orchestrator.FormatJSONL)
		if err != nil {
			return nil, err
		}
		return o.bucket.OpenRange(ctx, found, start, length)
	}
	return io.NopCloser(&remote{ctx: ctx, output: o, uri: uri, at: start, end: start + length}), nil
}

type fileRange struct {
	io.Reader
	io.Closer
}

// remote reads an object through the service, a piece at a time.
type remote struct {
	ctx     context.Context
	output  *outputReader
	uri     string
	at, end int64
	piece   []byte
}

func (r *remote) Read(data []byte) (int, error) {
	if len(r.piece) == 0 {
		if r.at >= r.end {
			return 0, io.EOF
		}
		answer, err := request[api.ReadResponse](r.ctx, r.output.client, "jobs.read", api.ReadRequest{
			ID: r.output.job.ID, URI: r.uri, Offset: r.at, Length: min(r.end-r.at, api.MaxReadBytes),
		})
		if err != nil {
			return 0, err
		}
		r.end = min(r.end, answer.Size)
		if len(answer.Data) == 0 {
			r.end = r.at
			return 0, io.EOF
		}
		r.piece = answer.Data
		r.at += int64(len(answer.Data))
	}
	n := copy(data, r.piece)
	r.piece = r.piece[n:]
	return n, nil
}

// checkAll compares every part with its checksum. What does not lie on this machine is copied meanwhile, so that it is fetched once.
func (o *outputReader) checkAll(ctx context.Context, parts []orchestrator.ObjectRef) error {
	for number, part := range parts {
		var err error
		if _, absent := os.Stat(strings.TrimPrefix(part.URI, fileScheme)); absent != nil {
			err = o.copyPart(ctx, number, part)
		} else {
			err = o.check(ctx, part, io.Discard)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *outputReader) copyPart(ctx context.Context, number int, part orchestrator.ObjectRef) error {
	file, err := o.spool(number)
	if err != nil {
		return err
	}
	if err := errors.Join(o.check(ctx, part, file), file.Close()); err != nil {
		return err
	}
	o.spooled[part.URI] = file.Name()
	return nil
}

func (o *outputReader) spool(number int) (*os.File, error) {
	if o.folder == "" {
		folder, err := os.MkdirTemp("", "nightshift-results-")
		if err != nil {
			return nil, fmt.Errorf("make a folder for copies: %w", err)
		}
		o.folder = folder
	}
	return os.Create(filepath.Join(o.folder, fmt.Sprintf("%06d.part", number)))
}

func (o *outputReader) check(ctx context.Context, part orchestrator.ObjectRef, copied io.Writer) (err error) {
	reader, err := o.open(ctx, part.URI, 0, part.Bytes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(sum, copied), reader); err != nil {
		return fmt.Errorf("read %s: %w", part.URI, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != part.SHA256 {
		return fmt.Errorf("%s has SHA-256 %s, but the manifest says %s", part.URI, got, part.SHA256)
	}
	return nil
}
