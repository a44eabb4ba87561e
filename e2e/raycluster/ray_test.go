package raycluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/e2e/raytest"
	"nightshift.dev/nightshift/orchestrator/state"
	"nightshift.dev/nightshift/raycluster/jobs"
)

// A job on a real Ray: KubeRay makes the pods, and for each that is ready a real Ray node on loopback says that it is in it. The service submits the driver through
// Jobs API, which makes an actor for each slot; they score, one node is killed with its pod, and all of it goes again. (Scenarios 1 and 2, without kubelets.)
func TestJobOnRealRay(t *testing.T) {
	in := prepareInstallation(t)
	ray := raytest.Start(t, "head")
	in.ServeNATS()
	in.edit("group: spot, ", fmt.Sprintf("group: spot, dashboard: %q, nats: %q, ", ray.Dashboard, in.Server.URL()))
	in.runWith(func(ctx context.Context) { in.nodes(ctx, ray) })
	present := in.presence()
	t.Cleanup(func() { in.tellDriver(ray.Dashboard, ray.Logs) })
	job := in.submit(24_000, "10s")
	in.until("workers are present", func() bool { return len(present()) >= 3 })
	victim := present()[0]
	name := victim[:strings.LastIndex(victim[:strings.LastIndex(victim, "-")], "-")]
	in.Must("delete", "pod", name, "--force", "--grace-period=0")
	in.until("another worker takes its place", func() bool {
		now := strings.Join(present(), " ")
		return !strings.Contains(now, name) && len(present()) >= 3
	})
	in.ends(job, 24_000)
	in.until("no worker is left", func() bool { return len(present()) == 0 })
}

// edit replaces the first of a text in the documents.
func (in *installation) edit(text, by string) {
	in.Helper()
	file := filepath.Join(in.Dir, "docs.yaml")
	documents, err := os.ReadFile(file)
	if err != nil {
		in.Fatal(err)
	}
	if !bytes.Contains(documents, []byte(text)) {
		in.Fatalf("%q is not in the documents", text)
	}
	if err := os.WriteFile(file, bytes.Replace(documents, []byte(text), []byte(by), 1), 0o600); err != nil {
		in.Fatal(err)
	}
}

// tellDriver shows what the drivers said where the test has failed.
func (in *installation) tellDriver(dashboard string, logs func() string) {
	if !in.Failed() {
		return
	}
	client := jobs.New(dashboard, "")
	defer client.Close()
	ctx := context.WithoutCancel(in.Context())
	all, err := client.Jobs(ctx)
	in.Logf("jobs: %+v (%v)\n%s", all, err, logs())
	for _, job := range all {
		said, err := client.Logs(ctx, job.ID, 5_000)
		in.Logf("%s (%v):\n%s", job.ID, err, said)
	}
}

// nodes has a Ray node for each pod that is ready, once the driver runs: nodes on one machine share the folder that its package is unpacked into, and one that comes
// meanwhile takes what is there for the whole.
func (in *installation) nodes(ctx context.Context, ray *raytest.Cluster) {
	client := jobs.New(ray.Dashboard, "")
	defer client.Close()
	running := func() bool {
		all, err := client.Jobs(ctx)
		return err == nil && slices.ContainsFunc(all, func(job jobs.Job) bool { return job.Status == jobs.Running })
	}
	have := map[string]bool{}
	for ctx.Err() == nil {
		if len(have) == 0 && !running() {
			pause(ctx)
			continue
		}
		pods := in.pods(ctx)
		for name, pod := range pods {
			if pod.ready() && !have[name] {
				have[name] = true
				ray.Do("add", name)
			}
		}
		for name := range have {
			if _, there := pods[name]; pods != nil && !there {
				delete(have, name)
				ray.Do("kill", name)
			}
		}
		pause(ctx)
	}
}

func pause(ctx context.Context) {
	select {
	case <-time.After(200 * time.Millisecond): // a poll
	case <-ctx.Done():
	}
}

// presence gives the workers that are present, by name.
func (in *installation) presence() func() []string {
	words := make(chan state.PresenceChange, 10_000)
	ctx, cancel := context.WithCancel(context.WithoutCancel(in.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = in.store.WatchPresence(ctx, func(change state.PresenceChange) { words <- change }, func() {}) // until it is cancelled
	}()
	in.Cleanup(func() { cancel(); <-ended })
	seen := map[string]time.Time{}
	return func() (names []string) {
		for len(words) > 0 {
			if change := <-words; change.Gone {
				delete(seen, change.Worker)
			} else {
				seen[change.Worker] = change.Presence.At
			}
		}
		for name, at := range seen {
			if time.Since(at) < 6*time.Second {
				names = append(names, name)
			}
		}
		return names
	}
}
