package control

import (
	"context"
	"errors"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/state"
)

// Consumers is an engine whose processes may be the user's own: see docs/external.md.
type Consumers interface {
	// Running are those processes, in order; own is false where the pool runs workers of ours.
	Running() (list []orchestrator.Consumer, own bool)
	// Leave tells one to end, and ends it by force after the grace. Told again, nothing changes.
	Leave(id string, grace time.Duration) error
}

// wordsWithin bounds the reading of all words of a pool's consumers.
const wordsWithin = 2 * time.Second

// consumersOf gives the user's own consumers of a pool as workers. Who has said nothing, or could not be asked, is unknown.
func (l *Loop) consumersOf(ctx context.Context, pool string) (views []orchestrator.WorkerView) {
	engine, ok := l.config.Engines[pool].(Consumers)
	if !ok {
		return nil
	}
	running, own := engine.Running()
	if !own {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, wordsWithin)
	defer cancel()
	for _, one := range running {
		word := l.wordOf(ctx, one)
		views = append(views, orchestrator.WorkerView{
			ID: one.ID, Pool: pool, Slot: one.Slot, State: word.State(), Since: word.Since, Asked: one.Started, Seen: time.Now().UTC(),
			Draining: one.Leaves, Grace: word.GraceWithin(one.MostGrace),
		})
	}
	return views
}

// wordOf is what the consumer says; nothing where that is not known, or nobody asks.
func (l *Loop) wordOf(ctx context.Context, one orchestrator.Consumer) orchestrator.ConsumerWord {
	if one.Unasked {
		return orchestrator.ConsumerWord{}
	}
	word, err := l.config.Store.Consumer(ctx, one.ID)
	if err != nil {
		if !errors.Is(err, state.ErrNotFound) && ctx.Err() == nil {
			l.config.Log.Warn("what a consumer says cannot be read: it counts as unknown", "consumer", one.ID, "error", err)
		}
		return orchestrator.ConsumerWord{}
	}
	return word
}

// wordsEvery is how often consumers are asked: nobody rings when one has finished.
const wordsEvery = 2 * time.Second

// longest bounds the pause until the next decision.
func (l *Loop) longest() time.Duration {
	for _, engine := range l.config.Engines {
		if one, ok := engine.(Consumers); ok {
			asked := func(one orchestrator.Consumer) bool { return !one.Unasked }
			if running, own := one.Running(); own && slices.ContainsFunc(running, asked) {
				return wordsEvery
			}
		}
	}
	return longestPause
}

// leave tells a consumer to end that the plan lets go, and says whether the worker is one.
func (l *Loop) leave(workers []orchestrator.WorkerView, wanted orchestrator.Assignment) (consumer bool, err error) {
	for _, one := range workers {
		if one.ID != wanted.Worker {
			continue
		}
		engine, ok := l.config.Engines[one.Pool].(Consumers)
		if !ok {
			return false, nil
		}
		if _, own := engine.Running(); !own {
			return false, nil
		}
		if wanted.Drain {
			err = engine.Leave(one.ID, one.Grace)
		}
		return true, err
	}
	return false, nil
}
