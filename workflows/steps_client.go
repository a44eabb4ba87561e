package workflows

import (
	"context"
	"fmt"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"github.com/argoproj/argo-workflows/v3/pkg/client/clientset/versioned"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/apiserver"
)

// Jobs are the Workflows of jobs in one namespace.
type Jobs struct {
	namespace string
	argo      versioned.Interface
	watched   cache.SharedIndexInformer
	contact   *apiserver.Contact
}

// NewJobs prepares the watch; Run begins it.
func NewJobs(config *rest.Config, namespace string) (*Jobs, error) {
	argo, err := versioned.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("prepare the client of Workflows: %w", err)
	}
	j := &Jobs{namespace: namespace, argo: argo, contact: apiserver.NewContact()}
	j.watched = cache.NewSharedIndexInformer(j.contact.Follow("workflows of jobs", &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.LabelSelector = labelJob
			return argo.ArgoprojV1alpha1().Workflows(namespace).List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.LabelSelector = labelJob
			return argo.ArgoprojV1alpha1().Workflows(namespace).Watch(ctx, options)
		},
	}), &wfv1.Workflow{}, 0, cache.Indexers{})
	if err := j.watched.SetTransform(slimJob); err != nil {
		return nil, fmt.Errorf("prepare the watch of namespace %s: %w", namespace, err)
	}
	return j, nil
}

// slimJob drops what nobody looks at: Argo keeps a copy of the template in each Workflow.
func slimJob(object any) (any, error) {
	of, ok := object.(*wfv1.Workflow)
	if !ok {
		return object, nil
	}
	of.ManagedFields, of.Spec = nil, wfv1.WorkflowSpec{Shutdown: of.Spec.Shutdown}
	of.Status.StoredTemplates, of.Status.StoredWorkflowSpec, of.Status.Conditions = nil, nil, nil
	for id, node := range of.Status.Nodes {
		node.Inputs, node.Children, node.ResourcesDuration = nil, nil, nil
		if !isScore(node) {
			node.Outputs = nil
		}
		of.Status.Nodes[id] = node
	}
	return of, nil
}

// Run watches until ctx ends.
func (j *Jobs) Run(ctx context.Context) error {
	j.watched.RunWithContext(ctx)
	return nil
}

// Begin makes the Workflow of a job's epoch; one of its name that is there is as good where it is the same one (SC2).
func (j *Jobs) Begin(ctx context.Context, job orchestrator.Job) (uid string, err error) {
	made, err := j.argo.ArgoprojV1alpha1().Workflows(j.namespace).Create(ctx, JobWorkflow(job), metav1.CreateOptions{FieldManager: "nightshift"})
	if apierrors.IsAlreadyExists(err) {
		made, err = j.argo.ArgoprojV1alpha1().Workflows(j.namespace).Get(ctx, job.Workflow.Name, metav1.GetOptions{})
		if err == nil && !isOf(made, job) {
			return "", fmt.Errorf("make Workflow %s/%s: %w", j.namespace, job.Workflow.Name, orchestrator.ErrForeignWorkflow)
		}
	}
	if err != nil {
		return "", fmt.Errorf("make Workflow %s/%s: %w", j.namespace, job.Workflow.Name, err)
	}
	return string(made.UID), nil
}

// Look says how far the job's Workflow has come. What the watch has brought is enough, but to say that it is gone.
func (j *Jobs) Look(ctx context.Context, job orchestrator.Job) (orchestrator.WorkflowView, error) {
	workflow, err := j.find(ctx, job)
	switch {
	case err != nil:
		return orchestrator.WorkflowView{}, err
	case workflow == nil:
		return orchestrator.WorkflowView{State: orchestrator.WorkflowStopped, Message: fmt.Sprintf("Workflow %s/%s was deleted", j.namespace, job.Workflow.Name)}, nil
	}
	return ViewJob(workflow), nil
}

// find gives the job's Workflow, nil where it is gone for certain.
func (j *Jobs) find(ctx context.Context, job orchestrator.Job) (*wfv1.Workflow, error) {
	if at, err := j.contact.Last(time.Now()); err != nil && at.IsZero() {
		return nil, fmt.Errorf("how Workflow %s/%s is is not known yet: %w", j.namespace, job.Workflow.Name, err)
	} else if err != nil {
		return nil, fmt.Errorf("how Workflow %s/%s is has not been known since %s: %w", j.namespace, job.Workflow.Name, at.UTC().Format(time.TimeOnly), err)
	}
	same := func(workflow *wfv1.Workflow) bool {
		return job.Workflow.UID == string(workflow.UID) || job.Workflow.UID == "" && isOf(workflow, job)
	}
	if object, there, err := j.watched.GetStore().GetByKey(j.namespace + "/" + job.Workflow.Name); err == nil && there {
		if workflow, ok := object.(*wfv1.Workflow); ok && same(workflow) {
			return workflow, nil
		}
	}
	workflow, err := j.argo.ArgoprojV1alpha1().Workflows(j.namespace).Get(ctx, job.Workflow.Name, metav1.GetOptions{}) // the watch may be behind
	switch {
	case apierrors.IsNotFound(err) || err == nil && !same(workflow):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read Workflow %s/%s: %w", j.namespace, job.Workflow.Name, err)
	}
	return workflow, nil
}

// Tell says to the job's Workflow what became of it.
func (j *Jobs) Tell(ctx context.Context, job orchestrator.Job, word orchestrator.WorkflowWord) error {
	workflow, err := j.find(ctx, job)
	if err != nil || workflow == nil {
		return err
	}
	patch := TellJob(workflow, word, time.Now())
	if patch == nil {
		return nil
	}
	_, err = j.argo.ArgoprojV1alpha1().Workflows(j.namespace).Patch(ctx, workflow.Name, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: "nightshift"})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("patch Workflow %s/%s: %w", j.namespace, job.Workflow.Name, err)
	}
	return nil
}
