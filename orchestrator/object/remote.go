package object

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/cenkalti/backoff/v5"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/gcsblob"   // gs://
	"gocloud.dev/gcerrors"

	"nightshift.dev/nightshift/orchestrator"
)

// bucket is a remote place.
type bucket struct {
	*blob.Bucket
	scheme   string
	patience time.Duration
}

// bucket opens the bucket of a root, once per set of connection parameters.
func (s *Store) bucket(ctx context.Context, at root) (place, error) {
	name := at.scheme + "://" + at.host
	s.mutex.Lock()
	defer s.mutex.Unlock()
	opened := s.buckets[name+"?"+at.query]
	if opened == nil {
		var err error
		if opened, err = openBucket(ctx, at, name); err != nil {
			return nil, &Error{Code: CodeUnavailable, URI: name, Message: "the bucket cannot be opened with the parameters of its root", Err: err}
		}
		s.buckets[name+"?"+at.query] = opened
	}
	return &bucket{opened, at.scheme, s.patience}, nil
}

func openBucket(ctx context.Context, at root, name string) (*blob.Bucket, error) {
	if at.scheme == schemeS3 {
		query, err := url.ParseQuery(at.query)
		if err != nil {
			return nil, err
		}
		return openS3(ctx, at.host, query)
	}
	return blob.OpenBucket(ctx, strings.TrimSuffix(name+"?"+at.query, "?"))
}

func (b *bucket) stat(ctx context.Context, name string) (entry, error) {
	return retry(ctx, b.patience, func(ctx context.Context) (entry, error) {
		found, err := b.Attributes(ctx, name)
		if err != nil {
			return entry{}, err
		}
		return entry{name: name, size: found.Size, etag: plainETag(found.ETag), modTime: found.ModTime}, nil
	})
}

