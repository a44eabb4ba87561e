package object

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/cenkalti/backoff/v5"
	"gocloud.dev/gcerrors"
	"google.golang.org/api/googleapi"
)

const (
	mostTries    = 4                // of one operation, each of which the provider's SDK may try again itself
	requestTries = 7                // of one request, by the SDK; six seconds together
	patience     = 60 * time.Second // for one try of a small operation, or without a byte while reading
	firstWait    = 100 * time.Millisecond
	mostWait     = 5 * time.Second
)

func waits() *backoff.ExponentialBackOff {
	between := backoff.NewExponentialBackOff()
	between.InitialInterval, between.MaxInterval = firstWait, mostWait
	return between
}

// retry repeats a small operation of a remote store until it succeeds, cannot succeed, or was tried often enough.
func retry[T any](ctx context.Context, patience time.Duration, operation func(ctx context.Context) (T, error)) (T, error) {
	return backoff.Retry(ctx, func() (T, error) {
		limited, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		result, err := operation(limited)
		return result, lasting(err)
	}, backoff.WithBackOff(waits()), backoff.WithMaxTries(mostTries))
}

// wait pauses before another try, longer from failure to failure.
func wait(ctx context.Context, failures int) error {
	between := waits()
	pause := between.NextBackOff()
	for range failures - 1 {
		pause = between.NextBackOff()
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lasting marks failures that another try would only repeat.
func lasting(err error) error {
	var known *Error
	switch gcerrors.Code(err) {
	case gcerrors.OK:
		return nil
	case gcerrors.NotFound, gcerrors.PermissionDenied, gcerrors.InvalidArgument, gcerrors.FailedPrecondition, gcerrors.AlreadyExists, gcerrors.Unimplemented:
		return backoff.Permanent(err)
	}
	status := statusOf(err)
	refused := status >= http.StatusBadRequest && status < http.StatusInternalServerError &&
		status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
	if refused || errors.As(err, &known) {
		return backoff.Permanent(err)
	}
	return err
}

// statusOf is the HTTP status of a provider's refusal, or 0.
func statusOf(err error) int {
	var inS3 *awshttp.ResponseError
	var inGCS *googleapi.Error
	var inAzure *azcore.ResponseError
	switch {
	case errors.As(err, &inS3):
		return inS3.HTTPStatusCode()
	case errors.As(err, &inGCS):
		return inGCS.Code
	case errors.As(err, &inAzure):
		return inAzure.StatusCode
	}
	return 0
}
