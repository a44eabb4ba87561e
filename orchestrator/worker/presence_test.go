package worker

import (
	"testing"
	"testing/synctest"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// A worker says since when it is at what it is at: another shard, state or model begins anew, a word of anything else does not.
func TestPresenceSaysSinceWhen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPresence(Config{}, nil)
		first, second := orchestrator.Shard{Number: 1}, orchestrator.Shard{Number: 2}
		steps := []struct {
			name  string
			do    func()
			fresh bool
		}{
			{"takes a shard", func() { p.take(first) }, true},
			{"the store is blocked", func() { p.blocked("a", &orchestrator.Failure{}) }, false},
			{"takes another", func() { p.take(second) }, true},
			{"loads", func() { p.loading(loadNews{}) }, true},
			{"has nothing left", func() { p.drop(first); p.drop(second); p.idle(1) }, true},
			{"has nothing still", func() { p.idle(2) }, false},
		}
		for _, step := range steps {
			time.Sleep(time.Second)
			before := p.value.Since
			step.do()
			if fresh := !p.value.Since.Equal(before); fresh != step.fresh || fresh && !p.value.Since.Equal(time.Now()) {
				t.Errorf("%s: since %s, before %s, now %s", step.name, p.value.Since, before, time.Now())
			}
		}
	})
}
