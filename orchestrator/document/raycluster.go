package document

import (
	"net/url"
	"path"
	"regexp"
	"time"
)

// WorkerGroup is the worker group of a RayCluster that a pool sizes.
type WorkerGroup struct {
	Context   string // of the kubeconfig; empty: the current one
	Namespace string
	Cluster   string
	Group     string
	Dashboard string // address of the head's dashboard; empty: that of the service that KubeRay makes
	// NATSContext is the path of a NATS context in the pods, and NATS an address without secrets; with neither, the pods' own environment says where NATS is.
	NATSContext, NATS string
	Actor             Actor
	// GrantLimit is how long a replica may wait for a node before the provider is believed to refuse it, and RetryAfter how long that is believed.
	GrantLimit, RetryAfter time.Duration
	Autoscaler             Autoscaler    // what is done where Ray's autoscaler sizes the group
	DoNotDisrupt           time.Duration // how long a busy pod is kept from Karpenter's consolidation, from each write on; 0: not at all
}

// Autoscaler is what is done where Ray's autoscaler sizes a group.
type Autoscaler string

// What can be done.
const (
	AutoscalerRefuse Autoscaler = "refuse" // nothing is written but the reason
	AutoscalerBounds Autoscaler = "bounds" // the group's minReplicas and maxReplicas are moved
)

// Actor is what Ray sets aside for each worker.
type Actor struct {
	CPUs      float64
	GPUs      float64 // 0: its share of what the group's pods have
	Memory    int64   // bytes; 0: it is not counted
	Resources []Resource
}

// Resource is a custom resource of Ray.
type Resource struct {
	Name   string
	Amount float64
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
		spec.Ray = &WorkerGroup{Namespace: "default", Actor: Actor{CPUs: 1}, GrantLimit: 30 * time.Second, RetryAfter: 3 * time.Minute, Autoscaler: AutoscalerRefuse}
	}
	f.object("ray", func(f visitor) {
		f.required("cluster", "group")
		if f.optional("context", spec.Ray.Context != "") {
			f.text("context", &spec.Ray.Context, isLine)
		}
		f.text("namespace", &spec.Ray.Namespace, isLabel)
		f.text("cluster", &spec.Ray.Cluster, isLabel)
		f.text("group", &spec.Ray.Group, isGroup)
		if f.optional("dashboard", spec.Ray.Dashboard != "") {
			f.text("dashboard", &spec.Ray.Dashboard, isHTTP)
		}
		natsFieldsOfPods(f, spec.Ray)
		if f.optional("actor", spec.Ray.Actor.given()) {
			f.object("actor", func(f visitor) { actorFields(f, &spec.Ray.Actor) })
		}
		f.duration("grantLimit", &spec.Ray.GrantLimit, time.Second, time.Hour)
		f.duration("retryAfter", &spec.Ray.RetryAfter, time.Second, 24*time.Hour)
		if f.optional("autoscaler", spec.Ray.Autoscaler == AutoscalerBounds) {
			choiceOf(f, "autoscaler", &spec.Ray.Autoscaler, AutoscalerRefuse, AutoscalerBounds)
		}
		if f.optional("doNotDisrupt", spec.Ray.DoNotDisrupt > 0) {
			f.duration("doNotDisrupt", &spec.Ray.DoNotDisrupt, 5*time.Minute, 24*time.Hour)
		}
	})
}

// natsFieldsOfPods visits how workers in pods reach NATS.
func natsFieldsOfPods(f visitor, group *WorkerGroup) {
	if f.optional("natsContext", group.NATSContext != "") {
		f.text("natsContext", &group.NATSContext, isAbsolute)
	}
	if f.optional("nats", group.NATS != "") {
		f.text("nats", &group.NATS, isAnything)
		if why := isOpenAddress(group.NATS); f.sound("nats") && why != "" {
			f.problem("nats", "is none, or has a secret in it; allowed: %s", why)
		}
	}
	if f.sound("nats", "natsContext") && group.NATS != "" && group.NATSContext != "" {
		f.problem("nats", "given beside natsContext; allowed: one of them")
	}
}

func (a Actor) given() bool { return a.CPUs != 1 || a.GPUs > 0 || a.Memory > 0 || len(a.Resources) > 0 }

func actorFields(f visitor, actor *Actor) {
	f.decimal("cpus", &actor.CPUs, 10_000)
	if f.optional("gpus", actor.GPUs > 0) {
		f.decimal("gpus", &actor.GPUs, 10_000)
	}
	f.quantity("memory", &actor.Memory, 0, exbibyte)
	if !f.optional("resources", len(actor.Resources) > 0) {
		return
	}
	f.list("resources", len(actor.Resources), func(index int, item visitor) {
		if index == len(actor.Resources) {
			actor.Resources = append(actor.Resources, Resource{})
		}
		one := &actor.Resources[index]
		item.required("name", "amount")
		item.text("name", &one.Name, isLine)
		item.decimal("amount", &one.Amount, 10_000)
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

func isHTTP(text string) string {
	at, err := url.Parse(text)
	ok := err == nil && (at.Scheme == "http" || at.Scheme == "https") && at.Host != "" && at.User == nil
	return allowedIf(ok, "an address like http://nightly-head-svc.scoring:8265, without a user")
}

func isAbsolute(text string) string {
	return allowedIf(path.IsAbs(text), "the absolute path of a file in the pods, like /etc/nightshift/nats/context.json")
}

// isOpenAddress keeps secrets out of what everybody who sees Ray's dashboard can read.
func isOpenAddress(text string) string {
	at, err := url.Parse(text)
	ok := err == nil && (at.Scheme == "nats" || at.Scheme == "tls" || at.Scheme == "ws" || at.Scheme == "wss") && at.Host != "" && at.User == nil
	return allowedIf(ok, "an address like nats://nats.nightshift:4222, without a user, whom everybody who sees Ray's dashboard could read; natsContext names a file in the pods that may have one")
}
