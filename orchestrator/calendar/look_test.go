package calendar

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/schedules"
)

const first, second = "nightly/2040-01-02T02:00[UTC]", "nightly/2040-01-03T02:00[UTC]"

// SC10, SC12, SC23, SC24: an occurrence becomes one job, whoever looks how often; the next waits until that has ended, and what came with it is what is expected then.
func TestOccurrenceBecomesAJob(t *testing.T) {
	t.Parallel()
	w := begin(t, nightly+`, objective: {finishBy: "06:00"}`+input)
	c := w.leader(w.jobs)
	for _, now := range []string{"01 12:00:00", "02 01:59:59"} {
		if next := c.Pass(t.Context(), at(now)); next.After(at("02 02:00:00")) && now[:2] == "02" {
			t.Errorf("after %s it looks at %s", now, next)
		}
	}
	w.expect("")
	if next := c.Pass(t.Context(), at("02 02:00:00")); next.Sub(at("02 02:00:00")) > openPause {
		t.Errorf("with an open run it looks again at %s", next)
	}
	w.expect("of 02 02:00 queued")
	c.Pass(t.Context(), at("02 02:00:01"))
	w.leader(w.jobs).Pass(t.Context(), at("02 02:00:02"))
	w.expect("of 02 02:00 queued")
	job, err := w.jobs.ByKey(t.Context(), "default", "nightly", first)
	w.must(err)
	if job.Spec.Labels[Label] != "nightly" || job.Spec.Key != "id" || !job.Deadline.Equal(at("02 06:00:00")) {
		t.Errorf("the job is %+v", job.Spec)
	}
	c.Pass(t.Context(), at("03 02:00:00"))
	w.expect("of 02 02:00 queued")
	w.end(first, orchestrator.JobSucceeded, 1234)
	c.Pass(t.Context(), at("03 02:00:01"))
	w.expect("of 02 02:00 succeeded, of 03 02:00 queued")
	if got, want := w.decided("nightly"), "submit 02T02:00 due, wait 03T02:00 overlap, submit 03T02:00 due"; got != want {
		t.Errorf("decided: %s, want %s", got, want)
	}
	list, err := c.List(t.Context(), "default", "nightly", at("03 02:00:02"))
	w.must(err)
	if one := list[0]; one.Rows != 1234 || one.RowsHigh != 1480 || one.RowsBasis != "learned" || len(one.Open) != 1 || one.Open[0].ID != second || one.Open[0].Job == "" ||
		len(one.Ended) != 1 || one.Ended[0].ID != first || one.Ended[0].Rows != 1234 || !one.Next.At.Equal(at("04 02:00:00")) || len(one.Decisions) != 3 || one.Decisions[0].ID != second {
		t.Errorf("it is shown as %+v", one)
	}
	if peaks := c.Peaks(at("03 02:00:02"), Horizon); len(peaks) != 2 || peaks[0].Identity != second || peaks[0].Arrived != 0 && peaks[0].Arrived != -1 || peaks[1].Rows != 1234 {
		t.Errorf("peaks: %+v", peaks)
	}
}

