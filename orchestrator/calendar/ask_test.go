package calendar

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// refusedAs gives the code and the text of a refusal.
func refusedAs(err error) string {
	var refused *api.Error
	if !errors.As(err, &refused) {
		return fmt.Sprint(err)
	}
	return string(refused.Code) + " " + refused.Error()
}

// SC25: a run that a user asks for is one job under one key, whoever dies, beside the timetable and while that is suspended; templates see the time that is named.
func TestTrigger(t *testing.T) {
	t.Parallel()
	w := begin(t, nightly+`, suspend: true`+input)
	c := w.leader(w.jobs)
	ask := func(c *Calendar, key string, at, now time.Time) (api.TriggerResponse, error) {
		return c.Trigger(t.Context(), "default", api.TriggerRequest{Name: "nightly", IdempotencyKey: key, At: at}, now)
	}
	answer, err := ask(c, "a", at("20 02:00:00"), at("02 12:00:00"))
	w.must(err)
	if answer.ID != "nightly/trigger/a" || answer.Repeated || answer.Job.Name != "of 20 02:00" {
		t.Errorf("the answer is %+v", answer)
	}
	again, err := ask(w.leader(w.jobs), "a", time.Time{}, at("02 12:00:01")) // another time is seen by no template
	w.must(err)
	if again.Job.ID != answer.Job.ID || !again.Repeated {
		t.Errorf("the same key gets %+v", again)
	}
	c.Pass(t.Context(), at("02 12:00:02"))
	w.expect("of 20 02:00 queued")

	// Between the store and the submit: what is asked again, and who looks next, make one job of it, the very same.
	if _, err := ask(w.leader(dying{w.jobs}), "b", time.Time{}, at("02 13:00:00")); err == nil {
		t.Error("who died has answered")
	}
	w.expect("of 20 02:00 queued")
	w.document(nightly + `, suspend: true` + strings.Replace(input, "of {{", "other {{", 1))
	next := w.leader(w.jobs)
	next.Pass(t.Context(), at("02 13:05:00"))
	w.expect("of 02 13:00 queued, of 20 02:00 queued")
	if again, err = ask(next, "b", time.Time{}, at("02 13:06:00")); err != nil || !again.Repeated {
		t.Errorf("asked again: %+v, %v", again, err)
	}
	w.end("nightly/trigger/a", orchestrator.JobSucceeded, 5)
	next.Pass(t.Context(), at("02 13:07:00"))
	if record := w.record("nightly"); len(record.Open) != 1 || len(record.Ended) != 1 || len(record.Ran) != 0 {
		t.Errorf("what ended is %+v, %+v; it says nothing of what comes by itself", record.Ended, record.Ran)
	}
	if _, err := ask(next, "a", time.Time{}, at("09 00:00:00")); err != nil {
		t.Error(err)
	}
	w.expect("of 02 13:00 queued, of 20 02:00 succeeded")
}

// SC25: what is refused leaves nothing behind.
func TestRefusedTrigger(t *testing.T) {
	t.Parallel()
	w := begin(t, nightly+strings.Replace(input, "rows.jsonl", "none.jsonl", 1), `others cron: "@daily"`)
	c := w.leader(w.jobs)
	c.Pass(t.Context(), at("01 12:00:00"))
	before := w.record("nightly")
	for name, want := range map[string]string{
		"nightly": "none.jsonl",
		"others":  "invalid name: schedule \"others\" submits nothing: its document has no spec.submit",
		"nihgtly": `not_found name: tenant "default" has no schedule "nihgtly"; did you mean nightly?`,
		"x":       `it has: nightly, others`,
	} {
		if _, err := c.Trigger(t.Context(), "default", api.TriggerRequest{Name: name, IdempotencyKey: "k"}, at("01 12:00:01")); !strings.Contains(refusedAs(err), want) {
			t.Errorf("trigger %s: %s, want %s", name, refusedAs(err), want)
		}
	}
	if _, err := c.Trigger(t.Context(), "other", api.TriggerRequest{Name: "nightly"}, at("01 12:00:01")); !strings.Contains(refusedAs(err), "not_found") {
		t.Errorf("another tenant: %v", err)
	}
	if after := w.record("nightly"); !same(before, after) {
		t.Errorf("the record is %+v, was %+v", after, before)
	}
}

// SC26: a pause holds over restarts, what is due meanwhile is skipped, and open runs go on.
func TestPause(t *testing.T) {
	t.Parallel()
	w := begin(t, nightly+input)
	c := w.leader(w.jobs)
	c.Pass(t.Context(), at("01 12:00:00"))
	c.Pass(t.Context(), at("02 02:00:00"))
	status, err := c.Pause(t.Context(), "default", "nightly", at("02 03:00:00"))
	w.must(err)
	if status.PausedAt.IsZero() || status.Next != nil || status.Suspended {
		t.Errorf("paused, it is %+v", status)
	}
	w.end(first, orchestrator.JobSucceeded, 5)
	other := w.leader(w.jobs)
	for _, now := range []string{"03 02:00:00", "04 02:00:00", "04 03:00:00"} {
		other.Pass(t.Context(), at(now))
	}
	if status, err = other.Pause(t.Context(), "default", "nightly", at("04 04:00:00")); err != nil || !status.PausedAt.Equal(at("02 03:00:00")) {
		t.Errorf("paused again: %+v, %v", status, err)
	}
	if len(other.Peaks(at("04 04:00:00"), Horizon)) > 0 {
		t.Error("peaks of a paused schedule")
	}
	if status, err = other.Resume(t.Context(), "default", "nightly", at("04 05:00:00")); err != nil || !status.PausedAt.IsZero() || status.Next == nil {
		t.Errorf("resumed, it is %+v, %v", status, err)
	}
	w.leader(w.jobs).Pass(t.Context(), at("05 02:00:00"))
	w.expect("of 02 02:00 succeeded, of 05 02:00 queued")
	if got, want := w.decided("nightly"), "submit 02T02:00 due, skip 03T02:00 suspended, skip 04T02:00 suspended, submit 05T02:00 due"; got != want {
		t.Errorf("decided: %s, want %s", got, want)
	}
}

