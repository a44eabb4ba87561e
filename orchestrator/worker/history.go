package worker

import "nightshift.dev/nightshift/orchestrator"

// history counts how the earlier attempts on a shard ended.
type history struct {
	started int // and not handed back
	failed  int // scorer or input
	blocked int // output or store
	lost    int // no word of an end: the machine, or the worker, is gone
	last    *orchestrator.Failure
}

// historyOf counts the events of other attempts. A start that is not followed by any event of the same attempt is lost; so is, for
// a moment, an attempt that still runs as a zombie: counting it is harmless, because the bound is high.
func historyOf(events []orchestrator.AttemptEvent, own string) (h history) {
	ended := map[string]bool{}
	for _, event := range events {
		if event.Kind != orchestrator.AttemptStarted {
			ended[event.Attempt] = true
		}
	}
	for _, event := range events {
		if event.Attempt == own {
			continue
		}
		switch event.Kind {
		case orchestrator.AttemptStarted:
			h.started++
			if !ended[event.Attempt] {
				h.lost++
			}
		case orchestrator.AttemptHandedBack: // not an attempt (W12)
			h.started--
		case orchestrator.AttemptFailed:
			h.failed++
			h.last = event.Failure
		case orchestrator.AttemptBlocked:
			h.blocked++
		}
	}
	return h
}
