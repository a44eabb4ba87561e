// Command submit asks nightshift to score a day of transactions, and prints the job.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"

	"nightshift.dev/nightshift/orchestrator/api"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	job, err := submit(ctx, cmp.Or(os.Getenv("NATS_URL"), nats.DefaultURL))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // the program ends: nothing waits for the context
	}
	fmt.Println(job.ID, job.State)
}

func submit(ctx context.Context, address string) (api.Job, error) {
	conn, err := nats.Connect(address)
	if err != nil {
		return api.Job{}, fmt.Errorf("connect to %s: %w", address, err)
	}
	defer conn.Close()
	request, err := json.Marshal(api.SubmitRequest{
		Queue:          "fraud",
		Input:          []string{"s3://transactions/2026-11-20/*.jsonl"},
		Key:            "id",
		Within:         "5h",
		IdempotencyKey: "fraud-2026-11-20",
	})
	if err != nil {
		return api.Job{}, fmt.Errorf("encode the request: %w", err)
	}
	answer, err := conn.RequestWithContext(ctx, "nightshift.v1.default.jobs.submit", request)
	if err != nil {
		return api.Job{}, fmt.Errorf("submit: %w", err)
	}
	// The error of a refused request is an *api.Error.
	submitted, err := api.DecodeResponse[api.SubmitResponse](answer.Data)
	return submitted.Job, err
}
