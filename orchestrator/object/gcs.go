package object

import (
	"context"
	"net/url"
	"os"
	"strconv"

	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/gcp"
)

// openGCS opens a bucket. Parameters are those of gocloud.dev/blob/gcsblob, among them anonymous and universe_domain. Credentials that are
// missing are an error here: gocloud.dev would print a warning to standard output, where results may go, and ask without them.
func openGCS(ctx context.Context, name, query string) (*blob.Bucket, error) {
	at, err := url.Parse(schemeGCS + "://" + name + "?" + query)
	if err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)                               // credentials are renewed with it as long as the bucket is open
	anonymous, _ := strconv.ParseBool(at.Query().Get("anonymous")) // anything else is refused by the opener
	if anonymous || at.Query().Get("access_id") == "-" {
		return new(gcsblob.URLOpener).OpenBucketURL(ctx, at)
	}
	if os.Getenv("STORAGE_EMULATOR_HOST") == "" {
		if _, err := gcp.DefaultCredentials(ctx); err != nil {
			return nil, err
		}
	}
	return blob.OpenBucket(ctx, at.String())
}