// SC10: who dies before the store has decided nothing; who dies between the store and the submit is followed by one who submits the very same, also when the documents have changed meanwhile; who dies
// after the submit is followed by one who makes no second job.
func TestDeathsAroundTheStore(t *testing.T) {
	t.Parallel()
	w := begin(t, nightly+input)
	w.leader(w.jobs).Pass(t.Context(), at("01 12:00:00"))

	// Before the store.
	dead := w.leader(w.jobs)
	entry := dead.entries[0]
	before, _, err := dead.read(t.Context(), "nightly")
	w.must(err)
	entry.record = before
	if after, list, _ := entry.decided(before, nil, at("02 02:00:00")); len(list) != 1 || len(after.Open) != 1 {
		t.Fatalf("decided %+v", list)
	}
	if got := w.record("nightly"); len(got.Open) > 0 {
		t.Fatalf("the record is %+v", got)
	}

	// Between the store and the submit.
	w.leader(dying{w.jobs}).Pass(t.Context(), at("02 02:00:01"))
	w.expect("")
	stored := w.record("nightly")
	if len(stored.Open) != 1 || stored.Submissions[first].Request.Name != "of 02 02:00" {
		t.Fatalf("the record is %+v", stored)
	}
	w.document(nightly + strings.Replace(input, "of {{", "other {{", 1))
	c := w.leader(w.jobs)
	c.Pass(t.Context(), at("02 02:00:40"))
	w.expect("of 02 02:00 queued")

	// After the submit.
	w.leader(w.jobs).Pass(t.Context(), at("02 02:01:00"))
	w.expect("of 02 02:00 queued")
	w.end(first, orchestrator.JobFailed, 7)
	w.leader(w.jobs).Pass(t.Context(), at("03 02:00:00"))
	w.expect("of 02 02:00 failed, other 03 02:00 queued")
	if got := w.record("nightly"); len(got.Ended) != 1 || got.Ended[0].State != orchestrator.JobFailed || len(got.Ran) != 0 {
		t.Errorf("of a job that has failed is kept %+v, %+v", got.Ended, got.Ran)
	}
}

// SC10: leaders that look at the same time over many days: each occurrence is decided once and is one job.
func TestTwoLeaders(t *testing.T) {
	t.Parallel()
	w := begin(t, `nightly cron: "*/20 * * * *", overlap: Allow, missed: all, missedWithin: 2d`+input)
	leaders := []*Calendar{w.leader(w.jobs), w.leader(w.jobs), w.leader(w.jobs)}
	leaders[0].Pass(t.Context(), at("01 00:00:00"))
	for now := at("01 00:00:00"); !now.After(at("01 12:00:00")); now = now.Add(10 * time.Minute) {
		var looking sync.WaitGroup
		for i, c := range leaders {
			looking.Go(func() { c.Pass(t.Context(), now.Add(-time.Duration(i)*time.Millisecond)) }) // clocks differ
		}
		looking.Wait()
	}
	var want []string
	for now := at("01 00:20:00"); !now.After(at("01 12:00:00")); now = now.Add(20 * time.Minute) {
		want = append(want, now.Format("of 02 15:04")+" queued")
	}
	leaders[0].Pass(t.Context(), at("01 12:00:01"))
	w.expect(strings.Join(want, ", "))
	record := w.record("nightly")
	seen := map[string]bool{}
	for _, one := range record.Decided {
		if seen[one.ID] || one.Code != "due" && one.Code != "missed" {
			t.Errorf("%s is decided twice, or otherwise: %+v", one.ID, one)
		}
		seen[one.ID] = true
	}
	if len(record.Decided) != mostDecided || len(record.Open) != 36 {
		t.Errorf("%d decisions are kept, and %d runs are open", len(record.Decided), len(record.Open))
	}
}

// SC14: the run that a later one replaces is cancelled, also by who comes after a death, and says why.
func TestReplacedRunIsCancelled(t *testing.T) {
	t.Parallel()
	w := begin(t, nightly+`, overlap: Replace`+input)
	c := w.leader(w.jobs)
	for _, now := range []string{"01 12:00:00", "02 02:00:00", "02 02:00:01"} {
		c.Pass(t.Context(), at(now))
	}
	w.leader(dying{w.jobs}).Pass(t.Context(), at("03 02:00:00"))
	w.expect("of 02 02:00 queued")
	after := w.leader(w.jobs)
	after.Pass(t.Context(), at("03 02:00:40"))
	w.expect("of 02 02:00 cancelled, of 03 02:00 queued")
	job, err := w.jobs.ByKey(t.Context(), "default", "nightly", first)
	w.must(err)
	if job.Failure == nil || job.Failure.Code != "cancelled" || !strings.Contains(job.Failure.Message, "replaces it") {
		t.Errorf("it failed by %+v", job.Failure)
	}
	after.Pass(t.Context(), at("03 02:00:41"))
	if record := w.record("nightly"); len(record.Open) != 1 || len(record.Submissions) != 1 {
		t.Errorf("open are %+v, submissions %+v", record.Open, record.Submissions)
	}
}

