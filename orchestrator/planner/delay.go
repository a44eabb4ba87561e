package planner

import (
	"fmt"
	"time"
)

// scaleDownDelay lets a pool shrink only when fewer were enough all through the delay, and then to the most that was wanted in that time.
// What the pool's Max or a fruitless growth takes away is not delayed. The time goes on while the size is not known, but nothing shrinks then.
func scaleDownDelay(w *world) {
	for _, p := range w.pools {
		if p.observed {
			p.delay(w.now)
		}
	}
}

func (p *pool) delay(now time.Time) {
	memory, present := &p.memory, min(p.replicas.from, p.policy.Max, p.ceiling())
	if p.wished >= present {
		memory.LowSince, memory.LowPeak = time.Time{}, 0
		if p.replicas.to > p.replicas.from && !p.policy.Observe {
			memory.Grown = now
			p.try(now)
			p.weigh(now)
		}
		return
	}
	if memory.LowSince.IsZero() || memory.LowSince.After(now) {
		memory.LowSince, memory.LowPeak = now, p.wished
	}
	memory.LowPeak = min(max(memory.LowPeak, p.wished), present)
	if p.doubt != "" {
		return
	}
	until := memory.LowSince.Add(p.policy.ScaleDownDelay)
	if now.Before(until) {
		p.replicas.change("delay", present, fmt.Sprintf("fewer are enough since %s; the pool shrinks when that lasts until %s", clock(memory.LowSince), clock(until)))
		return
	}
	if memory.LowPeak > p.replicas.to {
		p.replicas.change("delay", memory.LowPeak, fmt.Sprintf("the most that was wanted since %s", clock(memory.LowSince)))
	}
	memory.LowSince, memory.LowPeak = time.Time{}, 0
	if p.replicas.to > p.wished {
		memory.LowSince, memory.LowPeak = now, p.wished
	}
}
