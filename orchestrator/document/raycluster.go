package document

import (
	"regexp"
	"time"
)

// WorkerGroup is the worker group of a RayCluster that a pool sizes.
type WorkerGroup struct {
	Context   string // of the kubeconfig; empty: the current one
	Namespace string
	Cluster   string
	Group     string
	// GrantLimit is how long a replica may wait for a node before the provider is believed to refuse it, and RetryAfter how long that is believed.
	GrantLimit, RetryAfter time.Duration
}

// rayFields visits the worker group of a pool with engine: ray.
func rayFields(f visitor, spec *PoolSpec) {
	given := f.optional("ray", spec.Ray != nil)
	switch {
	case !f.sound("engine"):
	case given && spec.Engine != EngineRay:
		f.problem("ray", "given with engine: %s; allowed: with engine: ray", spec.Engine)
	case !given && spec.Engine == EngineRay:
		f.problem("ray", "is missing; allowed: the worker group of a RayCluster, like {namespace: scoring, cluster: nightly, group: spot}")
	}
	if spec.Engine == EngineRay && spec.Local != nil {
		f.problem("local", "given with engine: ray; allowed: with engine: local")
	}
	if !given {
		return
	}
	if spec.Ray == nil {
		spec.Ray = &WorkerGroup{Namespace: "default", GrantLimit: 30 * time.Second, RetryAfter: 3 * time.Minute}
	}
	f.object("ray", func(f visitor) {
		f.required("cluster", "group")
		if f.optional("context", spec.Ray.Context != "") {
			f.text("context", &spec.Ray.Context, isLine)
		}
		f.text("namespace", &spec.Ray.Namespace, isLabel)
		f.text("cluster", &spec.Ray.Cluster, isLabel)
		f.text("group", &spec.Ray.Group, isGroup)
		f.duration("grantLimit", &spec.Ray.GrantLimit, time.Second, time.Hour)
		f.duration("retryAfter", &spec.Ray.RetryAfter, time.Second, 24*time.Hour)
	})
}

var (
	labelForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	groupForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
)

// isLabel is a name of an object, as an RFC 1123 label.
func isLabel(text string) string {
	return allowedIf(labelForm.MatchString(text), "a name as Kubernetes has them: lowercase letters, digits and -, beginning and ending with a letter or digit, at most 63 characters")
}

// isGroup is a value of the label ray.io/group.
func isGroup(text string) string {
	return allowedIf(groupForm.MatchString(text), "the groupName of one of the cluster's workerGroupSpecs: letters, digits, -, _ and ., at most 63 characters")
}