// SC17, SC28: input that is not there yet is waited for, the reason is kept, and the job has a deadline that is not past.
func TestInputComesLate(t *testing.T) {
	t.Parallel()
	w := begin(t, nightly+`, objective: {finishWithin: 1h}`+strings.Replace(input, "rows.jsonl", "late.jsonl", 1))
	c := w.leader(w.jobs)
	for _, now := range []string{"01 12:00:00", "02 02:00:00", "02 02:00:01", "02 02:00:40"} {
		c.Pass(t.Context(), at(now))
	}
	w.expect("")
	list, err := c.List(t.Context(), "default", "", at("02 02:01:00"))
	w.must(err)
	if open := list[0].Open; len(open) != 1 || !strings.Contains(open[0].Problem, "late.jsonl") || open[0].Job != "" {
		t.Errorf("open: %+v", open)
	}
	if got, want := w.decided("nightly"), "submit 02T02:00 due, wait 02T02:00 refused"; got != want {
		t.Errorf("decided: %s, want %s", got, want)
	}
	w.must(os.WriteFile(filepath.Join(w.dir, "late.jsonl"), []byte(`{"id":"a"}`+"\n"), 0o600))
	c.Pass(t.Context(), at("02 02:00:45"))
	w.expect("") // it is not tried every second
	c.Pass(t.Context(), at("02 04:00:00"))
	w.expect("of 02 02:00 queued")
	job, err := w.jobs.ByKey(t.Context(), "default", "nightly", first)
	w.must(err)
	if !job.Deadline.IsZero() {
		t.Errorf("its deadline is %s, which is past", job.Deadline)
	}
	c.Pass(t.Context(), at("02 04:00:01"))
	if list, err = c.List(t.Context(), "default", "", at("02 04:00:01")); err != nil || list[0].Open[0].Problem != "" || list[0].Open[0].Job != job.ID {
		t.Errorf("open: %+v, %v", list[0].Open, err)
	}
}

// SC18: the record of a schedule that is never without news, and of one that submits nothing.
func TestRecordsAreBounded(t *testing.T) {
	t.Parallel()
	var record Record
	for i := range 2000 {
		record.keep(Decided{ID: fmt.Sprint(i)})
		one := schedules.Open{Occurrence: schedules.Occurrence{ID: fmt.Sprint(i), Wall: at("01 00:00:00").Add(time.Duration(i) * time.Minute)}}
		record.end(one, orchestrator.Job{State: orchestrator.JobSucceeded})
	}
	if len(record.Decided) != mostDecided || record.Decided[mostDecided-1].ID != "1999" {
		t.Errorf("%d decisions are kept", len(record.Decided))
	}
	if len(record.Ended) != mostEnded || record.Ended[0].ID != fmt.Sprint(2000-mostEnded) || len(record.Ran) != mostRan {
		t.Errorf("%d runs are kept, and the rows of %d", len(record.Ended), len(record.Ran))
	}
	w := begin(t, `others cron: "* * * * *"`, `large cron: "0 2 * * *", submit: {input: [`+strings.TrimSuffix(strings.Repeat(`"DIR/`+strings.Repeat("x", 900)+`",`, 10), ",")+`]}`)
	c := w.leader(w.jobs)
	c.Pass(t.Context(), at("01 12:00:00"))
	c.Pass(t.Context(), at("02 02:00:00"))
	w.expect("")
	if _, revision, err := c.read(t.Context(), "others"); err != nil || revision != 0 {
		t.Errorf("a schedule that submits nothing has a record: %d, %v", revision, err)
	}
	if got := w.record("large").Submissions["large/2040-01-02T02:00[UTC]"].Problem; !strings.Contains(got, "bytes when it is filled in; allowed: at most 8192") {
		t.Errorf("a job that is too large: %s", got)
	}
}
