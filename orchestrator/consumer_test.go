package orchestrator_test

import (
	"encoding/json"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

func TestWordOfAConsumer(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		state orchestrator.WorkerState
		grace time.Duration
	}{
		`{}`:                            {orchestrator.WorkerUnknown, 0},
		`{"busy":false}`:                {orchestrator.WorkerIdle, 0},
		`{"busy":true}`:                 {orchestrator.WorkerBusy, 0},
		`{"busy":true,"grace":"30s"}`:   {orchestrator.WorkerBusy, 30 * time.Second},
		`{"busy":true,"grace":"60s"}`:   {orchestrator.WorkerBusy, time.Minute},
		`{"busy":true,"grace":"61s"}`:   {orchestrator.WorkerBusy, 0},
		`{"busy":true,"grace":"-1s"}`:   {orchestrator.WorkerBusy, 0},
		`{"busy":true,"grace":"a bit"}`: {orchestrator.WorkerBusy, 0},
	} {
		var word orchestrator.ConsumerWord
		if err := json.Unmarshal([]byte(text), &word); err != nil {
			t.Fatal(err)
		}
		if state, grace := word.State(), word.GraceWithin(time.Minute); state != want.state || grace != want.grace {
			t.Errorf("%s: %s, grace %s; want %s, %s", text, state, grace, want.state, want.grace)
		}
	}
}
