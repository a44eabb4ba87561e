package object

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	awsretry "github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	gcaws "gocloud.dev/aws"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"
)

const s3AnswerWithin = 60 * time.Second

// openS3 opens a bucket. Parameters: endpoint (URL of a service that is not AWS), use_path_style (true for services that have
// the bucket in the path), and those of gocloud.dev/aws, among them region, profile, role, anonymous, dualstack, fips,
// request_checksum_calculation (when_required for services that do not know checksums of the newer SDKs).
func openS3(ctx context.Context, name string, query url.Values) (*blob.Bucket, error) {
	endpoint := query.Get("endpoint")
	pathStyle := false
	if text := query.Get("use_path_style"); text != "" {
		var err error
		if pathStyle, err = strconv.ParseBool(text); err != nil {
			return nil, err
		}
	}
	query.Del("endpoint")
	query.Del("use_path_style")
	config, err := gcaws.V2ConfigFromURLParams(ctx, query)
	if err != nil {
		return nil, err
	}
	config.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(transport *http.Transport) {
		transport.ResponseHeaderTimeout = s3AnswerWithin
	})
	client := s3.NewFromConfig(config, func(options *s3.Options) {
		options.UsePathStyle = pathStyle
		if endpoint != "" {
			options.BaseEndpoint = aws.String(endpoint)
		}
		options.Retryer = awsretry.NewStandard(func(standard *awsretry.StandardOptions) {
			standard.MaxAttempts, standard.RateLimiter = requestTries, ratelimit.None
			standard.Backoff = awsretry.BackoffDelayerFunc(s3Wait)
			standard.Retryables = append(standard.Retryables, awsretry.IsErrorRetryableFunc(answerBrokeOff))
		})
		options.Logger = logging.Nop{} // failures are returned, not printed
	})
	return s3blob.OpenBucket(ctx, client, name, &s3blob.Options{RequestChecksumCalculation: config.RequestChecksumCalculation})
}

// s3Wait doubles from 100 ms, and takes a random half away so that workers do not come back together.
func s3Wait(attempt int, _ error) (time.Duration, error) {
	full := min(firstWait<<min(attempt, 10), mostWait)
	return full/2 + rand.N(full/2), nil
}

// answerBrokeOff makes the SDK ask again when the connection ended in the middle of an answer.
func answerBrokeOff(err error) aws.Ternary {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}
