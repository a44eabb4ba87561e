package metrics

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
)

// units are the last words of names, but for total, and what the page says of them; other metrics have none, or one of their own.
var units = map[string]string{
	"seconds": "seconds", "rows": "rows", "replicas": "replicas", "workers": "workers", "jobs": "jobs", "ratio": "ratio", "known": "0 or 1", "on": "0 or 1", "late": "0 or 1",
	"info": "1", "failures": "decisions", "trials": "trials", "hour": "currency per hour",
}

// TestEveryMetricIsDocumented holds docs/metrics.md to the code: every metric stands there, in order, with its type, unit, labels and help, and nothing else does.
func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	families := gather(t)
	if len(families) != len(descriptions)+2 {
		t.Errorf("%d of %d metrics are shown", len(families), len(descriptions)+2)
	}
	var want []string
	for _, family := range families {
		want = append(want, row(family))
	}
	got := regexp.MustCompile("(?m)^\\| `nightshift_.*$").FindAllString(page(t), -1)
	if diff := cmp.Diff(strings.Join(want, "\n"), strings.Join(got, "\n")); diff != "" {
		t.Errorf("docs/metrics.md (-want +got):\n%s\nthe whole table:\n%s", diff, strings.Join(want, "\n"))
	}
}

func row(family *dto.MetricFamily) string {
	var labels []string
	for _, label := range family.GetMetric()[0].GetLabel() {
		labels = append(labels, label.GetName())
	}
	words := strings.Split(strings.TrimSuffix(family.GetName(), "_total"), "_")
	unit := units[words[len(words)-1]]
	kind := strings.ToLower(family.GetType().String())
	return "| `" + strings.Join([]string{family.GetName() + "`", kind, unit, strings.Join(labels, ", "), family.GetHelp()}, " | ") + " |"
}

// TestAlertsNameMetrics: the rules on the page are of metrics and labels that are.
func TestAlertsNameMetrics(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"nightshift_plan_failures_total": true, "nightshift_plan_compute_seconds": true}
	for _, one := range descriptions {
		known[regexp.MustCompile(`fqName: "([^"]+)"`).FindStringSubmatch(one.String())[1]] = true
	}
	expressions := regexp.MustCompile(`(?m)^ +expr: (.*)$`).FindAllStringSubmatch(page(t), -1)
	if len(expressions) < 3 {
		t.Fatalf("%d rules", len(expressions))
	}
	for _, expression := range expressions {
		names := regexp.MustCompile(`nightshift_\w+`).FindAllString(expression[1], -1)
		if len(names) == 0 {
			t.Errorf("%s names none", expression[1])
		}
		for _, name := range names {
			if !known[name] {
				t.Errorf("%s: there is no %s", expression[1], name)
			}
		}
	}
}

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
