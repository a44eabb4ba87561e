package raycluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nightshift.dev/nightshift/e2e/clustertest"
)

// serveWithLease starts a service that stands by or serves, whoever holds the Lease first.
func (in *installation) serveWithLease(name string) (*exec.Cmd, *bytes.Buffer) {
	in.Helper()
	said := &bytes.Buffer{}
	service := exec.Command(clustertest.Program, "run", "--nats", in.Server.URL(), "-f", filepath.Join(in.Dir, "docs.yaml"), "--dir", filepath.Join(in.Dir, name), "--ack-wait", "5s", "--grace", "5s", "--lease", in.Namespace+"/nightshift")
	service.Stderr, service.Env = said, append(os.Environ(), "KUBECONFIG="+in.Reach)
	if err := service.Start(); err != nil {
		in.Fatal(err)
	}
	in.Cleanup(func() {
		_ = service.Process.Signal(syscall.SIGCONT)
		_ = service.Process.Kill()
		_ = service.Wait()
		if in.Failed() {
			in.Logf("%s:\n%s", name, said)
		}
	})
	return service, said
}

func (in *installation) holder() string {
	text, err := in.Try(in.Context(), "get", "lease", "nightshift", "-o", "json")
	var lease struct {
		Spec struct {
			Holder string `json:"holderIdentity"`
		} `json:"spec"`
	}
	if err != nil || json.Unmarshal([]byte(text), &lease) != nil {
		return ""
	}
	return lease.Spec.Holder
}

// Two services, and the one that serves is paused beyond its lease while a job runs: the other takes over, and the first ends when it wakes, having done no harm. Both have the
// rights of the manifests, and no others. Ended in order, the lease is given back at once.
func TestLeaderIsPaused(t *testing.T) {
	in := prepareInstallation(t)
	in.Must("create", "-f", filepath.Join("..", "..", "manifests", "sizing", "role.yaml"))
	in.Must("create", "-f", filepath.Join("..", "..", "manifests", "base", "lease.yaml"))
	in.Reach = in.Become("nightshift", in.Dir)
	in.ServeNATS()
	first, _ := in.serveWithLease("first")
	in.until("the first holds the lease", func() bool { return in.holder() != "" })
	holder := in.holder()
	second, said := in.serveWithLease("second")
	in.runPods(in.drive)
	job := in.submit(6_000, "30s")
	in.until("workers work", func() bool { return in.working() >= 2 })
	if err := first.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	in.until("the second takes over", func() bool { now := in.holder(); return now != "" && now != holder })
	taken := in.holder()
	in.until("the second serves", func() bool { _, err := in.Nightshift("explain"); return err == nil })
	if err := first.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	var ended *exec.ExitError
	if err := first.Wait(); !errors.As(err, &ended) || ended.ExitCode() != 1 {
		t.Errorf("the first ended with %v", err)
	}
	in.ends(job, 6_000)
	if now := in.holder(); now != taken {
		t.Errorf("%s holds the lease, want %s", now, taken)
	}
	began := time.Now()
	if err := second.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(); err != nil || in.holder() != "" {
		t.Errorf("the second ended with %v after %s, and %q holds the lease\n%s", err, time.Since(began), in.holder(), said)
	}
	if strings.Count(said.String(), "holding the lease") != 1 {
		t.Errorf("the second said\n%s", said)
	}
}
