package argo

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const nightDocuments = `---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: ray}
spec:
  engine: ray
  ray: {namespace: NAMESPACE, cluster: scoring, group: spot}
  price: {amount: "1", currency: USD}
  replicas: {max: 3}
  scaleDownDelay: 2s
  startTime: 5s
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: night}
spec: {source: jobs, model: double, pools: [ray], input: {roots: [in]}, output: {root: out}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Schedule
metadata: {name: night}
spec: {queue: night, cron: "CRON", timeZone: UTC, expect: {rows: 5000}, objective: {finishWithin: 20s}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Schedule
metadata: {name: day}
spec: {queue: double, cron: "CRON", timeZone: UTC, cap: {maxWorkers: 1, for: 1m}}
`

// AW10, AW14, PK2 and PK13: when a nightly peak comes, one plan makes the runners of Argo fewer, as a cap says, and the worker group of Ray larger; no runner is cut short for it. When it is
// over the runners are back.
func TestNightMovesCapacityFromArgoToRay(t *testing.T) {
	in := prepare(t)
	in.Must("create", "-f", filepath.Join("..", "..", "manifests", "sizing", "role.yaml"))
	in.Must("create", "--validate=false", "-f", filepath.Join("..", "raycluster", "testdata", "raycluster.yaml"))
	night := time.Now().UTC().Add(100 * time.Second).Truncate(time.Minute)
	in.Write("docs.yaml", strings.NewReplacer("NAMESPACE", in.Namespace, "LIFE", "1h", "CRON", fmt.Sprintf("%d %d * * *", night.Minute(), night.Hour())).Replace(documents+nightDocuments))
	in.run()
	group := func() string {
		return in.Must("get", "raycluster", "scoring", "-o", "jsonpath={.spec.workerGroupSpecs[0].replicas}")
	}
	job := in.Submit("double", 60_000, "3m")
	in.until("four runners work", func() bool { return in.working() == 4 })
	if group() != "0" {
		t.Errorf("the worker group has %s replicas long before the night", group())
	}
	var grew, shrank time.Time
	in.untilRay("the worker group grows, and one runner is left", func() bool {
		if grew.IsZero() && group() == "3" {
			grew = time.Now()
		}
		if shrank.IsZero() && in.semaphore() == "1" && in.working() == 1 {
			shrank = time.Now()
		}
		return !grew.IsZero() && !shrank.IsZero()
	})
	if !grew.Before(night) || shrank.Before(night) {
		t.Errorf("the night begins at %s; three replicas are asked for at %s, and one runner is left at %s", night, grew, shrank)
	}
	t.Logf("replicas %s before the night, one runner %s after it began", night.Sub(grew).Round(time.Second), shrank.Sub(night).Round(time.Second))
	in.untilRay("nothing came: the worker group is empty again, and the runners are back", func() bool { return group() == "0" && in.working() == 4 })
	in.ends(job, 60_000)
}

func (in *installation) untilRay(what string, holds func() bool) {
	in.Helper()
	in.Until(what, "workflows,pods,configmaps,rayclusters", holds)
}
