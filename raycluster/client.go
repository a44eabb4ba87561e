package raycluster

import (
	"context"
	"fmt"
	"maps"
	"time"

	rayv1 "github.com/ray-project/kuberay/ray-operator/apis/ray/v1"
	rayclient "github.com/ray-project/kuberay/ray-operator/pkg/client/clientset/versioned"
	rayscheme "github.com/ray-project/kuberay/ray-operator/pkg/client/clientset/versioned/scheme"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"nightshift.dev/nightshift/orchestrator/apiserver"
)

const (
	// mostRequests is how many of our requests are under way to the API server at once. More do not make it faster: all would wait there, and end by their time.
	mostRequests = 16
	// requestWithin bounds one request, from when it is sent.
	requestWithin = 10 * time.Second
)

// Namespace watches the RayClusters of a namespace and their pods.
type Namespace struct {
	name     string
	rays     rayclient.Interface
	kube     kubernetes.Interface
	clusters cache.SharedIndexInformer
	pods     cache.SharedIndexInformer
	contact  *apiserver.Contact
	scalers  scalers
	nodes    *Nodes // nil: nobody says which will be taken away
	events   record.EventBroadcaster
	recorder record.EventRecorder
	room     chan struct{} // of requests
}

// request waits for room, and gives the context of one request; done has to be called after it.
func (n *Namespace) request(ctx context.Context) (_ context.Context, done func(), err error) {
	select {
	case n.room <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	return ctx, func() { cancel(); <-n.room }, nil
}

// byCluster finds pods by the name of their RayCluster.
const byCluster = "cluster"

// NewNamespace prepares the watches; Run begins them. nodes says which will be taken away; nil: nobody does. changed is called with the name of a RayCluster that has changed, or whose pods have; it must not block.
func NewNamespace(config *rest.Config, name string, nodes *Nodes, changed func(cluster string)) (*Namespace, error) {
	rays, err := rayclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("prepare the client of RayClusters: %w", err)
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("prepare the client of Kubernetes: %w", err)
	}
	n := &Namespace{name: name, rays: rays, kube: kube, contact: apiserver.NewContact(), events: record.NewBroadcaster(), room: make(chan struct{}, mostRequests), nodes: nodes}
	if nodes != nil {
		nodes.changed = append(nodes.changed, func(node string) { n.onNode(node, changed) })
	}
	n.recorder = n.events.NewRecorder(rayscheme.Scheme, corev1.EventSource{Component: "nightshift"})
	n.clusters = cache.NewSharedIndexInformer(n.contact.Follow("rayclusters", &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return rays.RayV1().RayClusters(name).List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return rays.RayV1().RayClusters(name).Watch(ctx, options)
		},
	}), &rayv1.RayCluster{}, 0, cache.Indexers{})
	n.pods = cache.NewSharedIndexInformer(n.contact.Follow("pods", &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.LabelSelector = labelCluster
			return kube.CoreV1().Pods(name).List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.LabelSelector = labelCluster
			return kube.CoreV1().Pods(name).Watch(ctx, options)
		},
	}), &corev1.Pod{}, 0, cache.Indexers{byCluster: func(object any) ([]string, error) {
		return []string{object.(*corev1.Pod).Labels[labelCluster]}, nil
	}})
	return n, n.listen(changed)
}

// listen calls changed for every change, and keeps of pods only what is looked at.
func (n *Namespace) listen(changed func(cluster string)) error {
	tell := func(object any) {
		if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = gone.Obj
		}
		switch of := object.(type) {
		case *rayv1.RayCluster:
			changed(of.Name)
		case *corev1.Pod:
			changed(of.Labels[labelCluster])
		}
	}
	handler := cache.ResourceEventHandlerFuncs{AddFunc: tell, UpdateFunc: func(_, now any) { tell(now) }, DeleteFunc: tell}
	for _, informer := range []cache.SharedIndexInformer{n.clusters, n.pods} {
		if err := informer.SetTransform(slim); err != nil {
			return fmt.Errorf("prepare the watch of namespace %s: %w", n.name, err)
		}
		if _, err := informer.AddEventHandler(handler); err != nil {
			return fmt.Errorf("prepare the watch of namespace %s: %w", n.name, err)
		}
	}
	return nil
}

