package worker

import (
	"context"
	"os"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/state"
)

// presence is what the worker says of itself.
type presence struct {
	store   *state.Store
	changed chan struct{} // a change that should be told before the next heartbeat
	// measured is the memory of the worker's scorers.
	measured func() []orchestrator.MemoryUse

	mu    sync.Mutex
	value orchestrator.Presence
	hands map[string]string // shard -> job, in hand now
}

func newPresence(config Config, store *state.Store) *presence {
	return &presence{store: store, changed: make(chan struct{}, 1), hands: map[string]string{}, value: orchestrator.Presence{
		Worker: config.ID, Pool: config.Pool, Slot: config.Slot, Host: config.Host, PID: os.Getpid(),
		State: orchestrator.WorkerStarting, Started: time.Now().UTC(),
	}}
}

// set changes the word; a change of state, model or failure is told at once.
func (p *presence) set(change func(*orchestrator.Presence)) {
	p.mu.Lock()
	before := p.value
	change(&p.value)
	tell := before.State != p.value.State || before.Model != p.value.Model || before.Failure != p.value.Failure || before.Blocked != p.value.Blocked
	if before.State != p.value.State || before.Model != p.value.Model || before.Shard != p.value.Shard {
		p.value.Since = time.Now().UTC()
	}
	p.mu.Unlock()
	if tell {
		p.soon()
	}
}

// soon lets the next heartbeat come at once.
func (p *presence) soon() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

func (p *presence) beat(ctx context.Context) error {
	p.mu.Lock()
	p.value.At = time.Now().UTC()
	value := p.value
	p.mu.Unlock()
	value.Used = p.measured()
	return p.store.PutPresence(ctx, value)
}

func (p *presence) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = p.store.RemovePresence(ctx, p.value.Worker) // else its time to live removes it
}

// take and drop keep the list of shards in hand; the word names one of them.
func (p *presence) take(shard orchestrator.Shard) {
	p.set(func(value *orchestrator.Presence) {
		p.hands[shard.ID()] = shard.JobKey.ID
		value.State, value.Shard, value.Job = orchestrator.WorkerBusy, shard.ID(), shard.JobKey.ID
	})
}

func (p *presence) drop(shard orchestrator.Shard) {
	p.set(func(value *orchestrator.Presence) {
		delete(p.hands, shard.ID())
		value.Shard, value.Job = "", ""
		for other, job := range p.hands {
			value.Shard, value.Job = other, job
		}
	})
}

// holds says that a shard is in hand.
func (p *presence) holds() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.hands) > 0
}

// idle says that no job of the assignment of this epoch has a shard.
func (p *presence) idle(epoch uint64) {
	p.set(func(value *orchestrator.Presence) {
		value.Epoch = epoch
		if len(p.hands) == 0 && value.State != orchestrator.WorkerDraining && value.State != orchestrator.WorkerFailed {
			value.State = orchestrator.WorkerIdle
		}
	})
}

// loading is told by the session when a load begins (failure nil, seconds 0), has succeeded, or has failed.
func (p *presence) loading(news loadNews) {
	p.set(func(value *orchestrator.Presence) {
		if value.Model != news.model {
			value.LoadSeconds = 0
		}
		value.Model, value.Loads = news.model, news.loads
		value.LoadFailures = news.failures
		if news.failure != nil || news.failures == 0 { // while it loads again, the last failure is still what there is to say
			value.Failure = news.failure
		}
		switch {
		case news.failure != nil:
			value.State, value.FailedAt = orchestrator.WorkerFailed, time.Now().UTC()
		case news.seconds == 0:
			value.State = orchestrator.WorkerLoading
		default:
			value.State, value.LoadSeconds = orchestrator.WorkerBusy, news.seconds
		}
	})
}

// blocked says that an output or the store could not be written; nil when an attempt got through again.
func (p *presence) blocked(job string, failure *orchestrator.Failure) {
	p.set(func(value *orchestrator.Presence) { value.Blocked, value.BlockedJob = failure, job })
}
