package document

import (
	"regexp"
	"time"
)

// Runners are the Workflows of Argo that a pool's workers run in.
type Runners struct {
	Context   string // of the kubeconfig; empty: the current one
	Namespace string
	Template  string // WorkflowTemplate that they are made from
	Semaphore Semaphore
	// MaxLife is how long one may run, and CreationsPerMinute how many are made in a minute, at most.
	MaxLife            time.Duration
	CreationsPerMinute int
}

// Semaphore is a key of a ConfigMap, which bounds the runners of one pool and the users' own workflows that take it.
type Semaphore struct{ ConfigMap, Key string }

// mostCreations is below what a stock controller takes in a minute, about 270.
const mostCreations = 240

// argoFields visits the runners of a pool with engine: argo.
func argoFields(f visitor, spec *PoolSpec) {
	given := f.optional("argo", spec.Argo != nil)
	switch {
	case !f.sound("engine"):
	case given && spec.Engine != EngineArgo:
		f.problem("argo", "given with engine: %s; allowed: with engine: argo", spec.Engine)
	case !given && spec.Engine == EngineArgo:
		f.problem("argo", "is missing; allowed: where runners are made, like {namespace: scoring, semaphore: {key: spot}}")
	}
	if spec.Engine == EngineArgo && spec.Local != nil {
		f.problem("local", "given with engine: argo; allowed: with engine: local")
	}
	if !given {
		return
	}
	if spec.Argo == nil {
		spec.Argo = &Runners{
			Namespace: "default", Template: "nightshift-runner", Semaphore: Semaphore{ConfigMap: "nightshift-pools"}, MaxLife: 24 * time.Hour, CreationsPerMinute: 120,
		}
	}
	f.object("argo", func(f visitor) {
		f.required("semaphore")
		if f.optional("context", spec.Argo.Context != "") {
			f.text("context", &spec.Argo.Context, isLine)
		}
		f.text("namespace", &spec.Argo.Namespace, isLabel)
		f.text("template", &spec.Argo.Template, isObject)
		f.object("semaphore", func(f visitor) {
			f.required("key")
			f.text("configMap", &spec.Argo.Semaphore.ConfigMap, isObject)
			f.text("key", &spec.Argo.Semaphore.Key, isKey)
		})
		f.duration("maxLife", &spec.Argo.MaxLife, time.Minute, year)
		f.whole("creationsPerMinute", &spec.Argo.CreationsPerMinute, 1, mostCreations)
	})
}

// semaphores checks that no two pools write the same key: each would take the other for somebody who edits it.
func (d *decoder) semaphores() {
	type key struct{ context, namespace, configMap, key string }
	first, where := map[key]string{}, map[string]*source{}
	for _, document := range d.declared {
		if document.kind == "Pool" {
			where[document.name] = document.source
		}
	}
	for _, pool := range d.pools {
		of := pool.Spec.Argo
		if pool.Spec.Engine != EngineArgo || of == nil || of.Semaphore.Key == "" {
			continue
		}
		at := key{of.Context, of.Namespace, of.Semaphore.ConfigMap, of.Semaphore.Key}
		if earlier, twice := first[at]; twice {
			where[pool.Name].problem("spec.argo.semaphore.key", "%s of ConfigMap %s is that of Pool %s, too; allowed: a key of its own for each pool", quoted(at.key), quoted(at.configMap), quoted(earlier))
			continue
		}
		first[at] = pool.Name
	}
}

var (
	objectForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	keyForm    = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,252}$`)
)

// isObject is a name of an object, as an RFC 1123 subdomain.
func isObject(text string) string {
	return allowedIf(len(text) <= 253 && objectForm.MatchString(text), "a name as Kubernetes has them: lowercase letters, digits, - and ., beginning and ending with a letter or digit, at most 253 characters")
}

// isKey is a key of a ConfigMap.
func isKey(text string) string {
	return allowedIf(keyForm.MatchString(text), "a key of a ConfigMap: letters, digits, -, _ and ., not beginning with a point, at most 253 characters")
}
