package faults

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

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
	in.checkUnread(job, 40_000, 4000)
}

// checkUnread finds that the rows which could not be read are counted as failed, within so many, and that the error file has a line for each row
// that was read and one for the rest of each range.
func (in *installation) checkUnread(job api.Job, rows, within int64) {
	in.t.Helper()
	m := in.manifest(job)
	counts := m.Totals.Counts
	var unread, lines int64
	for _, part := range m.Parts {
		lines += part.Failed
		if part.Unread {
			unread++
		}
	}
	if unread == 0 || int64(counts.ShardsUnread) != unread || counts.BytesUnread == 0 || counts.RowsUnread == 0 {
		in.t.Errorf("%d parts say that they were not read; counts %+v", unread, counts)
	}
	if counts.RowsExact != (within == 0) || max(counts.RowsTotal-rows, rows-counts.RowsTotal) > within || counts.RowsDone+counts.RowsFailed != counts.RowsTotal {
		in.t.Errorf("counts = %+v, want %d rows in all, give or take %d", counts, rows, within)
	}
	if counts != job.Counts || counts.RowsFailed != lines+counts.RowsUnread {
		in.t.Errorf("the manifest counts %+v, the job %+v; %d rows have an error line of their own", counts, job.Counts, lines)
	}
	standIns := strings.Count(string(in.read(job.Errors)), "; this line stands for ")
	if int64(standIns) != unread || m.Totals.Errors.Rows != lines+unread {
		in.t.Errorf("%d of %d error lines stand for a range, want %d of %d", standIns, m.Totals.Errors.Rows, unread, lines+unread)
	}
}

// D5: rows behind a place that cannot be read are counted: exactly where the range is one of rows, by the bytes elsewhere.
func TestDamagedInputIsCounted(t *testing.T) {
	const rows = 60_000
	in := install(t, setting{rows: 10, ack: 5 * time.Second, before: func(dir string) {
		packed := gzipped(t, jsonlRows(rows))
		chance := random(t)
		for i := len(packed) / 2; i < len(packed); i++ {
			packed[i] = byte(chance.Uint32())
		}
		for name, content := range map[string][]byte{"damaged.jsonl.gz": packed, "damaged.parquet": damagedParquet(t, rows)} {
			if err := os.WriteFile(filepath.Join(dir, "in", name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}})
	for name, within := range map[string]int64{"damaged.jsonl.gz": rows / 10, "damaged.parquet": 0} {
		in.input = "file://" + filepath.Join(in.dir, "in", name)
		job := in.finish(in.submit(name).ID, 90*time.Second)
		if job.Failure == nil || job.Failure.Code != "corrupt_input" {
			t.Errorf("%s: job ended %s: %+v", name, job.State, job.Failure)
		}
		in.checkUnread(job, rows, within)
		t.Logf("%s: %+v", name, job.Counts)
	}
}

// damagedParquet has a row group in its middle that cannot be decoded.
func damagedParquet(t *testing.T, rows int) []byte {
	data := parquetRows(t, rows)
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	groups := file.Metadata().RowGroups
	at := groups[len(groups)/2].Columns[0].MetaData.DataPageOffset
	for i := range data[at : at+16] {
		data[at+int64(i)] = 0xff
	}
	return data
}
