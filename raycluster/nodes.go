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
	"k8s.io/client-go/tools/cache"
)

// rightsEvery is how often it is asked whether nodes may be watched, as long as they may not.
const rightsEvery = time.Minute

// nodes knows which nodes are about to be taken away. It goes without: then pods leave when they are being deleted.
type nodes struct {
	kube     kubernetes.Interface
	informer cache.SharedIndexInformer
}

// newNodes prepares the watch; changed is called with the name of a node whose notice has changed.
func newNodes(kube kubernetes.Interface, changed func(node string)) (*nodes, error) {
	n := &nodes{kube: kube}
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
	_, err := n.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) {
			if node, ok := object.(*corev1.Node); ok && noticeOfNode(node) != "" {
				changed(node.Name)
			}
		},
		UpdateFunc: func(before, now any) {
			was, ok := before.(*corev1.Node)
			node, also := now.(*corev1.Node)
			if ok && also && noticeOfNode(was) != noticeOfNode(node) {
				changed(node.Name)
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the watch of nodes: %w", err)
	}
	return n, nil
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

// run watches, once that is allowed, until ctx ends.
func (n *nodes) run(ctx context.Context) {
	for !n.allowed(ctx) {
		select {
		case <-time.After(rightsEvery):
		case <-ctx.Done():
			return
		}
	}
	n.informer.RunWithContext(ctx)
}

func (n *nodes) allowed(ctx context.Context) bool {
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
func (n *nodes) notice(name string) string {
	object, there, err := n.informer.GetStore().GetByKey(name)
	if node, ok := object.(*corev1.Node); ok && there && err == nil {
		return noticeOfNode(node)
	}
	return ""
}
