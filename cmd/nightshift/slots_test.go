package main

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
	"nightshift.dev/nightshift/orchestrator/state"
)

func TestSlotsAreALineEach(t *testing.T) { // RD5
	t.Parallel()
	server := embeddedtest.Start(t)
	store, err := state.Create(t.Context(), embeddedtest.Connect(t, server), state.Config{MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	slots := orchestrator.PoolSlots{Pool: "gpu", Cluster: "life", PerReplica: 2, Slots: 1, Replicas: []orchestrator.ReplicaSlots{{Index: 3, Pods: []string{"a", "b"}, Leaving: true}}}
	revision, err := store.PutSlots(t.Context(), slots, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	read, written := io.Pipe()
	ended := make(chan int)
	var errs strings.Builder
	go func() {
		code := execute(ctx, []string{"slots", "--pool", "gpu", "--nats", server.URL()}, strings.NewReader(""), written, &errs)
		_ = written.Close() // never an error
		ended <- code
	}()
	lines := bufio.NewScanner(read)
	expect := func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Errorf("RD5: %q, want %q", lines.Text(), want)
		}
	}
	expect(`{"pool":"gpu","cluster":"life","perReplica":2,"slots":1,"replicas":[{"index":3,"pods":["a","b"],"leaving":true}]}`)
	slots.Replicas = nil
	if _, err := store.PutSlots(t.Context(), slots, revision); err != nil {
		t.Fatal(err)
	}
	expect(`{"pool":"gpu","cluster":"life","perReplica":2,"slots":1}`)
	stop()
	if lines.Scan() {
		t.Errorf("RD5: printed %q at its end", lines.Text())
	}
	if code := <-ended; code != exitInterrupted {
		t.Errorf("RD5: exit code %d: %s", code, errs.String())
	}
}
