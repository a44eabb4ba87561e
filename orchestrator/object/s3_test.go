package object

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"gocloud.dev/blob"
)

// TestS3 runs against a server in this process; TestStores runs the same against server programs.
func TestS3(t *testing.T) {
	t.Parallel()
	on := s3Service
	on.backend = gofakes3.New(s3mem.New()).Server()
	testRemote(t, on)
}

var s3Service = service{
	scheme:   schemeS3,
	variable: "NIGHTSHIFT_TEST_S3_ENDPOINT",
	query:    func(address string) string { return "use_path_style=true&endpoint=http://" + address },
	makeBucket: func(ctx context.Context, direct *blob.Bucket, name string) error {
		_, err := s3Client(direct).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name})
		return err
	},
	dropBucket: func(ctx context.Context, direct *blob.Bucket, name string) error {
		_, err := s3Client(direct).DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name})
		return err
	},
	unfinished: func(ctx context.Context, direct *blob.Bucket, name string) (int, error) {
		uploads, err := s3Client(direct).ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &name})
		var answer smithy.APIError
		if errors.As(err, &answer) && answer.ErrorCode() == "NoSuchUpload" { // what gofakes3 says when there never was one
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		return len(uploads.Uploads), nil
	},
}

func s3Client(direct *blob.Bucket) *s3.Client {
	var client *s3.Client
	direct.As(&client)
	return client
}
