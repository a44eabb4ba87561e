package workflows

import (
	"os"
	"path/filepath"
	"testing"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// The shipped templates are as jobs need them, and what is changed in them that may not be is said.
func TestStepsFit(t *testing.T) {
	t.Parallel()
	read := func(name string) *wfv1.WorkflowTemplate {
		text, err := os.ReadFile(filepath.Join("..", "manifests", "steps", name))
		if err != nil {
			t.Fatal(err)
		}
		var of wfv1.WorkflowTemplate
		if err := yaml.UnmarshalStrict(text, &of); err != nil {
			t.Fatal(err)
		}
		return &of
	}
	const whole = "prepare-score-publish.yaml"
	refers := func(in func(*wfv1.Template, *wfv1.TemplateRef)) func(*wfv1.WorkflowTemplate) {
		return func(of *wfv1.WorkflowTemplate) {
			of.Spec.Templates = of.Spec.Templates[:1]
			of.Spec.Templates[0].Steps = nil
			in(&of.Spec.Templates[0], &wfv1.TemplateRef{Name: "nightshift-score", Template: "score"})
		}
	}
	for _, one := range []struct {
		name   string
		change func(*wfv1.WorkflowTemplate)
		want   []string
	}{
		{whole, func(*wfv1.WorkflowTemplate) {}, nil},
		{"score.yaml", func(*wfv1.WorkflowTemplate) {}, nil},
		{whole, func(of *wfv1.WorkflowTemplate) { of.Spec.Templates[2].Name = "scores" }, []string{"has no template score: its jobs would fail without being scored"}},
		{whole, refers(func(main *wfv1.Template, to *wfv1.TemplateRef) {
			main.Steps = []wfv1.ParallelSteps{{Steps: []wfv1.WorkflowStep{{Name: "a", TemplateRef: to}}}}
		}), nil},
		{whole, refers(func(main *wfv1.Template, to *wfv1.TemplateRef) {
			main.DAG = &wfv1.DAGTemplate{Tasks: []wfv1.DAGTask{{Name: "a", TemplateRef: to}}}
		}), nil},
		{whole, func(of *wfv1.WorkflowTemplate) { of.Spec.Templates[2].Suspend = nil }, []string{"has a template score that is not suspended: nightshift could not resume it"}},
		{whole, func(of *wfv1.WorkflowTemplate) { of.Spec.Templates[2].Suspend.Duration = "1h" }, []string{"has a template score that resumes itself after 1h, scored or not"}},
		{whole, func(of *wfv1.WorkflowTemplate) { of.Spec.Templates[2].Outputs.Parameters[0].Name = "uri" }, []string{"wants the output parameter uri of its template score, which gives manifest, rows, errors"}},
		{whole, func(of *wfv1.WorkflowTemplate) {
			of.Spec.Arguments.Parameters[2].ValueFrom = &wfv1.ValueFrom{}
		}, []string{"takes the parameter source from elsewhere: what a job runs with has to be seen in it"}},
	} {
		of := read(one.name)
		one.change(of)
		if diff := cmp.Diff(one.want, stepsFit(of)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", one.name, diff)
		}
	}
}
