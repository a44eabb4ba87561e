package api

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
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

// D1, D3: a queue whose pool is switched off gets workers under other documents, and nothing is applied. D4: mistakes are refused by name.
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
