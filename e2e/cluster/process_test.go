package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// folder of a cluster, not started.
func folder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cluster")
	release, err := claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	release()
	return dir
}

func startShell(t *testing.T, dir, name, script string) *process {
	t.Helper()
	p, err := start(dir, name, "/bin/sh", nil, "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.kill(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestStopEndsWhatWasStartedAndNoOther(t *testing.T) {
	dir := folder(t)
	mine, other := startShell(t, dir, "mine", "exec sleep 600"), startShell(t, dir, "other", "exec sleep 600")
	reused := *other
	reused.name, reused.started = "reused", mine.started+"0" // whose number another process has got
	if err := os.WriteFile(reused.file(dir), []byte("of no use"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := stop(t.Context(), dir, []*process{mine, &reused}); err != nil {
		t.Fatal(err)
	}
	if runs, err := mine.runs(); runs || err != nil {
		t.Errorf("what was started runs after stop: %v %v", runs, err)
	}
	if runs, err := other.runs(); !runs || err != nil {
		t.Errorf("another process with the number of one that has ended does not run after stop: %v", err)
	}
	left, err := processes(dir)
	if err != nil || len(left) != 1 || left[0].name != "other" || left[0].pid != other.pid || left[0].started != other.started {
		t.Errorf("left are %v %v, want the other one as it was started", left, err)
	}
}

func TestAwaitSaysWhyAndWhere(t *testing.T) {
	dir := folder(t)
	failed, slow := startShell(t, dir, "failed", "echo no such flag; exit 1"), startShell(t, dir, "slow", "exec sleep 600")
	never := func(context.Context) error { return errors.New("connection refused") }

	err := await(t.Context(), "it", time.Minute, failed, never)
	if err == nil || !strings.Contains(err.Error(), "failed has ended; its log, "+failed.log+", ends with:\nno such flag") {
		t.Errorf("of a program that has ended: %v", err)
	}
	err = await(t.Context(), "the answer", 10*time.Millisecond, slow, never)
	if want := "waited 10ms for the answer: connection refused; the log is " + slow.log; err == nil || err.Error() != want {
		t.Errorf("of one that does not come: %v, want %s", err, want)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	err = await(stopped, "the answer", time.Minute, slow, never)
	if want := "waited for the answer until it was stopped; the log is " + slow.log; err == nil || err.Error() != want {
		t.Errorf("when it is interrupted: %v, want %s", err, want)
	}
}

// Of a cluster, only all of it is taken for one.
func TestPartOfAClusterIsNotOne(t *testing.T) {
	var out bytes.Buffer
	dir := folder(t)
	if there, err := alreadyUp(dir, &out); there || err != nil {
		t.Fatalf("nothing was started: %v %v", there, err)
	}
	p := startShell(t, dir, "etcd", "exec sleep 600")
	if there, err := alreadyUp(dir, &out); there || err == nil || !strings.Contains(err.Error(), "was ended before it was done: down removes") {
		t.Fatalf("up was interrupted: %v %v", there, err)
	}
	if err := os.WriteFile(filepath.Join(dir, marker), []byte(complete), 0o600); err != nil {
		t.Fatal(err)
	}
	if there, err := alreadyUp(dir, &out); !there || err != nil || !strings.Contains(out.String(), filepath.Join(dir, "kubeconfig")) {
		t.Fatalf("all runs: %v %v %s", there, err, out.String())
	}
	if err := p.kill(); err != nil {
		t.Fatal(err)
	}
	if err := await(t.Context(), "its end", time.Minute, nil, func(context.Context) error {
		if runs, _ := p.runs(); runs {
			return errors.New("runs")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if there, err := alreadyUp(dir, &out); there || err == nil || !strings.Contains(err.Error(), "etcd of the cluster in "+dir+" has ended") {
		t.Fatalf("one has ended: %v %v", there, err)
	}
	out.Reset()
	var complaints bytes.Buffer
	if code := run(t.Context(), []string{"status", "--dir", dir}, &out, &complaints); code != 1 || !strings.Contains(out.String(), "ended") || complaints.String() != "1 of 1 have ended\n" {
		t.Fatalf("status %d\n%s%s", code, out.String(), complaints.String())
	}
	if code := run(t.Context(), []string{"down", "--dir", dir}, &out, &complaints); code != 0 {
		t.Fatalf("down %d\n%s", code, complaints.String())
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("after down: %v", err)
	}
}

func TestOtherFoldersAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "thesis.txt")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, complaints bytes.Buffer
	if code := run(t.Context(), []string{"up", "--dir", dir}, &out, &complaints); code != 1 || !strings.Contains(complaints.String(), "holds other things than a cluster") {
		t.Errorf("up: %d %s", code, complaints.String())
	}
	if code := run(t.Context(), []string{"down", "--dir", dir}, &out, &complaints); code != 0 || !strings.Contains(out.String(), "no cluster here") {
		t.Errorf("down: %d %s", code, out.String())
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "thesis.txt" {
		t.Errorf("%v %v", entries, err)
	}
}

func TestOneCommandAtATime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cluster")
	release, err := claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out, complaints bytes.Buffer
	if code := run(t.Context(), []string{"down", "--dir", dir}, &out, &complaints); code != 1 || !strings.Contains(complaints.String(), "another up or down is at work in "+dir) {
		t.Errorf("down beside up: %d %s", code, complaints.String())
	}
	release()
	if code := run(t.Context(), []string{"down", "--dir", dir}, &out, &complaints); code != 0 {
		t.Errorf("down after up: %d %s", code, complaints.String())
	}
}

func TestWhatIsNotUnderstood(t *testing.T) {
	for _, c := range []struct {
		arguments []string
		says      string
	}{
		{nil, "usage: cluster up|down|status"},
		{[]string{"start"}, `"start" is not a command: up, down, status, node kill and node up are`},
		{[]string{"node", "end", "spot-1"}, `"node end" is not a command`},
		{[]string{"node", "kill"}, "node kill which node? status names them"},
		{[]string{"node", "kill", "spot-1", "spot-2"}, `"spot-2" is not understood: node kill takes the name of one node and flags only`},
		{[]string{"up", "--size", "small"}, `--size "small" is not a size: light and full are`},
		{[]string{"up", "light"}, `"light" is not understood: up takes flags only`},
		{[]string{"up", "--spot-nodes", "-1"}, "--spot-nodes and --on-demand-nodes are 0 or more"},
		{[]string{"down", "--spot-nodes", "1"}, "flag provided but not defined: -spot-nodes"},
	} {
		var out, complaints bytes.Buffer
		if code := run(t.Context(), c.arguments, &out, &complaints); code != 2 || !strings.Contains(complaints.String(), c.says) {
			t.Errorf("%q: %d %s", c.arguments, code, complaints.String())
		}
	}
}
