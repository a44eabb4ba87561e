package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// marked makes rows of which some tell the scorer what to do.
func marked(marks map[int]string) func(int) string {
	return func(i int) string {
		if mark, ok := marks[i]; ok {
			return fmt.Sprintf(`{"id":"r%07d","n":%d,"do":%q}`, i, i, mark)
		}
		return plainRow(i)
	}
}

// P1, P2, P3: rows that kill the scorer, make it hang, print rubbish, answer short, or eat memory are found one by one; all others are scored.
func TestBadRowsAreFoundAndAllOthersScored(t *testing.T) {
	marks := map[int]string{17: "die", 1500: "raise", 2900: "hang", 4100: "rubbish", 5300: "count", 6600: "eat"}
	in := install(t, setting{rows: 8000, ack: 5 * time.Second, row: marked(marks)})
	job := in.finish(in.submit("k").ID, 180*time.Second)
	in.check(job, 8000, 17, 1500, 2900, 4100, 5300, 6600)
	lines, err := os.ReadFile(strings.TrimPrefix(job.Errors, "file://"))
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for line := range strings.Lines(string(lines)) {
		_, rest, _ := strings.Cut(line, `"code":"`)
		code, _, _ := strings.Cut(rest, `"`)
		codes = append(codes, code)
	}
	if want := []string{"crash", "ValueError", "hang", "protocol", "wrong_row_count", "memory_limit"}; !slices.Equal(codes, want) {
		t.Errorf("codes = %v, want %v\n%s", codes, want, lines)
	}
}

// P4: a model that does not load fails the job with the scorer's last words; once it is mended, a retry does everything.
func TestModelThatDoesNotLoadFailsTheJob(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	in := install(t, setting{rows: 2000, ack: 2 * time.Second, broken: broken})
	job := in.finish(in.submit("k").ID, 60*time.Second)
	if job.State != orchestrator.JobFailed || job.Failure == nil || job.Failure.Code != "load_failed" || !strings.Contains(job.Failure.Message, "the model file is broken") {
		t.Fatalf("job ended %s: %+v", job.State, job.Failure)
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	in.retry(job.ID)
	in.check(in.finish(job.ID, 90*time.Second), 2000)
}

func (in *installation) retry(id string) {
	in.t.Helper()
	if _, err := request[api.RetryResponse](in, "jobs.retry", map[string]any{"id": id}); err != nil {
		in.t.Fatalf("retry %s: %v", id, err)
	}
}

// Retry scores only what failed: the row whose code was mended is scored, every other row keeps its result.
func TestRetryScoresOnlyWhatFailed(t *testing.T) {
	in := install(t, setting{rows: 5000, ack: 2 * time.Second, row: marked(map[int]string{7: "raise", 4999: "raise"})})
	job := in.finish(in.submit("k").ID, 60*time.Second)
	in.check(job, 5000, 7, 4999)
	source, err := os.ReadFile(filepath.Join(in.dir, "echo.py"))
	if err != nil {
		t.Fatal(err)
	}
	// The mended scorer refuses to be shown a row that was scored before.
	mended := strings.ReplaceAll(string(source), `raise ValueError("told to")`, "pass")
	mended = strings.ReplaceAll(mended, "        time.sleep(self.pause)\n", "        assert all(batch[\"do\"]), \"a scored row came again\"\n")
	if err := os.WriteFile(filepath.Join(in.dir, "echo.py"), []byte(mended), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, pid := range in.workers() { // they have the old code loaded
		kill9(pid)
	}
	in.retry(job.ID)
	in.check(in.finish(job.ID, 60*time.Second), 5000)
}

// R6: cancel ends a job in the middle; a retry scores the rest.
func TestCancelledJobIsFinishedByARetry(t *testing.T) {
	in := install(t, setting{rows: 40_000, pause: .05, ack: 2 * time.Second})
	job := in.submit("k")
	in.eventually("some shards are done", 30*time.Second, func() bool { return in.job(job.ID).Counts.ShardsDone > 2 })
	answer, err := request[api.CancelResponse](in, "jobs.cancel", map[string]any{"id": job.ID})
	if err != nil || answer.Job.State != orchestrator.JobCancelled {
		t.Fatalf("cancel: %v, %v", answer.Job.State, err)
	}
	done := answer.Job.Counts.ShardsDone
	in.retry(job.ID)
	job = in.finish(job.ID, 90*time.Second)
	in.check(job, 40_000)
	if job.Epoch != 1 || done == 0 {
		t.Errorf("epoch %d after %d shards were done", job.Epoch, done)
	}
}