// plainETag leaves out the quotes that some answers have and others do not.
func plainETag(etag string) string { return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`) }

func (b *bucket) walk(ctx context.Context, prefix string, depth int, visit func(entry) error) error {
	options := &blob.ListOptions{Prefix: prefix}
	if depth == 1 {
		options.Delimiter = "/"
	}
	pages := b.List(options)
	for {
		item, err := retry(ctx, b.patience, func(ctx context.Context) (*blob.ListObject, error) {
			item, err := pages.Next(ctx) // after a failure it asks for the same page again
			if err == io.EOF {
				return nil, nil
			}
			return item, err
		})
		if err != nil || item == nil {
			return err
		}
		if item.IsDir || strings.HasSuffix(item.Key, "/") { // marks that stand for folders
			continue
		}
		if err := visit(entry{name: item.Key, size: item.Size, etag: listedETag(item), modTime: item.ModTime}); err != nil {
			return err
		}
	}
}

// listedETag finds the ETag in what a provider lists; without one, size and modification time tell objects apart.
func listedETag(item *blob.ListObject) string {
	var inS3 types.Object
	var inGCS storage.ObjectAttrs
	var inAzure container.BlobItem
	switch {
	case item.As(&inS3) && inS3.ETag != nil:
		return plainETag(*inS3.ETag)
	case item.As(&inGCS):
		return plainETag(inGCS.Etag)
	case item.As(&inAzure) && inAzure.Properties != nil && inAzure.Properties.ETag != nil:
		return plainETag(string(*inAzure.Properties.ETag))
	}
	return ""
}

func (b *bucket) open(ctx context.Context, name string, start, length int64, want orchestrator.Object) (io.ReadCloser, error) {
	reader := &remoteReader{ctx: ctx, bucket: b, name: name, want: want, offset: start, rest: length}
	if length > 0 {
		return reader, reader.connect()
	}
	found, err := b.stat(ctx, name)
	if err != nil {
		return nil, err
	}
	return reader, unchanged(want, found)
}

// unchanged gives input_changed when an object is not the accepted one.
func unchanged(want orchestrator.Object, found entry) error {
	if difference := changed(want, found); difference != "" {
		return &Error{Code: CodeInputChanged, URI: want.URI, Message: difference}
	}
	return nil
}

// rangeReader opens a part of an object and checks that it is the accepted one. S3 says so in the same answer; of other
// providers the ETag is asked for first.
func (b *bucket) rangeReader(ctx context.Context, name string, start, length int64, want orchestrator.Object) (*blob.Reader, error) {
	if b.scheme != schemeS3 && want.ETag != "" {
		if err := b.check(ctx, name, want); err != nil {
			return nil, err
		}
	}
	reader, err := b.NewRangeReader(ctx, name, start, length, nil)
	if err != nil {
		return nil, errors.Join(b.checkAfter(ctx, name, want), err)
	}
	found := entry{size: reader.Size(), modTime: reader.ModTime()}
	var answer s3.GetObjectOutput
	if reader.As(&answer) && answer.ETag != nil {
		found.etag = plainETag(*answer.ETag)
	} else {
		want.ETag = "" // compared above
	}
	if err := unchanged(want, found); err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	return reader, nil
}

func (b *bucket) check(ctx context.Context, name string, want orchestrator.Object) error {
	found, err := b.Attributes(ctx, name)
	if err != nil {
		return err
	}
	return unchanged(want, entry{size: found.Size, etag: plainETag(found.ETag), modTime: found.ModTime})
}

// checkAfter explains why a range could not be opened: perhaps the object is another one now and does not have it.
func (b *bucket) checkAfter(ctx context.Context, name string, want orchestrator.Object) error {
	var problem *Error
	if err := b.check(ctx, name, want); errors.As(err, &problem) {
		return problem
	}
	return nil
}

func (b *bucket) remove(ctx context.Context, name string) error {
	_, err := retry(ctx, b.patience, func(ctx context.Context) (struct{}, error) {
		err := b.Delete(ctx, name)
		if gcerrors.Code(err) == gcerrors.NotFound {
			err = nil
		}
		return struct{}{}, err
	})
	return err
}

// remoteReader reads a range and continues where it stopped when the connection breaks or stalls.
type remoteReader struct {
	ctx      context.Context
	bucket   *bucket
	name     string
	want     orchestrator.Object
	offset   int64
	rest     int64
	reader   *blob.Reader
	cancel   context.CancelFunc // ends the request behind reader
	failures int                // since a byte was read
}

// connect opens the rest of the range. A request lives as long as it is read, so it is ended only when nothing comes.
func (r *remoteReader) connect() error {
	reader, err := backoff.Retry(r.ctx, func() (*blob.Reader, error) {
		ctx, cancel := context.WithCancel(r.ctx)
		r.cancel = cancel
		stalled := time.AfterFunc(r.bucket.patience, cancel)
		defer stalled.Stop()
		reader, err := r.bucket.rangeReader(ctx, r.name, r.offset, r.rest, r.want)
		if err != nil {
			cancel()
		}
		return reader, lasting(err)
	}, backoff.WithBackOff(waits()), backoff.WithMaxTries(mostTries))
	r.reader = reader
	return err
}

func (r *remoteReader) Read(buffer []byte) (int, error) {
	for {
		if r.rest == 0 {
			return 0, io.EOF
		}
		if r.reader == nil {
			if err := r.connect(); err != nil {
				return 0, readError(r.want.URI, err)
			}
		}
		count, err := r.readOnce(buffer[:min(int64(len(buffer)), r.rest)])
		r.offset += int64(count)
		r.rest -= int64(count)
		if count > 0 {
			r.failures = 0
			return count, nil
		}
		if err == nil {
			continue
		}
		if err := r.failed(err); err != nil {
			return 0, err
		}
	}
}

// readOnce gives up when nothing comes for too long.
func (r *remoteReader) readOnce(buffer []byte) (int, error) {
	stalled := time.AfterFunc(r.bucket.patience, r.cancel)
	defer stalled.Stop()
	return r.reader.Read(buffer)
}

// failed closes a broken connection and waits before the next one, or gives up.
func (r *remoteReader) failed(cause error) error {
	r.disconnect()
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	if r.failures++; r.failures >= mostTries {
		if cause == io.EOF {
			cause = fmt.Errorf("the store sent %d bytes fewer than it promised: %w", r.rest, io.ErrUnexpectedEOF)
		}
		return readError(r.want.URI, cause)
	}
	return wait(r.ctx, r.failures)
}

func (r *remoteReader) disconnect() {
	if r.reader != nil {
		r.cancel()
		_ = r.reader.Close() // it failed or is no longer wanted
		r.reader = nil
	}
}

func (r *remoteReader) Close() error {
	r.disconnect()
	return nil
}
