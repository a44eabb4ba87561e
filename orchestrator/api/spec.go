package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document/notation"
)

// Spec is the request as it is kept with the job. Within becomes the deadline, counted from now. The request must be valid.
func (r SubmitRequest) Spec(now time.Time) orchestrator.JobSpec {
	return orchestrator.JobSpec{
		Name:         r.Name,
		Input:        r.Input,
		Format:       r.Format,
		Key:          r.Key,
		FinishBy:     finishBy(r.FinishBy, r.Within, now),
		Parameters:   r.Parameters,
		Labels:       r.Labels,
		OutputFormat: r.Output.Format,
		Output:       r.Output.Prefix,
		MaxCost:      r.MaxCost,
		Steps:        r.Steps,
	}
}

// Deadline is the new deadline, zero when none is asked for. The request must be valid.
func (r RetryRequest) Deadline(now time.Time) time.Time { return finishBy(r.FinishBy, r.Within, now) }

func finishBy(at time.Time, within string, now time.Time) time.Time {
	if within == "" {
		return at
	}
	duration, err := notation.ParseDuration(within)
	if err != nil {
		return at // Validate reported it
	}
	return now.Add(duration)
}

// Digest is the SHA-256, in hex, over the canonical JSON of the request without its idempotency key: two submits with one digest ask for the same.
func (r SubmitRequest) Digest() string {
	r.IdempotencyKey, r.FinishBy = "", r.FinishBy.UTC()
	canonical, err := json.Marshal(r)
	if err != nil {
		// Parameters that came as JSON can be written as JSON, and so can every other field.
		canonical = []byte(err.Error())
	}
	digest := sha256.Sum256(canonical)
	return hex.EncodeToString(digest[:])
}
