// Command submit asks nightshift to score a day of transactions, and prints the job.
package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"

	"nightshift.dev/nightshift/orchestrator/api"
)

func main() {
	job, err := submit(cmp.Or(os.Getenv("NATS_URL"), nats.DefaultURL))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(job.ID, job.State)
}

func submit(address string) (api.Job, error) {
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
	answer, err := conn.Request("nightshift.v1.default.jobs.submit", request, 30*time.Second)
	if err != nil {
		return api.Job{}, fmt.Errorf("submit: %w", err)
	}
	// The error of a refused request is an *api.Error.
	submitted, err := api.DecodeResponse[api.SubmitResponse](answer.Data)
	return submitted.Job, err
}
