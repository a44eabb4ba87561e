package object

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	azureblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/cenkalti/backoff/v5"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://

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
	switch at.scheme {
	case schemeS3:
		query, err := url.ParseQuery(at.query)
		if err != nil {
			return nil, err
		}
		return openS3(ctx, at.host, query)
	case schemeGCS:
		return openGCS(ctx, at.host, at.query)
	}
	return blob.OpenBucket(ctx, strings.TrimSuffix(name+"?"+at.query, "?"))
}

func (b *bucket) stat(ctx context.Context, name string) (entry, error) {
	return retry(ctx, b.patience, func(ctx context.Context) (entry, error) { return b.attributes(ctx, name) })
}

func (b *bucket) attributes(ctx context.Context, name string) (entry, error) {
	found, err := b.Attributes(ctx, name)
	if err != nil {
		return entry{}, err
	}
	return entry{name: name, size: found.Size, etag: cmp.Or(etagOf(found), plainETag(found.ETag)), modTime: found.ModTime}, nil
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
		if err := visit(entry{name: item.Key, size: item.Size, etag: etagOf(item), modTime: item.ModTime}); err != nil {
			return err
		}
	}
}

// etagOf finds in an answer of a provider what tells the contents of one name apart: the ETag, or in GCS the generation, because
// an ETag there changes with the metadata too and is another one where bytes are read. Without it, size and modification time
// decide.
func etagOf(answer interface{ As(any) bool }) string {
	var listedS3 types.Object
	var readS3 s3.GetObjectOutput
	var foundGCS storage.ObjectAttrs
	var readGCS *storage.Reader
	var listedAzure container.BlobItem
	var readAzure azureblob.DownloadStreamResponse
	switch {
	case answer.As(&listedS3) && listedS3.ETag != nil:
		return plainETag(*listedS3.ETag)
	case answer.As(&readS3) && readS3.ETag != nil:
		return plainETag(*readS3.ETag)
	case answer.As(&foundGCS):
		return strconv.FormatInt(foundGCS.Generation, 10)
	case answer.As(&readGCS):
		return strconv.FormatInt(readGCS.Attrs.Generation, 10)
	case answer.As(&listedAzure) && listedAzure.Properties != nil && listedAzure.Properties.ETag != nil:
		return plainETag(string(*listedAzure.Properties.ETag))
	case answer.As(&readAzure) && readAzure.ETag != nil:
		return plainETag(string(*readAzure.ETag))
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

// rangeReader opens a part of an object and checks that it is the accepted one: the same answer says which one it is. The bytes
// are those that are stored, also of an object that is marked as compressed: net/http would decompress what comes from Azure,
// and Google what comes from GCS.
func (b *bucket) rangeReader(ctx context.Context, name string, start, length int64, want orchestrator.Object) (*blob.Reader, error) {
	asStored := policy.WithHTTPHeader(ctx, http.Header{"Accept-Encoding": {"identity"}}) // Azure's
	reader, err := b.NewRangeReader(asStored, name, start, length, &blob.ReaderOptions{BeforeRead: readStored})
	if err != nil {
		return nil, errors.Join(b.checkAfter(ctx, name, want), err)
	}
	found := entry{size: reader.Size(), etag: etagOf(reader), modTime: reader.ModTime()}
	if err := unchanged(want, found); err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	return reader, nil
}

// readStored asks GCS for the bytes as they are stored.
func readStored(as func(any) bool) error {
	var handle **storage.ObjectHandle
	if as(&handle) {
		*handle = (*handle).ReadCompressed(true)
	}
	return nil
}

// checkAfter explains why a range could not be opened: perhaps the object is another one now and does not have it.
func (b *bucket) checkAfter(ctx context.Context, name string, want orchestrator.Object) error {
	found, err := b.attributes(ctx, name)
	if err != nil {
		return nil //nolint:nilerr // what failed before is the error
	}
	return unchanged(want, found)
}

func (b *bucket) remove(ctx context.Context, name string) error {
	_, err := retry(ctx, b.patience, func(ctx context.Context) (struct{}, error) {
		err := b.Delete(ctx, name)
		if isMissing(err) {
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
