package workflows

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"github.com/argoproj/argo-workflows/v3/pkg/client/clientset/versioned"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/apiserver"
)

const argoGroup = "argoproj.io"

var rights = []apiserver.Right{
	{Group: argoGroup, Resource: "workflows", Verb: "list"}, {Group: argoGroup, Resource: "workflows", Verb: "watch"},
	{Group: argoGroup, Resource: "workflows", Verb: "create"}, {Group: argoGroup, Resource: "workflows", Verb: "delete"},
	{Resource: "configmaps", Verb: "list"}, {Resource: "configmaps", Verb: "watch"}, {Resource: "configmaps", Verb: "create"}, {Resource: "configmaps", Verb: "patch"},
	{Resource: "events", Verb: "create", Helps: true}, {Resource: "events", Verb: "patch", Helps: true},
	{Group: argoGroup, Resource: "workflowtemplates", Verb: "get", Helps: true},
}

// Check looks whether runners can be made with the rights of a connection: everything that stands in the way, and nothing is changed.
func Check(ctx context.Context, config *rest.Config, namespace, template, configMap string) (found []orchestrator.SourceFinding) {
	refuse := func(next, format string, values ...any) {
		found = append(found, orchestrator.SourceFinding{Refused: true, Found: fmt.Sprintf(format, values...), Next: next})
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		refuse("", "%v", err)
		return found
	}
	argo, err := versioned.NewForConfig(config)
	if err != nil {
		refuse("", "%v", err)
		return found
	}
	if found, err = apiserver.Missing(ctx, kube, namespace, rights, false, "docs/argo.md"); err != nil {
		refuse("See whether kubectl reaches it, with the same KUBECONFIG", "the API server does not answer: %v", err)
		return found
	}
	if _, err := argo.Discovery().ServerResourcesForGroupVersion(argoGroup + "/v1alpha1"); err != nil {
		refuse("Install Argo Workflows with its definitions, 3.7 or later", "Workflows are not known there: %v", err)
		return found
	}
	switch of, err := argo.ArgoprojV1alpha1().WorkflowTemplates(namespace).Get(ctx, template, metav1.GetOptions{}); {
	case apierrors.IsNotFound(err):
		refuse("kubectl apply -k manifests/runners, or change the pool's argo.template", "there is no WorkflowTemplate %s", template)
	case err != nil && len(found) == 0:
		refuse("", "WorkflowTemplate %s cannot be read: %v", template, err)
	case err == nil:
		for _, what := range fits(of, configMap) {
			refuse("See manifests/runners/template.yaml", "WorkflowTemplate %s %s", template, what)
		}
	}
	return found
}

// fits says what of a template is not as runners need it.
func fits(template *wfv1.WorkflowTemplate, configMap string) (wrong []string) {
	text, err := json.Marshal(template.Spec)
	if err != nil {
		return []string{err.Error()}
	}
	if !strings.Contains(string(text), "{{workflow.name}}-$(POD_UID)") {
		wrong = append(wrong, "does not name the worker {{workflow.name}}-$(POD_UID): nobody would know which runner it works in")
	}
	locks := template.Spec.Synchronization
	if locks == nil || !slices.ContainsFunc(locks.Semaphores, func(one *wfv1.SemaphoreRef) bool {
		return one.ConfigMapKeyRef != nil && one.ConfigMapKeyRef.Name == configMap && one.ConfigMapKeyRef.Key == "{{workflow.parameters.semaphoreKey}}"
	}) {
		wrong = append(wrong, fmt.Sprintf("does not take the semaphore {{workflow.parameters.semaphoreKey}} of ConfigMap %s", configMap))
	}
	if slices.ContainsFunc(template.Spec.Templates, func(one wfv1.Template) bool { return one.RetryStrategy != nil }) {
		wrong = append(wrong, "retries, and keeps its lock meanwhile: nightshift itself makes another runner")
	}
	return wrong
}