// SC27: runs of the past that did not happen do, each once and one after another, also when who began them dies; those that did are skipped.
func TestBackfill(t *testing.T) {
	t.Parallel()
	w := begin(t, nightly+input)
	c := w.leader(w.jobs)
	c.Pass(t.Context(), at("04 12:00:00"))
	c.Pass(t.Context(), at("05 02:00:00"))
	w.end("nightly/2040-01-05T02:00[UTC]", orchestrator.JobPartiallyFailed, 5)
	c.Pass(t.Context(), at("06 02:00:00"))
	ask := func(c *Calendar, dry bool, from, to, now string) string {
		t.Helper()
		answer, err := c.Backfill(t.Context(), "default", api.BackfillRequest{Name: "nightly", From: at(from), To: at(to), DryRun: dry}, at(now))
		if err != nil {
			return refusedAs(err)
		}
		var lines []string
		for _, one := range answer.Runs {
			lines = append(lines, strings.TrimSpace(fmt.Sprint(one.Action, " ", one.Wall[8:10], " ", one.Code, " ", one.State)))
		}
		return strings.Join(lines, ", ")
	}
	expect := func(got, want string) {
		t.Helper()
		if got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	all := "submit 02 backfill, submit 03 backfill, submit 04 backfill, skip 05 ran partially_failed, skip 06 open queued"
	before := w.record("nightly")
	expect(ask(c, true, "02 02:00:00", "06 02:00:00", "06 03:00:00"), all) // both ends are included
	if !same(before, w.record("nightly")) {
		t.Error("a dry run has changed something")
	}
	expect(ask(c, false, "02 02:00:00", "06 02:00:00", "06 03:00:00"), all)
	expect(ask(c, false, "04 00:00:00", "05 00:00:00", "06 03:00:00"), "skip 04 waiting")
	c.Pass(t.Context(), at("06 03:00:01"))
	w.expect("of 05 02:00 partially_failed, of 06 02:00 queued") // overlap is Forbid
	w.end("nightly/2040-01-06T02:00[UTC]", orchestrator.JobSucceeded, 5)
	w.leader(dying{w.jobs}).Pass(t.Context(), at("06 04:00:00")) // between the store and the submit
	w.leader(w.jobs).Pass(t.Context(), at("06 04:01:00"))
	w.expect("of 02 02:00 queued, of 05 02:00 partially_failed, of 06 02:00 succeeded")
	w.end("nightly/2040-01-02T02:00[UTC]", orchestrator.JobSucceeded, 9)
	c = w.leader(w.jobs)
	c.Pass(t.Context(), at("06 04:02:00"))
	w.expect("of 02 02:00 succeeded, of 03 02:00 queued, of 05 02:00 partially_failed, of 06 02:00 succeeded")
	_, err := c.Pause(t.Context(), "default", "nightly", at("06 04:03:00"))
	w.must(err)
	w.end("nightly/2040-01-03T02:00[UTC]", orchestrator.JobSucceeded, 9)
	c.Pass(t.Context(), at("06 04:04:00"))
	_, err = c.Resume(t.Context(), "default", "nightly", at("06 04:05:00"))
	w.must(err)
	if waiting := w.record("nightly").Waiting; len(waiting) != 1 {
		t.Errorf("paused, %+v wait", waiting)
	}
	c.Pass(t.Context(), at("06 04:06:00"))
	w.expect("of 02 02:00 succeeded, of 03 02:00 succeeded, of 04 02:00 queued, of 05 02:00 partially_failed, of 06 02:00 succeeded")
	if ran := w.record("nightly").Ran; len(ran) != 4 || ran[0].Rows != 9 || ran[0].Wall.Day() != 2 || ran[3].Wall.Day() != 6 {
		t.Errorf("what came, by day: %+v", ran)
	}
	expect(ask(c, false, "06 00:00:00", "07 02:00:00", "06 05:00:00"), "invalid to: 2040-01-07T02:00:00Z; allowed: not after now, 2040-01-06T05:00:00Z")
	answer, err := c.Backfill(t.Context(), "default", api.BackfillRequest{Name: "nightly", From: at("01 00:00:00").AddDate(-2, 0, 0), To: at("01 00:00:00")}, at("06 05:00:00"))
	if !strings.Contains(refusedAs(err), "invalid from: more than 366 runs") || len(answer.Runs) > 0 {
		t.Errorf("two years: %v", err)
	}
}
