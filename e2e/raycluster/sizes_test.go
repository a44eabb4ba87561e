package raycluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const annotation = "nightshift.dev/plan-spot"

// RC10 to RC13: a job makes the group grow from nothing and shrink to nothing again; no worker that holds something is killed, and the object says why.
// The service has the rights of manifests/sizing, and no others.
func TestJobSizesTheGroup(t *testing.T) {
	in := prepareInstallation(t)
	in.Must("create", "-f", filepath.Join("..", "..", "manifests", "sizing", "role.yaml"))
	in.Reach = in.Become("nightshift", in.Dir)
	in.run()
	job := in.submit(6_000, "10s")
	in.until("the group grows to four", func() bool { return in.group().Replicas == 4 })
	told := in.cluster().Metadata.Annotations[annotation]
	if !strings.Contains(told, "->4: ") || len(told) < 20 {
		t.Errorf("the annotation says %q", told)
	}
	in.until("workers work", func() bool { return in.working() >= 2 })
	in.ends(job, 6_000)
	if events := in.events("Resized"); !strings.Contains(events, "->4: ") || !strings.Contains(events, "->0: ") {
		t.Errorf("the events are\n%s", events)
	}
	in.nothingIsWritten()
}

// CP1 to CP6: the service is killed again and again while the group grows and shrinks, and what it began is finished.
func TestServiceDiesAgainAndAgain(t *testing.T) {
	in := install(t)
	job := in.submit(5_000, "10s")
	in.until("the group grows", func() bool { return in.group().Replicas > 0 })
	deaths := 0
	in.until("the job and the group have ended", func() bool {
		in.Kill()
		deaths++
		in.Start()
		select {
		case <-time.After(time.Duration(500+rand.Int64N(4_000)) * time.Millisecond): // a service that is never up for a decision decides nothing
		case <-t.Context().Done():
		}
		return in.idle()
	})
	t.Logf("%d deaths", deaths)
	in.ends(job, 5_000)
}

// RC8 and RC9: whoever else sizes the cluster is told on the object, once for each group; nothing else is written, until they are gone.
func TestSomebodyElseSizesTheGroup(t *testing.T) {
	in := install(t)
	in.Must("patch", "raycluster", "scoring", "--type=merge", "-p", `{"spec":{"enableInTreeAutoscaling":true}}`)
	in.until("the autoscaler is named", func() bool {
		return strings.HasPrefix(in.cluster().Metadata.Annotations[annotation], "not sized: Ray's autoscaler sizes the group")
	})
	job := in.submit(1_000, "10s")
	in.until("the plan says why nothing is bought", func() bool {
		said, err := in.Nightshift("explain")
		return err == nil && strings.Contains(said, "not sized: Ray's autoscaler sizes the group")
	})
	in.Must("patch", "raycluster", "scoring", "--type=merge", "-p", `{"spec":{"enableInTreeAutoscaling":false}}`)
	in.ends(job, 1_000)
	if events := in.events("NotResized"); strings.Count(events, "\n") != 2 || in.cluster().Metadata.Annotations["kept"] != "yes" {
		t.Errorf("events\n%s\nand annotations %v", events, in.cluster().Metadata.Annotations)
	}
}

// RC10 and RC13: replicas that somebody makes by hand go again, and none that works.
func TestSomebodyEditsReplicas(t *testing.T) {
	in := install(t)
	job := in.submit(6_000, "10s")
	in.until("workers work", func() bool { return in.working() >= 2 })
	in.Must("patch", "raycluster", "scoring", "--type=json", "-p", `[{"op":"replace","path":"/spec/workerGroupSpecs/0/replicas","value":7}]`)
	in.until("there are four again", func() bool { return in.group().Replicas <= 4 && len(in.pods(t.Context())) <= 4 })
	in.ends(job, 6_000)
}

// RC16: pods that are deleted come back with other workers, and their shards are scored by somebody.
func TestSomebodyDeletesPods(t *testing.T) {
	in := install(t)
	job := in.submit(6_000, "10s")
	in.until("workers work", func() bool { return in.working() >= 2 })
	in.Must("delete", "pods", "-l", "ray.io/group=spot", "--field-selector", "spec.nodeName!=x")
	in.until("their workers have ended", func() bool {
		in.mu.Lock()
		defer in.mu.Unlock()
		return in.cut >= 2
	})
	in.cut = -1 << 20 // that some were cut short was meant
	in.ends(job, 6_000)
}

// RC7: spot capacity that does not come is given up within seconds, and on-demand workers meet the deadline; when it is there again it is used.
func TestSpotIsNeverGranted(t *testing.T) {
	in := install(t, "spot", "on-demand")
	cordon := func(ctx context.Context, unschedulable bool) {
		patch := fmt.Sprintf(`{"spec":{"unschedulable":%t}}`, unschedulable)
		if said, err := in.Try(ctx, "patch", "node", "spot-1", "spot-2", "--type=merge", "-p", patch); err != nil {
			t.Errorf("%v\n%s", err, said)
		}
	}
	cordon(t.Context(), true)
	t.Cleanup(func() { cordon(context.WithoutCancel(t.Context()), false) })
	job := in.submit(12_000, "100s")
	in.until("on-demand workers are asked for", func() bool { return in.cluster().Spec.Groups[1].Replicas > 0 })
	if working := in.at("spot"); working > 0 {
		t.Errorf("%d workers on nodes that take nobody", working)
	}
	in.until("on-demand workers work", func() bool { return in.at("on-demand") > 0 })
	cordon(t.Context(), false)
	in.until("spot workers work again", func() bool { return in.at("spot") > 0 })
	in.ends(job, 12_000)
	said, err := in.Nightshift("get", job, "-o", "json")
	if err != nil || strings.Contains(said, `"late": true`) {
		t.Errorf("%v\n%s", err, said)
	}
}

// ends waits for the job and for the group, and looks at the results.
func (in *installation) ends(job string, rows int) {
	in.Helper()
	if said, err := in.Nightshift("watch", job); err != nil {
		in.Fatalf("%v\n%s", err, said)
	}
	in.until("the group shrinks to nothing, and the list is empty", in.idle)
	if in.cut > 0 {
		in.Errorf("%d workers ran when their pods went", in.cut)
	}
	said, err := in.Nightshift("results", job, "-o", "-")
	if lines := strings.Count(said, "\n"); err != nil || lines != rows {
		in.Errorf("%d results, want %d (%v)", lines, rows, err)
	}
}

func (in *installation) idle() bool {
	group := in.group()
	return group.Replicas == 0 && in.cluster().Spec.Groups[1].Replicas == 0 && len(group.ScaleStrategy.WorkersToDelete) == 0 && len(in.pods(in.Context())) == 0
}

func (in *installation) events(reason string) string {
	in.Helper()
	return in.Must("get", "events", "--field-selector", "reason="+reason, "-o", `jsonpath={range .items[*]}{.message}{"\n"}{end}`)
}

// nothingIsWritten looks for a while whether an idle service leaves the API server alone: who wrote when stands on the object, by field manager.
func (in *installation) nothingIsWritten() {
	in.Helper()
	written := func() string {
		return in.Must("get", "raycluster", "scoring", "--show-managed-fields", "-o", `jsonpath={range .metadata.managedFields[?(@.manager=="nightshift")]}{.time}{"\n"}{end}`)
	}
	before := written()
	if before == "" {
		in.Error("nightshift has never written")
	}
	select {
	case <-time.After(5 * time.Second): // five looks of the engine
	case <-in.Context().Done():
	}
	if after := written(); after != before {
		in.Errorf("the RayCluster was written: %s became %s", before, after)
	}
}
