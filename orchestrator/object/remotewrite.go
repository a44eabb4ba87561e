package object

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"

	"cloud.google.com/go/storage"
	"github.com/aws/smithy-go"
	"gocloud.dev/blob"
)

const (
	// writeMark is the metadata that tells whose write an object is.
	writeMark = "nightshift_write"
	// uploadPart is the size of the parts of a larger upload. S3 allows 10,000 of them, so an object can have 160 GB.
	uploadPart = 16 << 20
	// uploadsAtOnce bounds the memory of one writer to this many parts and one.
	uploadsAtOnce = 2
)

// errAborted ends the bytes of an upload that was given up.
var errAborted = errors.New("the writer gave the object up")

// remoteSink uploads in a goroutine that ends with the upload. The provider makes the object visible when it is complete.
type remoteSink struct {
	bucket *bucket
	name   string
	mark   string
	bytes  int64
	pipe   *io.PipeWriter // to the upload
	done   chan error     // how the upload ended
	ended  bool           // done was read
	cancel context.CancelFunc
}

func (b *bucket) create(ctx context.Context, name string) (sink, error) {
	ctx, cancel := context.WithCancel(ctx)
	from, pipe := io.Pipe()
	upload := &remoteSink{bucket: b, name: name, mark: rand.Text(), pipe: pipe, done: make(chan error, 1), cancel: cancel}
	options := &blob.WriterOptions{
		BufferSize: uploadPart, MaxConcurrency: uploadsAtOnce, ContentType: "application/octet-stream", Metadata: map[string]string{writeMark: upload.mark},
		BeforeWrite: repeatRequests,
	}
	go func() {
		err := b.Upload(ctx, name, from, options)
		_ = from.CloseWithError(err) // for who still writes
		upload.done <- err
	}()
	return upload, nil
}

// repeatRequests has GCS requests of an upload tried again, like the others do by themselves. Google's SDK would not begin an
// upload twice, because it could not tell whose object lies there then; the mark can.
func repeatRequests(as func(any) bool) error {
	tries := 1 // since a part arrived
	var handle **storage.ObjectHandle
	if as(&handle) {
		*handle = (*handle).Retryer(storage.WithPolicy(storage.RetryAlways), storage.WithErrorFunc(func(err error) bool {
			tries++
			return tries <= requestTries && storage.ShouldRetry(err)
		}))
	}
	var writer *storage.Writer
	if as(&writer) {
		writer.ProgressFunc = func(int64) { tries = 1 }
	}
	return nil
}

func (r *remoteSink) Write(data []byte) (int, error) {
	count, err := r.pipe.Write(data)
	r.bytes += int64(count)
	return count, err
}

// commit completes the upload. A request that was repeated after it had succeeded fails, though the object is there: the
// mark tells.
func (r *remoteSink) commit(ctx context.Context) error {
	defer r.cancel()
	_ = r.pipe.Close() // always nil
	err := r.wait(ctx)
	if err == nil {
		return nil
	}
	landed, lookErr := retry(ctx, r.bucket.patience, func(ctx context.Context) (*blob.Attributes, error) { return r.bucket.Attributes(ctx, r.name) })
	if lookErr == nil && landed.Size == r.bytes && landed.Metadata[writeMark] == r.mark {
		return nil
	}
	return err
}

// wait gives the end of the upload, which it cancels when the caller's time is over.
func (r *remoteSink) wait(ctx context.Context) error {
	r.ended = true
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		r.cancel()
		return errors.Join(ctx.Err(), <-r.done)
	}
}

// abort gives the upload up. S3 is told so: a cancelled request would leave the parts of a large upload there for good. What
// remains when the connection is broken is for a lifecycle rule of the bucket (abort incomplete multipart uploads). GCS and
// Azure clear unfinished uploads away after a week.
func (r *remoteSink) abort(ctx context.Context) error {
	defer r.cancel()
	if r.ended {
		return nil
	}
	if r.bucket.scheme != schemeS3 {
		r.cancel()
	}
	_ = r.pipe.CloseWithError(errAborted) // always nil
	_ = r.wait(ctx)                       // says that it was aborted
	return nil
}

// isRemoteFull says whether a store refused for lack of space or quota.
func isRemoteFull(err error) bool {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		switch answer.ErrorCode() {
		case "QuotaExceeded", "ServiceQuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "NotEnoughSpace":
			return true
		}
	}
	return statusOf(err) == http.StatusInsufficientStorage
}
