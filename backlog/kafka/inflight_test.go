package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

// K35: pending counts what is in flight, unless a member may hold records that nobody has committed and that are not counted.
func TestK35InFlightIsPending(t *testing.T) {
	for _, c := range []struct {
		name    string
		start   string
		rows    int
		deleted int64
		commits []int64 // one after the other
		pending []int64 // at first, and after each of them
		holds   []bool
	}{
		{"committed as far as it goes", Earliest, 3, 0, []int64{1, 3}, []int64{3, 2, 0}, []bool{true, true, true}},
		{"latest, before the first commit", Latest, 3, 0, []int64{3}, []int64{0, 0}, []bool{false, true}},
		{"latest, and there was never a record", Latest, 0, 0, nil, []int64{0}, []bool{true}},
		{"deleted behind a commit", Earliest, 3, 3, []int64{1, 3}, []int64{0, 0, 0}, []bool{false, false, true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, w := fake(t)
			w.topic("t", 1)
			w.produce("t", 0, c.rows)
			if c.deleted > 0 {
				offsets := kadm.Offsets{}
				offsets.Add(kadm.Offset{Topic: "t", Partition: 0, At: c.deleted})
				_, err := w.admin.DeleteRecords(t.Context(), offsets)
				must(t, err)
			}
			r := w.reader(Source{Topic: "t", Group: "g", Start: c.start})
			for i, want := range c.pending {
				if i > 0 {
					w.commit("g", "t", c.commits[i-1])
				}
				b := w.right(r)
				pending(t, b, want, false, min(int(want), 1))
				if b.HoldsInFlight != c.holds[i] {
					t.Errorf("reading %d: pending holds what is in flight: %v, want %v: %+v", i, b.HoldsInFlight, c.holds[i], b)
				}
			}
		})
	}
}

// K35: members of a share group hold records that its start offsets do not tell.
func TestK35ShareGroups(t *testing.T) {
	r := &Reader{}
	source := Source{Topic: "t", Group: "g", Share: true}
	if b := r.count(source, finding{parts: []part{{end: 3, settled: 3, lag: -1}}}); b.HoldsInFlight {
		t.Errorf("got %+v", b)
	}
}
