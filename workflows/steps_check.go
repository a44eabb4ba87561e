package workflows

import (
	"context"
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

var stepsRights = []apiserver.Right{
	{Group: argoGroup, Resource: "workflows", Verb: "get"}, {Group: argoGroup, Resource: "workflows", Verb: "list"}, {Group: argoGroup, Resource: "workflows", Verb: "watch"},
	{Group: argoGroup, Resource: "workflows", Verb: "create"}, {Group: argoGroup, Resource: "workflows", Verb: "patch"},
	{Group: argoGroup, Resource: "workflowtemplates", Verb: "get", Helps: true},
}

// CheckSteps looks whether jobs can have steps with the rights of a connection: everything that stands in the way, and nothing is changed.
func CheckSteps(ctx context.Context, config *rest.Config, place orchestrator.StepsPlace) (found []orchestrator.SourceFinding) {
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
	if found, err = apiserver.Missing(ctx, kube, place.Namespace, stepsRights, false, "docs/steps.md"); err != nil {
		refuse("See whether kubectl reaches it, with the same KUBECONFIG", "the API server does not answer: %v", err)
		return found
	}
	if _, err := argo.Discovery().ServerResourcesForGroupVersion(argoGroup + "/v1alpha1"); err != nil {
		refuse("Install Argo Workflows with its definitions, 3.7 or later", "Workflows are not known there: %v", err)
		return found
	}
	rightless := len(found) > 0
	for _, name := range place.Templates {
		switch of, err := argo.ArgoprojV1alpha1().WorkflowTemplates(place.Namespace).Get(ctx, name, metav1.GetOptions{}); {
		case apierrors.IsNotFound(err):
			refuse("kubectl apply -k manifests/steps, or change the queue's steps.templates", "there is no WorkflowTemplate %s", name)
		case err != nil && !rightless:
			refuse("", "WorkflowTemplate %s cannot be read: %v", name, err)
		case err == nil:
			for _, what := range stepsFit(of) {
				refuse("See manifests/steps/prepare-score-publish.yaml", "WorkflowTemplate %s %s", name, what)
			}
		}
	}
	return found
}

// stepsFit says what of a template is not as jobs with steps need it. One that refers to the node in another template is not looked into.
func stepsFit(template *wfv1.WorkflowTemplate) (wrong []string) {
	at := slices.IndexFunc(template.Spec.Templates, func(one wfv1.Template) bool { return one.Name == ScoreTemplate })
	if at < 0 {
		if !refersToScore(template) {
			wrong = append(wrong, "has no template score: its jobs would fail without being scored")
		}
		return wrong
	}
	score := template.Spec.Templates[at]
	switch {
	case score.Suspend == nil:
		wrong = append(wrong, "has a template score that is not suspended: nightshift could not resume it")
	case score.Suspend.Duration != "":
		wrong = append(wrong, "has a template score that resumes itself after "+score.Suspend.Duration+", scored or not")
	}
	for _, output := range score.Outputs.Parameters {
		if !slices.Contains(Outputs, output.Name) {
			wrong = append(wrong, fmt.Sprintf("wants the output parameter %s of its template score, which gives %s", output.Name, strings.Join(Outputs, ", ")))
		}
	}
	for _, parameter := range template.Spec.Arguments.Parameters {
		if parameter.ValueFrom != nil {
			wrong = append(wrong, fmt.Sprintf("takes the parameter %s from elsewhere: what a job runs with has to be seen in it", parameter.Name))
		}
	}
	return wrong
}

func refersToScore(template *wfv1.WorkflowTemplate) bool {
	refers := func(of *wfv1.TemplateRef) bool { return of != nil && of.Template == ScoreTemplate }
	for _, one := range template.Spec.Templates {
		for _, group := range one.Steps {
			if slices.ContainsFunc(group.Steps, func(step wfv1.WorkflowStep) bool { return refers(step.TemplateRef) }) {
				return true
			}
		}
		if one.DAG != nil && slices.ContainsFunc(one.DAG.Tasks, func(task wfv1.DAGTask) bool { return refers(task.TemplateRef) }) {
			return true
		}
	}
	return false
}
