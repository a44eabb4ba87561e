package argo

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// AW9, AW10, AW12 and AW21: a job makes runners from nothing and ends all of them; the semaphore follows, and is never below 1. An idle service writes nothing.
func TestJobMakesRunners(t *testing.T) {
	in := install(t)
	in.until("the semaphore is made", func() bool { return in.semaphore() == "1" })
	job := in.Submit("double", 6_000, "10s")
	in.until("four run", func() bool { _, running := in.live(); return running == 4 && in.working() == 4 })
	if got := in.semaphore(); got != "4" {
		t.Errorf("with four runners the semaphore is %q", got)
	}
	in.ends(job, 6_000)
	for _, one := range in.runners() {
		if one.Status.Phase != "Succeeded" {
			t.Errorf("runner %s: %s, %s", one.Metadata.Name, one.Status.Phase, one.Status.Message)
		}
	}
	in.nothingIsWritten()
}

// AC1 to AC7: the service is killed again and again while runners are made and end, and what it began is finished.
func TestServiceDiesAgainAndAgain(t *testing.T) {
	in := install(t)
	job := in.Submit("double", 5_000, "10s")
	in.until("a runner is made", func() bool { count, _ := in.live(); return count > 0 })
	deaths, most := 0, 0
	in.until("the job and the runners have ended", func() bool {
		in.Kill()
		deaths++
		in.Start()
		select {
		case <-time.After(time.Duration(500+rand.Int64N(4_000)) * time.Millisecond): // a service that is never up for a decision decides nothing
		case <-t.Context().Done():
		}
		count, _ := in.live()
		most = max(most, count)
		return in.idle()
	})
	t.Logf("%d deaths, %d runners at once", deaths, most)
	if most > 8 {
		t.Errorf("%d runners at once, where four are wanted and as many may leave", most)
	}
	in.ends(job, 5_000)
}

// AW11: a semaphore that somebody edits or deletes is written again, and told; nobody is stopped by that, and no runner is made for it.
func TestSomebodyEditsTheSemaphore(t *testing.T) {
	in := install(t)
	job := in.Submit("double", 6_000, "10s")
	in.until("four run", func() bool { _, running := in.live(); return running == 4 })
	again := func() bool { return in.semaphore() == "4" }
	in.Must("patch", "configmap", "nightshift-pools", "--type=merge", "-p", `{"data":{"spot":"9","theirs":"7"}}`)
	in.until("9 is 4 again", again)
	in.Must("patch", "configmap", "nightshift-pools", "--type=json", "-p", `[{"op":"remove","path":"/data/spot"}]`)
	in.until("the key is there again", again)
	in.Must("delete", "configmap", "nightshift-pools")
	in.until("the ConfigMap is there again", again)
	if count, _ := in.live(); count != 4 {
		t.Errorf("%d runners", count)
	}
	in.until("all three are told", func() bool {
		said := in.events()
		return strings.Contains(said, `was changed from 4 to "9"`) && strings.Count(said, "was 4 and was removed") >= 1
	})
	in.ends(job, 6_000)
}

// AW5 and AW18: runners that somebody deletes are replaced by others, and their shards are scored by somebody.
func TestSomebodyDeletesRunners(t *testing.T) {
	in := install(t)
	job := in.Submit("double", 6_000, "10s")
	in.until("two work", func() bool { return in.working() >= 2 })
	before := map[string]bool{}
	for _, one := range in.runners() {
		before[one.Metadata.Name] = true
	}
	in.Must("delete", "workflows", "-l", "nightshift.dev/pool=spot", "--wait=false")
	in.until("others have come", func() bool {
		fresh := 0
		for _, one := range in.runners() {
			if !before[one.Metadata.Name] && one.Status.Phase == "Running" {
				fresh++
			}
		}
		return fresh >= 2
	})
	in.forgiven()
	in.ends(job, 6_000)
}

