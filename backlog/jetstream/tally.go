package jetstream

import "fmt"

// tally is what adds up over readings.
type tally struct {
	arrived int64  // answers that are a moment apart may make it fall, and rise again
	gone    uint64 // up to this sequence it has been said what was lost
	taken   int64  // rows behind it that were said to be lost: taken from the middle of the stream
}

// held is what the stream had before the consumer was asked.
type held struct {
	first, last uint64 // sequences; zero where the stream is unknown
	oldest      uint64 // that of the oldest row that was not settled; 0: unknown
}

func beginTally(now counts, stream held) tally {
	return tally{arrived: now.deliveries + now.pending, gone: max(stream.first, 1) - 1}
}

// next adds what happened between two answers, and says what was lost.
func (t tally) next(before, now counts, stream held) (tally, string) {
	switch between(before, now) {
	case recreated, refiltered, putBack:
		return tally{arrived: t.arrived + max(0, now.unsettled()-before.unsettled()), gone: max(stream.first, 1) - 1}, ""
	case moved:
		return tally{arrived: t.arrived + max(0, now.unsettled()-before.unsettled()), gone: t.gone, taken: t.taken}, ""
	}
	t.arrived += now.pending - before.pending + handedOut(before, now)
	if len(now.filters) > 0 {
		return t.nextFiltered(before, now, stream)
	}
	vanished := missing(before, now)
	from, to, rows := rangeOfLoss(before, now, stream.first, t.gone)
	told := min(rows, t.taken)
	t.taken, rows = t.taken-told, rows-told
	t.gone = max(t.gone, to)
	if rows > 0 {
		t.taken += max(0, vanished-rows)
		t.arrived += max(rows, vanished)
		return t, loss(fmt.Sprint(rows), from, to)
	}
	t.taken += vanished
	t.arrived += vanished
	return t, lossAtLeast(vanished, before, stream)
}

// nextFiltered is the same for a consumer of some subjects: others' rows go, too, so that only rows that vanish from the count, or the oldest one, prove a loss.
func (t tally) nextFiltered(before, now counts, stream held) (tally, string) {
	vanished := missing(before, now)
	t.arrived += vanished
	if stream.oldest > now.floor && stream.oldest < stream.first {
		return t, loss("at least "+fmt.Sprint(max(1, vanished)), stream.oldest, stream.first-1)
	}
	return t, lossAtLeast(vanished, before, stream)
}

// lossAtLeast says between which sequences rows vanished: up to the stream's first, or, where rows were taken from its middle, up to its last.
func lossAtLeast(vanished int64, before counts, stream held) string {
	if vanished == 0 {
		return ""
	}
	to := max(stream.last, before.delivered+1)
	if stream.first > before.delivered+1 {
		to = stream.first - 1
	}
	return loss("at least "+fmt.Sprint(vanished), before.delivered+1, to)
}

func loss(rows string, from, to uint64) string {
	return fmt.Sprintf("%s rows with sequences from %d to %d were removed from the stream before they were read (purged, deleted, or past its limits): lost, not done", rows, from, to)
}
