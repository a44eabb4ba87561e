package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// events gives the stored events of a job from its first, until the one of a final state.
func (in *installation) events(t *testing.T, tenant string, job api.Job) []jetstream.Msg {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	js, err := jetstream.New(in.conn)
	if err != nil {
		t.Fatal(err)
	}
	filter := fmt.Sprintf("nightshift.v1.%s.events.jobs.%s.%s.>", tenant, job.Queue, job.ID)
	consumer, err := js.OrderedConsumer(ctx, "NIGHTSHIFT_EVENTS", jetstream.OrderedConsumerConfig{FilterSubjects: []string{filter}})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	var stored []jetstream.Msg
	for {
		message, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			t.Fatalf("the events of %s end after %d without a final state: %v", job.ID, len(stored), err)
		}
		stored = append(stored, message)
		words := strings.Split(message.Subject(), ".")
		if orchestrator.JobState(words[len(words)-1]).Final() {
			return stored
		}
	}
}

// finish waits for the job's end as its events tell it.
func (in *installation) finish(t *testing.T, tenant string, job api.Job) api.Job {
	t.Helper()
	stored := in.events(t, tenant, job)
	var last api.Event
	if err := json.Unmarshal(stored[len(stored)-1].Data(), &last); err != nil {
		t.Fatal(err)
	}
	return last.Data
}

// A job's events are CloudEvents in the order of its states, with the trace of its submit, whatever case the client wrote the header in.
func TestEvents(t *testing.T) {
	t.Parallel()
	in := running(t)
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	message := nats.NewMsg("nightshift.v1.default.jobs.submit")
	message.Header["Traceparent"] = []string{trace}
	message.Data = fmt.Appendf(nil, `{"queue":"fraud","input":[%q]}`, in.more())
	submitted, err := send[api.SubmitResponse](t, in.conn, "jobs.submit", message)
	if err != nil {
		t.Fatal(err)
	}
	job := submitted.Job
	var states []string
	for _, stored := range in.events(t, "default", job) {
		states = append(states, checkEvent(t, stored, job, trace))
	}
	if want := []string{"queued", "validating", "planning", "running", "finalizing", "succeeded"}; !slices.Equal(states, want) {
		t.Errorf("states of the events = %v, want %v", states, want)
	}
}

// checkEvent answers the state that the event tells.
func checkEvent(t *testing.T, stored jetstream.Msg, job api.Job, trace string) string {
	t.Helper()
	conforms(t, "event", stored.Data())
	header := stored.Headers()
	if header.Get("content-type") != api.EventContentType || header.Get("traceparent") != trace {
		t.Errorf("headers = %v, want content-type %s and traceparent %s", header, api.EventContentType, trace)
	}
	var event map[string]any
	if err := json.Unmarshal(stored.Data(), &event); err != nil {
		t.Fatal(err)
	}
	data, _ := event["data"].(map[string]any)
	state, _ := data["state"].(string)
	for attribute, want := range map[string]string{
		"specversion": "1.0", "id": job.ID + "/0/" + state, "source": "/nightshift/default/fraud", "type": "dev.nightshift.job." + state,
		"subject": job.ID, "datacontenttype": "application/json", "traceparent": trace,
	} {
		if event[attribute] != want {
			t.Errorf("%s: %s = %v, want %q", stored.Subject(), attribute, event[attribute], want)
		}
	}
	if at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(event["time"])); err != nil || time.Since(at).Abs() > 10*time.Minute {
		t.Errorf("%s: time = %v, %v", stored.Subject(), event["time"], err)
	}
	if want := fmt.Sprintf("nightshift.v1.default.events.jobs.fraud.%s.%s", job.ID, state); stored.Subject() != want || header.Get(nats.MsgIdHdr) != event["id"] {
		t.Errorf("subject %s with message id %q, want %s with %v", stored.Subject(), header.Get(nats.MsgIdHdr), want, event["id"])
	}
	return state
}