// slim drops what nobody looks at: with thousands of pods it would be most of the memory.
func slim(object any) (any, error) {
	switch of := object.(type) {
	case *corev1.Pod:
		of.ManagedFields = nil
		maps.DeleteFunc(of.Annotations, func(key, _ string) bool { return key != terminating && key != doNotDisrupt && key != protectedAs })
		of.Spec = corev1.PodSpec{NodeName: of.Spec.NodeName, Containers: slimContainers(of.Spec.Containers)}
	case *rayv1.RayCluster:
		of.ManagedFields = nil
		of.Spec.HeadGroupSpec = rayv1.HeadGroupSpec{}
		for i := range of.Spec.WorkerGroupSpecs {
			template := &of.Spec.WorkerGroupSpecs[i].Template
			*template = corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: slimContainers(template.Spec.Containers)}}
		}
	}
	return object, nil
}

// slimContainers keeps the names, and the limits of Ray's container, the first.
func slimContainers(all []corev1.Container) (kept []corev1.Container) {
	for i, one := range all {
		container := corev1.Container{Name: one.Name}
		if i == 0 {
			container.Resources.Limits = one.Resources.Limits
		}
		kept = append(kept, container)
	}
	return kept
}

// Run watches until ctx ends.
func (n *Namespace) Run(ctx context.Context) error {
	n.events.StartRecordingToSink(&corev1client.EventSinkImpl{Interface: n.kube.CoreV1().Events(n.name)})
	defer n.events.Shutdown()
	done := make(chan struct{}, 3)
	for _, run := range []func(){
		func() { n.clusters.RunWithContext(ctx) }, func() { n.pods.RunWithContext(ctx) }, func() { n.scalers.run(ctx, n.kube, n.name) },
	} {
		go func() {
			run()
			done <- struct{}{}
		}()
	}
	for range cap(done) {
		<-done
	}
	return nil
}

// onNode calls changed for every RayCluster with a pod on the node.
func (n *Namespace) onNode(node string, changed func(cluster string)) {
	told := map[string]bool{}
	for _, object := range n.pods.GetStore().List() {
		if pod, ok := object.(*corev1.Pod); ok && pod.Spec.NodeName == node && !told[pod.Labels[labelCluster]] {
			told[pod.Labels[labelCluster]] = true
			changed(pod.Labels[labelCluster])
		}
	}
}

// Cluster is the RayCluster of that name.
func (n *Namespace) Cluster(name string) Cluster { return clusterOf{n, name} }

type clusterOf struct {
	in   *Namespace
	name string
}

func (c clusterOf) See() Seen {
	seen := Seen{At: time.Now(), Scalers: c.in.scalers.all()}
	if at, err := c.in.contact.Last(seen.At); err != nil {
		seen.At, seen.Err = at, err
	} else if !c.in.clusters.HasSynced() || !c.in.pods.HasSynced() {
		seen.At, seen.Err = time.Time{}, fmt.Errorf("namespace %s is not read yet", c.in.name)
	}
	if object, ok, err := c.in.clusters.GetStore().GetByKey(c.in.name + "/" + c.name); err == nil && ok {
		seen.Cluster, _ = object.(*rayv1.RayCluster)
	}
	objects, err := c.in.pods.GetIndexer().ByIndex(byCluster, c.name)
	if err != nil {
		seen.Err = err
	}
	for _, object := range objects {
		if pod, ok := object.(*corev1.Pod); ok {
			seen.Pods = append(seen.Pods, pod)
			if why := c.in.nodes.notice(pod.Spec.NodeName); why != "" {
				if seen.Notices == nil {
					seen.Notices = map[string]string{}
				}
				seen.Notices[pod.Name] = why
			}
		}
	}
	return seen
}

func (c clusterOf) Look(ctx context.Context) Seen {
	seen := Seen{At: time.Now(), Scalers: c.in.scalers.all()}
	ctx, done, err := c.in.request(ctx)
	if err != nil {
		seen.Err = err
		return seen
	}
	defer done()
	if seen.Cluster, seen.Err = c.in.rays.RayV1().RayClusters(c.in.name).Get(ctx, c.name, metav1.GetOptions{}); seen.Err != nil {
		return seen
	}
	pods, err := c.in.kube.CoreV1().Pods(c.in.name).List(ctx, metav1.ListOptions{LabelSelector: labelCluster + "=" + c.name})
	if err != nil {
		seen.Err = err
		return seen
	}
	for i := range pods.Items {
		seen.Pods = append(seen.Pods, &pods.Items[i])
	}
	return seen
}

func (c clusterOf) Patch(ctx context.Context, patch []byte) (*rayv1.RayCluster, error) {
	ctx, done, err := c.in.request(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return c.in.rays.RayV1().RayClusters(c.in.name).Patch(ctx, c.name, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: "nightshift"})
}

func (c clusterOf) Tell(of *rayv1.RayCluster, warning bool, reason, sentence string) {
	kind := corev1.EventTypeNormal
	if warning {
		kind = corev1.EventTypeWarning
	}
	c.in.recorder.Event(of, kind, reason, sentence)
}
