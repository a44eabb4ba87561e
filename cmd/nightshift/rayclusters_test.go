package main

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/raycluster"
)

// A worker group is shown with what the service says of its pool; without one, with what stands on the RayCluster, or with who else sizes it.
func TestGroupsAreShown(t *testing.T) {
	t.Parallel()
	groups := []raycluster.GroupStatus{
		{Namespace: "a", RayCluster: "nightly", Group: "spot", Wanted: 9, Gated: 1, Pending: 2, Starting: 3, Ready: 3, Deleted: 1, Told: "3->9: before"},
		{Namespace: "a", RayCluster: "nightly", Group: "on-demand", Told: "0->1: work will be late", Wanted: 1},
		{Namespace: "b", RayCluster: "theirs", Group: "gpu", Wanted: 2, Ready: 2, Sizer: "Ray's autoscaler sizes the group"},
		{Namespace: "b", RayCluster: "watched", Group: "gpu", Wanted: 5, Ready: 5},
		{Namespace: "c", RayCluster: "empty", Group: "gpu"},
	}
	pools := []orchestrator.PoolStatus{
		{
			RayCluster: "a/nightly", Group: "spot", Planned: 8, Why: "one less is enough", Warm: 3, Draining: 1, Workers: 4,
			Models: []orchestrator.ModelCount{{Model: "fraud", Workers: 2}, {Model: "bert", Workers: 1}},
		},
		{RayCluster: "b/watched", Group: "gpu", Observe: true, Planned: 2, Why: "2 workers", Models: []orchestrator.ModelCount{{Model: "fraud", Workers: 5}}, Warm: 5},
	}
	var out bytes.Buffer
	if err := (screen{&out, false}).table(groupTable(joinGroups(groups, pools), true)); err != nil {
		t.Fatal(err)
	}
	const want = `NAMESPACE  RAYCLUSTER  GROUP      WANTED  READY  STARTING                        WARM  DRAINING  MODEL                WHY
a          nightly     spot       8       3      1 gated, 2 pending, 3 starting  3     1         fraud (2), bert (1)  one less is enough
a          nightly     on-demand  1       0      0                               -     -         -                    0->1: work will be late
b          theirs      gpu        2       2      0                               -     -         -                    not sized by nightshift: Ray's autoscaler sizes the group
b          watched     gpu        5       5      0                               5     0         fraud                observed only, 2 planned: 2 workers
c          empty       gpu        0       0      0                               -     -         -                    -
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// As a plugin of kubectl the program shows worker groups where no command is given.
func TestPluginShowsGroups(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ args, want []string }{
		{[]string{"/bin/kubectl-nightshift"}, []string{"rayclusters"}},
		{[]string{"kubectl-nightshift", "-n", "a"}, []string{"rayclusters", "-n", "a"}},
		{[]string{"kubectl-nightshift", "explain", "spot"}, []string{"explain", "spot"}},
		{[]string{"kubectl-nightshift", "--help"}, []string{"--help"}},
		{[]string{"nightshift", "-n", "a"}, []string{"-n", "a"}},
		{[]string{"nightshift"}, []string{}},
	} {
		if got := commandLine(tc.args); !slices.Equal(got, tc.want) {
			t.Errorf("%q: %q, want %q", tc.args, got, tc.want)
		}
	}
}
