package document

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

// What documents say of the time of the day arrives in the planner's terms, and gives jobs their deadlines.
func TestPolicyByTheClock(t *testing.T) {
	t.Parallel()
	set := decoded(t, `
apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: m}
spec: {scorer: {command: [a]}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: rented}
spec: {price: {amount: "3.06", currency: EUR}, priceWindows: [{from: "22:00", to: "06:00", timeZone: Europe/Berlin, amount: "1.53"}], replicas: {max: 2}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: overnight}
spec: {model: m, pools: [rented], input: {roots: [a]}, output: {root: b}, objective: {finishBy: "05:30", arrivedBy: "21:00", timeZone: Europe/Berlin}}
`)
	policy := set.Policy()
	window, daily := policy.Pools[0].Windows[0], policy.Queues[0].Daily
	if window.Zone.String() != "Europe/Berlin" || daily.Zone.String() != "Europe/Berlin" {
		t.Fatalf("zones: %s and %s", window.Zone, daily.Zone)
	}
	window.Zone, daily.Zone = nil, nil
	if diff := cmp.Diff(orchestrator.PriceWindow{From: 22 * 60, To: 6 * 60, Price: orchestrator.Money{Micros: 1_530_000, Currency: "EUR"}}, window); diff != "" {
		t.Errorf("window (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(orchestrator.DailyDeadline{FinishBy: 5*60 + 30, ArrivedBy: 21 * 60}, daily); diff != "" {
		t.Errorf("objective (-want +got):\n%s", diff)
	}
	submitted := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	if due := set.Queues[0].Spec.Objective.Due(submitted); !due.Equal(time.Date(2026, 1, 2, 4, 30, 0, 0, time.UTC)) {
		t.Errorf("due at %s", due)
	}
	if due := (Objective{}).Due(submitted); !due.IsZero() {
		t.Errorf("without an objective due at %s", due)
	}
}
