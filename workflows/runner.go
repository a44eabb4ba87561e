package workflows

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The labels of a runner (AW1).
const (
	labelPool       = "nightshift.dev/pool"
	labelSlot       = "nightshift.dev/slot"
	labelGeneration = "nightshift.dev/generation"
)

// keepEnded is how long Argo keeps a runner that has ended, for people to look at.
const keepEnded = 10 * time.Minute

// Name is that of a runner (AW1): at most 63 characters with a pool of 40, ten thousand slots and 10^16 generations, since Argo labels pods with it.
func Name(pool string, slot, generation int) string {
	return fmt.Sprintf("%s-%d-%d", pool, slot, generation)
}

// generationOf is the end of a runner's name; 0: it has none.
func generationOf(name string) int {
	generation, err := strconv.Atoi(name[strings.LastIndexByte(name, '-')+1:])
	if err != nil {
		return 0
	}
	return generation
}

var podUID = regexp.MustCompile(`-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// runnerOf is the runner that a worker of that name runs in: the template gives workers the name of their Workflow and the uid of their pod.
func runnerOf(worker string) string { return podUID.ReplaceAllString(worker, "") }

// Made says what all runners of a pool are made from.
type Made struct {
	Pool      string
	Namespace string
	Template  string // WorkflowTemplate
	Key       string // of the semaphore's ConfigMap
	MaxLife   time.Duration
}

// Runner gives the Workflow of a slot and a generation. Beside the reference it has only fields that a careful controller lets users set (templateReferencing: Strict).
func (m Made) Runner(slot, generation int) *wfv1.Workflow {
	seconds, kept := int64(m.MaxLife/time.Second), int32(keepEnded/time.Second)
	return &wfv1.Workflow{
		ObjectMeta: metav1.ObjectMeta{
			Name: Name(m.Pool, slot, generation), Namespace: m.Namespace,
			Labels: map[string]string{labelPool: m.Pool, labelSlot: strconv.Itoa(slot), labelGeneration: strconv.Itoa(generation)},
		},
		Spec: wfv1.WorkflowSpec{
			WorkflowTemplateRef: &wfv1.WorkflowTemplateRef{Name: m.Template}, ActiveDeadlineSeconds: &seconds, TTLStrategy: &wfv1.TTLStrategy{SecondsAfterCompletion: &kept},
			Arguments: wfv1.Arguments{Parameters: []wfv1.Parameter{parameter("pool", m.Pool), parameter("slot", strconv.Itoa(slot)), parameter("semaphoreKey", m.Key)}},
		},
	}
}

func parameter(name, value string) wfv1.Parameter {
	return wfv1.Parameter{Name: name, Value: wfv1.AnyStringPtr(value)}
}
