package planner

import (
	"fmt"
	"math"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

const (
	// flatMargin is the part of a cheap time that a level is not planned with. What is done with it all the same need not be done in the next.
	flatMargin = 0.02
	// scarcePart of a day's cheap time is what a day's work may take before it is scarce.
	scarcePart = 0.5
	// clockLimit is the most that counts as the limit of an objective by the clock where a share of it is given to new workers to help.
	clockLimit = 3600.0
	// priceDays is how many days of changes of the price are looked at.
	priceDays = 3
)

// tariff is how the price of a pool changes from now on, in seconds until then; 0: it does not.
type tariff struct {
	cheaper float64            // until it is lower than now
	dearer  float64            // until it is higher than now
	again   float64            // until it is no higher than now after that
	low     orchestrator.Money // the lower price
	now     orchestrator.Money
}

func tariffOf(pool orchestrator.PoolPolicy, now time.Time) tariff {
	t := tariff{now: pool.PriceAt(now)}
	at := now
	for range 2 * priceDays * len(pool.Windows) {
		at = pool.NextWindow(at)
		price, seconds := pool.PriceAt(at), at.Sub(now).Seconds()
		switch {
		case price.Micros < t.now.Micros && t.cheaper == 0:
			t.cheaper, t.low = seconds, price
		case price.Micros > t.now.Micros && t.dearer == 0:
			t.dearer = seconds
		}
		if price.Micros <= t.now.Micros && t.dearer > 0 && t.again == 0 {
			t.again = seconds
		}
	}
	return t
}

// span is the least time from an arrival in the queue until it is due, in seconds; 0: never.
func (q *queue) span(now time.Time) float64 {
	daily := q.policy.Daily
	if !daily.Given() {
		return max(q.policy.FinishWithin.Seconds(), 0)
	}
	by := daily.ArrivedBy.After(now, daily.Zone)
	return daily.FinishBy.After(by, daily.Zone).Sub(by).Seconds()
}

// dueTimes says when items of a queue are due whose arrivals come in order. Many of them are due at a time.
type dueTimes struct {
	policy orchestrator.QueuePolicy
	by     time.Time // what arrives before it
	due    time.Time
}

// left is how many seconds there are until an item is due.
func (d *dueTimes) left(arrived, now time.Time) float64 {
	if !d.policy.Daily.Given() {
		return (d.policy.FinishWithin - now.Sub(arrived)).Seconds()
	}
	if !arrived.Before(d.by) {
		d.by = d.policy.Daily.ArrivedBy.After(arrived, d.policy.Daily.Zone)
		d.due = d.policy.Daily.Due(arrived)
	}
	return d.due.Sub(now).Seconds()
}

// foresee adds what is expected to arrive, at the rate of the last day, and to be due with what arrives now.
func (l *leveling) foresee(queues []*queue, now time.Time) {
	l.next = math.Inf(1)
	for _, q := range queues {
		due := q.policy.Due(now)
		if due.IsZero() {
			continue
		}
		l.next = min(l.next, due.Sub(now).Seconds())
		if daily := q.policy.Daily; daily.Given() {
			rate := min(q.backlog.view.DailyRate/q.backlog.speed.rows, endless)
			l.daily += rate
			l.expected += rate * daily.ArrivedBy.After(now, daily.Zone).Sub(now).Seconds()
		}
	}
}

// byPrice decides where the price changes with the time of the day and what arrives now need not be done before it has changed: in a dear time only what cannot wait
// is looked at, by the usual rules; in a cheap one a flat level does what cannot wait for the next.
func (l *leveling) byPrice(interval float64) (int, string) {
	t := l.tariff
	switch {
	case t.cheaper > 0 && l.next > t.cheaper+l.lead(1):
		if last := len(l.items) - 1; last >= 0 {
			l.items[last].ahead += l.arriving(l.items[last])
		}
		now := l.pressing(interval)
		switch {
		case len(l.pressing(t.cheaper)) == 0:
			return 0, fmt.Sprintf("%s of work can wait for the price of %s in %s, instead of %s", span(l.work), t.low, span(t.cheaper), t.now)
		case len(now) == 0 && (l.present == 0 || len(l.pressing(interval+2*l.lead(1))) == 0):
			return 0, fmt.Sprintf("more work is due than can be done at the price of %s in %s, but %s do it in time if they begin later", t.low, span(t.cheaper), counted(l.most, "worker"))
		case len(now) == 0:
			return l.present, fmt.Sprintf("more work is due than can be done at the price of %s in %s: who is there stays", t.low, span(t.cheaper))
		}
		l.items, l.work, l.rate = now, now[len(now)-1].ahead, 0
	case t.dearer > 0 && t.again > 0 && l.next >= t.dearer:
		return l.flat()
	}
	return l.usual(interval)
}

// pressing are the items that cannot be done in time by as many workers as there may be, asked for after so many seconds.
func (l *leveling) pressing(wait float64) []item {
	done, lead, count := 0.0, wait+l.lead(l.most), 0
	for i, one := range l.items {
		if one.ahead-done > float64(l.most)*max(one.left-lead, 0)*(1-flatMargin)+beyondRounding {
			done, count = one.ahead, i+1
		}
	}
	return l.items[:count:count]
}

// flat is the level of a cheap time. As long as everything will be done that cannot wait for the next one, nobody comes; who is there stays while there is work until the price
// rises. What is lacking is asked for at the level that lasts to the end, so that few starts are paid.
func (l *leveling) flat() (int, string) {
	all := *l
	l.items = l.pressing(l.tariff.again)
	for i := range l.items {
		l.items[i].left = min(l.items[i].left, l.tariff.dearer)
	}
	if len(l.items) == 0 {
		return all.stay(nil)
	}
	last := l.items[len(l.items)-1]
	l.work = last.ahead
	if more := l.short(); more > 0 {
		level := l.present + more
		if time := last.left*(1-flatMargin) - l.lead(level); time > 0 {
			work := last.ahead + l.arriving(last)
			if l.scarce() {
				work = max(work, all.work+l.daily*last.left)
			}
			level = max(level, min(whole(work/time), l.most))
		}
		return level, fmt.Sprintf("%s from now on do %s of work in %s, at %s instead of more afterwards", counted(level, "worker"), span(last.ahead), span(last.left), l.tariff.now)
	}
	return all.stay(l.items)
}

// scarce says that what arrives in a day fills more than half of its cheap time: then what can be done at the low price now is not left for the next, which may be too short.
func (l *leveling) scarce() bool {
	const day = 24 * 3600
	return l.daily*day > scarcePart*float64(l.most)*(day-(l.tariff.again-l.tariff.dearer))
}

// arriving is the work that is expected and due with the last of what is looked at.
func (l *leveling) arriving(last item) float64 {
	if l.next <= last.left+beyondRounding {
		return l.expected
	}
	return 0
}

// stay is how many of those that are there have work for half an hour, beside what arrives, or are needed for items. What they do now costs less than later, and their starts are paid.
func (l *leveling) stay(needed []item) (int, string) {
	if l.ready < l.present {
		return l.present, "nobody goes while others start"
	}
	count := int(min(l.rate+l.work/(drainShare*clockLimit), endless))
	if l.work > 0 {
		count = max(count, 1)
	}
	for _, one := range needed {
		if one.left > 0 {
			count = max(count, whole(one.ahead/one.left))
		}
	}
	count = min(count, l.present)
	return count, fmt.Sprintf("%s of work will be done in time and is enough for a while for %s; the price rises in %s", span(l.work), counted(count, "worker"), span(l.tariff.dearer))
}
