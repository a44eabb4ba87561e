package faults

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

func kill9(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) } // it may have ended at this moment

func (in *installation) awaitWaiting(id, code string) api.Job {
	in.t.Helper()
	var job api.Job
	in.eventually("the job says that it waits for "+code, 30*time.Second, func() bool {
		job = in.job(id)
		return job.Waiting != nil && job.Waiting.Code == code
	})
	return job
}

// D2: an output that cannot be written holds the job up and says so; once it can, everything is there.
func TestUnwritableOutputHoldsTheJobUp(t *testing.T) {
	in := install(t, setting{rows: 3000, ack: 2 * time.Second, before: func(dir string) {
		if err := os.WriteFile(filepath.Join(dir, "out"), []byte("a file where a folder should be"), 0o600); err != nil {
			t.Fatal(err)
		}
	}})
	job := in.submit("k")
	in.awaitWaiting(job.ID, "output_unwritable")
	if err := os.Remove(filepath.Join(in.dir, "out")); err != nil {
		t.Fatal(err)
	}
	in.check(in.finish(job.ID, 90*time.Second), 3000)
}

// D1: a full disk holds the job up and says so; once there is room, everything is there.
func TestFullDiskHoldsTheJobUp(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("root is missing: this test mounts a small file system")
	}
	in := install(t, setting{rows: 20_000, pause: .02, ack: 2 * time.Second, before: func(dir string) {
		out := filepath.Join(dir, "out")
		if err := os.Mkdir(out, 0o755); err != nil {
			t.Fatal(err)
		}
		if text, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", out).CombinedOutput(); err != nil {
			t.Skipf("the right to mount is missing: %s", text)
		}
		t.Cleanup(func() { _ = syscall.Unmount(out, syscall.MNT_DETACH) })
		if err := os.WriteFile(filepath.Join(out, "filler"), make([]byte, 1_700_000), 0o600); err != nil {
			t.Fatal(err)
		}
	}})
	job := in.submit("k")
	in.awaitWaiting(job.ID, "output_full")
	if err := os.Remove(filepath.Join(in.dir, "out", "filler")); err != nil {
		t.Fatal(err)
	}
	in.check(in.finish(job.ID, 120*time.Second), 20_000)
}

// D5: an input that changes after the submit fails what was not read yet, and says what changed.
func TestChangedInputIsNotScored(t *testing.T) {
	in := install(t, setting{rows: 40_000, pause: .05, ack: 2 * time.Second})
	job := in.submit("k")
	file, err := os.OpenFile(filepath.Join(in.dir, "in", "rows.jsonl"), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(plainRow(40_000) + "\n"); err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	job = in.finish(job.ID, 90*time.Second)
	if job.State == orchestrator.JobSucceeded || job.Failure == nil || job.Failure.Code != "input_changed" || !strings.Contains(job.Failure.Message, "rows.jsonl") {
		t.Errorf("job ended %s: %+v", job.State, job.Failure)
	}
}