// AW8: runners whose pods were taken away are replaced at once: nobody has failed.
func TestSpotTakesPods(t *testing.T) {
	in := install(t)
	job := in.Submit("double", 12_000, "10s")
	in.until("two work", func() bool { return in.working() >= 2 })
	began := time.Now()
	in.until("their pods are not new any more: Argo makes those of the last ten seconds again itself", func() bool { return time.Since(began) > 12*time.Second })
	in.Must("delete", "pods", "-l", "nightshift.dev/pool=spot", "--force", "--grace-period=0")
	in.until("they are told as killed", func() bool { return strings.Contains(in.Said(), "why=killed message=\"pod deleted\"") })
	in.until("others work", func() bool { return in.working() >= 2 })
	in.forgiven()
	in.ends(job, 12_000)
	if strings.Contains(in.Said(), "why=failed") {
		t.Error("a runner has failed")
	}
}

// AW17: runners live as long as they may, hand back what they hold, and others take their places.
func TestMaximumLife(t *testing.T) {
	in := prepare(t)
	in.Write("docs.yaml", strings.NewReplacer("NAMESPACE", in.Namespace, "LIFE", "1m").Replace(documents))
	in.run()
	job := in.Submit("double", 28_000, "10s")
	in.until("the first have lived", func() bool { return strings.Contains(in.Said(), "why=life") })
	in.ends(job, 28_000)
	if said := in.Said(); strings.Contains(said, "why=failed") || strings.Contains(said, "why=killed") {
		t.Error("a runner has failed, or was killed")
	}
}

// AW10, AW15 and AW19: a user's own workflow in the pool takes a lock, so that a runner waits; when nobody is wanted any more the one that waits is deleted.
func TestUsersWorkflowInThePool(t *testing.T) {
	in := install(t)
	in.until("the semaphore is made", func() bool { return in.semaphore() == "1" })
	in.create(theirs)
	in.until("theirs runs", func() bool {
		return strings.Contains(in.Must("get", "workflow", "theirs", "-o", "jsonpath={.status.phase}"), "Running")
	})
	job := in.Submit("double", 4_000, "10s")
	in.until("three run and one waits", func() bool { count, running := in.live(); return count == 4 && running == 3 })
	in.ends(job, 4_000)
	if got := in.Must("get", "workflow", "theirs", "-o", "jsonpath={.status.phase}"); got != "Running" {
		t.Errorf("theirs is %q", got)
	}
}

const theirs = `
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: theirs}
spec:
  entrypoint: main
  tolerations: [{key: kwok.x-k8s.io/node, operator: Exists}]
  synchronization: {semaphores: [{configMapKeyRef: {name: nightshift-pools, key: spot}}]}
  templates: [{name: main, container: {image: theirs, command: [sleep]}}]
---
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: theirs}
spec: {workflowTemplateRef: {name: theirs}}
`

func (in *installation) create(text string) {
	in.Helper()
	in.Write("theirs.yaml", text)
	in.Must("create", "-f", in.Dir+"/theirs.yaml")
}

// forgiven says that workers that were cut short until now were meant to be.
func (in *installation) forgiven() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.cut = 0
}

func (in *installation) events() string {
	in.Helper()
	return in.Must("get", "events", "--field-selector", "reason=SemaphoreRestored", "-o", `jsonpath={range .items[*]}{.message}{"\n"}{end}`)
}

// nothingIsWritten looks for a while whether an idle service leaves the API server and its record alone.
func (in *installation) nothingIsWritten() {
	in.Helper()
	look := func() string {
		_, revision, err := in.store.Slots(in.Context(), "spot")
		if err != nil {
			in.Fatal(err)
		}
		return fmt.Sprint(revision, in.Must("get", "workflows,configmaps", "-o", `jsonpath={range .items[*]}{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}`))
	}
	before := look()
	select {
	case <-time.After(5 * time.Second): // five looks of the engine
	case <-in.Context().Done():
	}
	if after := look(); after != before {
		in.Errorf("written: %s became %s", before, after)
	}
}
