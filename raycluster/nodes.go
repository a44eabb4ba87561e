package raycluster

import (
	"context"
	"fmt"
	"maps"
	"time"

	authv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// rightsEvery is how often it is asked whether nodes may be watched, as long as they may not.
const rightsEvery = time.Minute

// Nodes knows which nodes of a cluster are about to be taken away. It goes without: then pods leave when they are being deleted.
type Nodes struct {
	kube     kubernetes.Interface
	informer cache.SharedIndexInformer
	changed  []func(node string) // are called with the name of a node whose notice has changed
}

// NewNodes prepares the watch, for all namespaces that are watched there; Run begins it.
func NewNodes(config *rest.Config) (*Nodes, error) {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("prepare the client of Kubernetes: %w", err)
	}
	n := &Nodes{kube: kube}
	n.informer = cache.NewSharedIndexInformer(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return kube.CoreV1().Nodes().List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return kube.CoreV1().Nodes().Watch(ctx, options)
		},
	}, &corev1.Node{}, 0, cache.Indexers{})
	if err := n.informer.SetTransform(slimNode); err != nil {
		return nil, fmt.Errorf("prepare the watch of nodes: %w", err)
	}
	_, err = n.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) { n.tell(&corev1.Node{}, object) }, UpdateFunc: func(before, now any) { n.tell(before, now) },
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the watch of nodes: %w", err)
	}
	return n, nil
}

// tell says so where a notice has changed.
func (n *Nodes) tell(before, now any) {
	was, ok := before.(*corev1.Node)
	node, also := now.(*corev1.Node)
	if !ok || !also || noticeOfNode(was) == noticeOfNode(node) {
		return
	}
	for _, changed := range n.changed {
		changed(node.Name)
	}
}

// slimNode keeps what a notice is made of: nodes are large, and their status changes every few seconds.
func slimNode(object any) (any, error) {
	node, ok := object.(*corev1.Node)
	if !ok {
		return object, nil
	}
	maps.DeleteFunc(node.Annotations, func(key, _ string) bool { return key != terminating })
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: node.Name, UID: node.UID, ResourceVersion: node.ResourceVersion, Annotations: node.Annotations},
		Spec:       corev1.NodeSpec{Taints: node.Spec.Taints},
	}, nil
}

// Run watches, once that is allowed, until ctx ends.
func (n *Nodes) Run(ctx context.Context) error {
	for !n.allowed(ctx) {
		select {
		case <-time.After(rightsEvery):
		case <-ctx.Done():
			return nil
		}
	}
	n.informer.RunWithContext(ctx)
	return nil
}

func (n *Nodes) allowed(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	for _, verb := range []string{"list", "watch"} {
		review := &authv1.SelfSubjectAccessReview{Spec: authv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authv1.ResourceAttributes{Resource: "nodes", Verb: verb}}}
		answer, err := n.kube.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil || !answer.Status.Allowed {
			return false
		}
	}
	return true
}

// notice says why a node will be taken away; empty: nobody says so.
func (n *Nodes) notice(name string) string {
	if n == nil {
		return ""
	}
	object, there, err := n.informer.GetStore().GetByKey(name)
	if node, ok := object.(*corev1.Node); ok && there && err == nil {
		return noticeOfNode(node)
	}
	return ""
}
