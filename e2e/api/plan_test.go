package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/record"
	"nightshift.dev/nightshift/orchestrator/replay"
)

// tell runs a command of nightshift as a tenant, and gives what it prints and its exit code.
func (in *installation) tell(t *testing.T, tenant string, args ...string) (string, int) {
	t.Helper()
	run := exec.CommandContext(t.Context(), program, append([]string{"--nats", in.url, "--tenant", tenant}, args...)...)
	run.Env = append(os.Environ(), "XDG_CONFIG_HOME="+t.TempDir(), "HOME="+t.TempDir())
	output, err := run.CombinedOutput()
	if err != nil && run.ProcessState == nil {
		t.Fatal(err)
	}
	return string(output), run.ProcessState.ExitCode()
}

// A1, A3: a queue whose pool is switched off gets workers under other documents, and nothing is applied. A4: mistakes are refused by name.
func TestPlan(t *testing.T) {
	t.Parallel()
	in := running(t)
	job := must[api.SubmitResponse](t, in.conn, "payments", "jobs.submit", fields{"queue": "wait", "input": []string{in.more()}}).Job
	before := must[api.GetResponse](t, in.conn, "payments", "jobs.get", fields{"id": job.ID}).Job
	what := fields{"changes": []string{"pool/off.replicas.max=3", "price.off=2x"}, "finishBy": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}
	answer := must[api.PlanResponse](t, in.conn, "payments", "plan", what)
	grown := false
	for _, pool := range answer.Pools {
		if pool.Name == "off" {
			grown = pool.Differs && pool.Now == 0 && pool.Then > 0 && pool.Then <= 3 && len(pool.Reasons) > 0
		}
	}
	if !grown || !answer.Different || len(answer.Jobs) == 0 || answer.Jobs[0].ThenDeadline.IsZero() {
		t.Errorf("plan = %+v", answer)
	}
	if jobs := must[api.PlanResponse](t, in.conn, "pages", "plan", what).Jobs; strings.Contains(fmt.Sprint(jobs), job.ID) {
		t.Errorf("tenant pages is shown %+v", jobs)
	}
	if text, code := in.tell(t, "payments", "plan", "-q", "wait", "--what-if", "pool/off.replicas.max=3", "--what-if", "finish-by=05:00"); code != 1 || !strings.Contains(text, job.ID) {
		t.Errorf("exit code %d:\n%s", code, text)
	}
	if text, code := in.tell(t, "payments", "plan", "-q", "wait", "--what-if", "price.off=1x"); code != 0 || text != "nothing would change\n" {
		t.Errorf("exit code %d:\n%s", code, text)
	}
	text, code := in.tell(t, "payments", "plan", "--what-if", "pool/off.replicas.mx=3", "--what-if", "queue/wait.limits.maxWorkers=-1")
	if code != 2 || !strings.Contains(text, "did you mean max?") || !strings.Contains(text, "queue/wait: limits.maxWorkers: -1") {
		t.Errorf("exit code %d:\n%s", code, text)
	}
	refused(t, in.conn, "payments", "plan", fields{"queue": "nowhere"}, api.CodeNotFound)
	after := must[api.GetResponse](t, in.conn, "payments", "jobs.get", fields{"id": job.ID}).Job
	if !after.Deadline.Equal(before.Deadline) || after.State != orchestrator.JobQueued && !after.State.Open() {
		t.Errorf("the job has become %+v", after)
	}
}

// K5, B2, B3: a job that ran for real is on record within seconds, and is played again under another price, from a saved file too.
func TestReplay(t *testing.T) {
	t.Parallel()
	in := running(t)
	job := must[api.SubmitResponse](t, in.conn, "default", "jobs.submit", fields{"queue": "fraud", "input": []string{in.more()}}).Job
	eventually(t, "the job is done", time.Minute, func(context.Context) bool {
		return must[api.GetResponse](t, in.conn, "default", "jobs.get", fields{"id": job.ID}).Job.State == orchestrator.JobSucceeded
	})
	must[api.SubmitResponse](t, in.conn, "default", "jobs.submit", fields{"queue": "fraud", "input": []string{in.more()}}) // so that it is decided at once
	var now replay.Comparison
	ended := func(one replay.Job) bool { return !one.Recorded.IsZero() } // whosever it is: one that comes and goes between two records is not known
	eventually(t, "a job and its end are recorded", 3*time.Minute, func(context.Context) bool {
		text, code := in.tell(t, "default", "replay", "--since", "1h", "-o", "json")
		if code != 0 {
			return false // nothing is stored yet
		}
		now = replay.Comparison{}
		if err := json.Unmarshal([]byte(text), &now); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return slices.ContainsFunc(now.Jobs, ended)
	})
	known := now.Jobs[slices.IndexFunc(now.Jobs, ended)].ID
	if now.Open.Compared == 0 || now.Recorded.Hours <= 0 || now.Simulated.Hours <= 0 || now.Changed != nil {
		t.Errorf("replay = %+v", now)
	}
	file := filepath.Join(t.TempDir(), "night.records")
	if text, code := in.tell(t, "default", "replay", "--since", "1h", "--save", file); code != 0 || !strings.Contains(text, "RECORDED") || !strings.Contains(text, known) {
		t.Errorf("exit code %d: %s", code, text)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := record.Read(bytes.NewReader(data), func(documents string, _ record.Decision) error {
		if strings.Contains(documents, "s3://") || strings.Contains(documents, "fraud:Fraud") {
			t.Errorf("K2: the recorded documents say more than decisions need:\n%s", documents)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	text, code := in.tell(t, "default", "replay", file, "--what-if", "price.local=2x", "-o", "json")
	then := replay.Comparison{}
	if err := json.Unmarshal([]byte(text), &then); err != nil || code != 0 {
		t.Fatalf("%v, exit code %d: %s", err, code, text)
	}
	if then.Changed == nil || len(then.Changed.Cost) != 1 || then.Changed.Cost[0].Micros < then.Simulated.Cost[0].Micros*19/10 {
		t.Errorf("at twice the price: %+v, before %+v", then.Changed, then.Simulated)
	}
	if text, code := in.tell(t, "default", "replay", file, "--what-if", "pool/lokal.replicas.max=1"); code != 1 || !strings.Contains(text, "did you mean pool/local?") {
		t.Errorf("exit code %d: %s", code, text)
	}
}
