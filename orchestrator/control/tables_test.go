package control

import (
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

func TestTablesAreSolvedBesideTheLoop(t *testing.T) {
	t.Parallel()
	var solved tables
	wanted := orchestrator.TableParameters{Tick: time.Hour, Ticks: 3, Work: time.Hour, Start: time.Minute, OnDemand: 2}
	solved.want(nil, func() { t.Error("nothing was wanted") })
	for i := range 2 * mostTables {
		wanted.Ticks = 3 + i
		done := make(chan struct{})
		solved.want([]orchestrator.TableParameters{wanted}, func() { close(done) })
		solved.want([]orchestrator.TableParameters{wanted, {}}, func() {}) // while it is solved, or once more
		<-done
		solved.wait()
	}
	kept := solved.all()
	if len(kept) != mostTables || kept[mostTables-1].Parameters != wanted {
		t.Errorf("%d tables are kept, want the last %d", len(kept), mostTables)
	}
}
