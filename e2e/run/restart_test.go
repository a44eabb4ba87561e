package run

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// N3: a service that ends in order and starts again goes on with what its workers handed back. The ack wait is longer than the test, so that a shard
// which had to wait for it would be missed.
func TestOrderlyRestartGoesOnAtOnce(t *testing.T) {
	x := newTree(t)
	x.must(os.MkdirAll(filepath.Join(x.dir, "examples", "fraud", "data"), 0o750))
	if code := x.run(0); code != 0 { // makes the data
		t.Fatalf("make run ended with %d\n%s", code, x.said())
	}
	service := x.dev("fraud")
	id := strings.TrimSpace(x.nightshift(service, "submit", "-q", "fraud", "examples/fraud/data/transactions-100000.jsonl", "--set", "threads=1", "-o", "name"))
	id = id[strings.LastIndexByte(id, '\n')+1:]
	for range 3 {
		x.eventually("a shard is done", func() bool { return !strings.Contains(x.nightshift(service, "get", id), "\nShards      0 of") })
		service.stop()
		service = x.dev("fraud")
	}
	x.eventually("the job has ended", func() bool { return strings.Contains(x.nightshift(service, "get", id), "\nTook ") })
	service.stop()
}

// dev is a running nightshift dev.
type dev struct {
	*exec.Cmd
	address string
}

func (x *tree) dev(example string) *dev {
	x.Helper()
	d := &dev{Cmd: exec.Command("bin/nightshift", "dev", "--dir", "state", "--port", "0", "--ack-wait", "1h", "-f", "examples/"+example+"/nightshift.yaml")}
	d.Dir, d.Env = x.dir, append(os.Environ(), marker+"="+x.id)
	out, err := d.StdoutPipe()
	x.must(err)
	x.must(d.Start())
	late := time.AfterFunc(time.Minute, func() { _ = d.Process.Kill() }) // ends the reading, too
	defer late.Stop()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, rest, found := strings.Cut(lines.Text(), "NATS at "); found {
			d.address, _, _ = strings.Cut(rest, ",")
			return d
		}
	}
	x.Fatal("nightshift dev ended before it was ready")
	return nil
}

func (d *dev) stop() {
	_ = d.Process.Signal(syscall.SIGTERM) // it may have ended
	_ = d.Wait()                          // it was told to end
}

// nightshift runs a command of a user and gives what it says.
func (x *tree) nightshift(service *dev, arguments ...string) string {
	x.Helper()
	command := exec.CommandContext(x.Context(), "bin/nightshift", arguments...)
	command.Dir, command.Env = x.dir, append(os.Environ(), "NIGHTSHIFT_NATS="+service.address)
	said, err := command.CombinedOutput()
	if err != nil {
		x.Fatalf("nightshift %v: %v\n%s", arguments, err, said)
	}
	return string(said)
}

func (x *tree) eventually(what string, holds func() bool) {
	x.Helper()
	for began := time.Now(); !holds(); time.Sleep(20 * time.Millisecond) { // a poll
		if time.Since(began) > time.Minute {
			x.Fatalf("not within a minute: %s", what)
		}
	}
}
