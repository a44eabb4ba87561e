package workflows

import (
	"context"
	"fmt"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"github.com/argoproj/argo-workflows/v3/pkg/client/clientset/versioned"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"nightshift.dev/nightshift/orchestrator/apiserver"
)

// others are the workflows that may hold a semaphore and are no runners: those that Argo has not completed.
const others = "workflows.argoproj.io/completed!=true,!" + labelPool

// Namespace watches the Workflows of a namespace and one ConfigMap with semaphores.
type Namespace struct {
	name, configMap string
	argo            versioned.Interface
	kube            kubernetes.Interface
	runners, others cache.SharedIndexInformer
	semaphores      cache.SharedIndexInformer
	contact         *apiserver.Contact
	events          record.EventBroadcaster
	recorder        record.EventRecorder
}

// NewNamespace prepares the watches; Run begins them. changed is called when something has changed; it must not block.
func NewNamespace(config *rest.Config, name, configMap string, changed func()) (*Namespace, error) {
	argo, err := versioned.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("prepare the client of Workflows: %w", err)
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("prepare the client of Kubernetes: %w", err)
	}
	n := &Namespace{name: name, configMap: configMap, argo: argo, kube: kube, contact: apiserver.NewContact(), events: record.NewBroadcaster()}
	n.recorder = n.events.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "nightshift"})
	n.runners = n.workflows("runners", labelPool)
	n.others = n.workflows("other workflows", others)
	n.semaphores = cache.NewSharedIndexInformer(n.contact.Follow("configmaps", &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = n.selector()
			return kube.CoreV1().ConfigMaps(name).List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = n.selector()
			return kube.CoreV1().ConfigMaps(name).Watch(ctx, options)
		},
	}), &corev1.ConfigMap{}, 0, cache.Indexers{})
	tell := func(any) { changed() }
	handler := cache.ResourceEventHandlerFuncs{AddFunc: tell, UpdateFunc: func(_, now any) { tell(now) }, DeleteFunc: tell}
	for _, informer := range []cache.SharedIndexInformer{n.runners, n.others, n.semaphores} {
		if err := informer.SetTransform(slim); err != nil {
			return nil, fmt.Errorf("prepare the watch of namespace %s: %w", name, err)
		}
		if _, err := informer.AddEventHandler(handler); err != nil {
			return nil, fmt.Errorf("prepare the watch of namespace %s: %w", name, err)
		}
	}
	return n, nil
}

func (n *Namespace) selector() string {
	return fields.OneTermEqualSelector("metadata.name", n.configMap).String()
}

func (n *Namespace) workflows(what, selector string) cache.SharedIndexInformer {
	return cache.NewSharedIndexInformer(n.contact.Follow(what, &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.LabelSelector = selector
			return n.argo.ArgoprojV1alpha1().Workflows(n.name).List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.LabelSelector = selector
			return n.argo.ArgoprojV1alpha1().Workflows(n.name).Watch(ctx, options)
		},
	}), &wfv1.Workflow{}, 0, cache.Indexers{})
}

// slim drops what nobody looks at: a Workflow may be a megabyte (T25).
func slim(object any) (any, error) {
	of, ok := object.(*wfv1.Workflow)
	if !ok {
		return object, nil
	}
	of.ManagedFields, of.Annotations = nil, nil
	of.Spec = wfv1.WorkflowSpec{Suspend: of.Spec.Suspend}
	status := wfv1.WorkflowStatus{Phase: of.Status.Phase, Message: of.Status.Message, Synchronization: of.Status.Synchronization}
	if of.Labels[labelPool] != "" {
		status.Nodes = of.Status.Nodes // of one pod
	}
	of.Status = status
	return of, nil
}

// Run watches until ctx ends.
func (n *Namespace) Run(ctx context.Context) error {
	n.events.StartRecordingToSink(&corev1client.EventSinkImpl{Interface: n.kube.CoreV1().Events(n.name)})
	defer n.events.Shutdown()
	done := make(chan struct{}, 3)
	for _, informer := range []cache.SharedIndexInformer{n.runners, n.others, n.semaphores} {
		go func() {
			informer.RunWithContext(ctx)
			done <- struct{}{}
		}()
	}
	for range cap(done) {
		<-done
	}
	return nil
}

// See gives what the watches have brought. It never waits.
func (n *Namespace) See() Seen {
	seen := Seen{At: time.Now()}
	if at, err := n.contact.Last(seen.At); err != nil {
		seen.At, seen.Err = at, err
	} else if !n.runners.HasSynced() || !n.others.HasSynced() || !n.semaphores.HasSynced() {
		seen.At, seen.Err = time.Time{}, fmt.Errorf("namespace %s is not read yet", n.name)
	}
	for _, informer := range []cache.SharedIndexInformer{n.runners, n.others} {
		for _, object := range informer.GetStore().List() {
			if workflow, ok := object.(*wfv1.Workflow); ok {
				seen.Workflows = append(seen.Workflows, workflow)
			}
		}
	}
	if object, ok, err := n.semaphores.GetStore().GetByKey(n.name + "/" + n.configMap); err == nil && ok {
		seen.Semaphore, _ = object.(*corev1.ConfigMap)
	}
	return seen
}

// Create makes a runner; one of its name that is there already is as good.
func (n *Namespace) Create(ctx context.Context, runner *wfv1.Workflow) error {
	_, err := n.argo.ArgoprojV1alpha1().Workflows(n.name).Create(ctx, runner, metav1.CreateOptions{FieldManager: "nightshift"})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// Delete ends a runner that is still as it was seen; its pod has its grace. One that is not is left alone: what the watch brings is decided on anew.
func (n *Namespace) Delete(ctx context.Context, runner Runner) error {
	policy := metav1.DeletePropagationBackground
	err := n.argo.ArgoprojV1alpha1().Workflows(n.name).Delete(ctx, runner.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &runner.UID, ResourceVersion: &runner.Version}, PropagationPolicy: &policy,
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// Patch applies a JSON Patch to the ConfigMap.
func (n *Namespace) Patch(ctx context.Context, patch []byte) (*corev1.ConfigMap, error) {
	return n.kube.CoreV1().ConfigMaps(n.name).Patch(ctx, n.configMap, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: "nightshift"})
}

// Make creates the ConfigMap with one key.
func (n *Namespace) Make(ctx context.Context, key, value string) (*corev1.ConfigMap, error) {
	of := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: n.configMap, Namespace: n.name}, Data: map[string]string{key: value}}
	return n.kube.CoreV1().ConfigMaps(n.name).Create(ctx, of, metav1.CreateOptions{FieldManager: "nightshift"})
}

// Tell makes an Event of the ConfigMap, a warning.
func (n *Namespace) Tell(of *corev1.ConfigMap, reason, sentence string) {
	n.recorder.Event(of, corev1.EventTypeWarning, reason, sentence)
}
