package shard

import (
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// longRun drives one job of many shards with the least bookkeeping of its own, so that the machine's memory and time show.
type longRun struct {
	random  *rand.Rand
	closed  []uint64
	epoch   int
	machine *Machine
	journal []JournalRead
	commits []longCommit
	waiting []int // published, not committed
	ended   bool
}

type longCommit struct {
	number, epoch int32
	ok, bad       int32
	failed        bool
}

func (c longCommit) event(at int) CommitRead {
	event := CommitRead{Seq: uint64(at + 1), Commit: orchestrator.Commit{
		Epoch: int(c.epoch), Number: int(c.number), Outcome: orchestrator.OutcomeScored, RowsIn: int64(c.ok + c.bad), RowsOK: int64(c.ok), Failed: int64(c.bad),
	}}
	if c.failed {
		event.Commit.Outcome = orchestrator.OutcomeFailed
	}
	return event
}

// restart builds a machine from what is durable, as a new process would.
func (r *longRun) restart() {
	r.machine = NewMachine(orchestrator.JobKey{Tenant: "acme", Queue: "embed", ID: "long"}, r.epoch, r.closed, 1)
	for _, event := range r.journal {
		r.machine.Step(event)
	}
	for at, c := range r.commits {
		r.machine.Step(c.event(at))
	}
	r.perform(r.machine.Step(Found{r.waiting}))
}

func (r *longRun) perform(effects []Effect) {
	for _, effect := range effects {
		switch effect := effect.(type) {
		case AppendJournal:
			event := JournalRead{effect.Expected + 1, effect.Entry}
			r.journal = append(r.journal, event)
			defer r.feed(event)
		case Publish:
			for _, one := range effect.Shards {
				r.waiting = append(r.waiting, one.Number)
			}
		case AllSettled:
			r.ended = true
		}
	}
}

func (r *longRun) feed(event Event) { r.perform(r.machine.Step(event)) }

// settle commits a waiting shard at random; one in a hundred has failed rows, one in a thousand is given up.
func (r *longRun) settle() {
	at := r.random.IntN(len(r.waiting))
	number := r.waiting[at]
	r.waiting[at] = r.waiting[len(r.waiting)-1]
	r.waiting = r.waiting[:len(r.waiting)-1]
	c := longCommit{number: int32(number), epoch: int32(r.epoch), ok: int32(r.machine.Cut(number).Range.Length())}
	switch luck := r.random.IntN(1000); {
	case luck == 0:
		c.failed, c.bad, c.ok = true, c.ok, 0
	case luck <= 10:
		c.bad, c.ok = 1, c.ok-1
	}
	r.commits = append(r.commits, c)
	r.feed(c.event(len(r.commits) - 1))
}

// TestMachineMillionShards runs a job of a million shards (20,000 without NIGHTSHIFT_LONG=1) with restarts in between and one retry, and measures the
// memory of its machine.
func TestMachineMillionShards(t *testing.T) {
	shards := 20_000
	if os.Getenv("NIGHTSHIFT_LONG") == "1" {
		shards = 1_000_000
	} else {
		t.Logf("%d shards; NIGHTSHIFT_LONG=1 runs a million", shards)
	}
	const rowsPerShard, objects = 1000, 10
	r := &longRun{random: rand.New(rand.NewPCG(longSeed(t), uint64(shards)))}
	var entry orchestrator.JournalEntry
	for range objects {
		entry.Objects = append(entry.Objects, object(int64(shards)*rowsPerShard/objects, orchestrator.FormatJSONL, ""))
	}
	entry.ObjectsDone = true
	r.journal = []JournalRead{{1, entry}}
	began := time.Now()
	for r.epoch = range 2 {
		r.ended, r.waiting = false, nil
		r.restart()
		for settled := 0; !r.ended; settled++ {
			r.feed(Demand{Rows: rowsPerShard, Ahead: MostAhead})
			if len(r.waiting) == 0 {
				t.Fatalf("stranded with %d unsettled", r.machine.Unsettled())
			}
			for range min(500, len(r.waiting)) {
				r.settle()
			}
			if settled%max(shards/1500, 1) == 0 {
				r.restart()
			}
		}
		r.closed = append(r.closed, uint64(len(r.commits)))
		checkLong(t, r, int64(shards)*rowsPerShard)
	}
	t.Logf("%d shards, %d commits in %s", r.machine.Len(), len(r.commits), time.Since(began).Round(time.Millisecond))
	measureMachine(t, r, shards)
}

// longSeed gives the seed of the test and prints it.
func longSeed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(1)
	if text := os.Getenv("NIGHTSHIFT_LONG_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("NIGHTSHIFT_LONG_SEED: %q; allowed: a whole number from 0", text)
		}
	}
	t.Logf("seed %d (NIGHTSHIFT_LONG_SEED repeats it)", seed)
	return seed
}

// checkLong recomputes the counts from the commits alone.
func checkLong(t *testing.T, r *longRun, rows int64) {
	t.Helper()
	last := make([]longCommit, r.machine.Len())
	for _, c := range r.commits {
		if !c.failed || last[c.number].ok == 0 {
			last[c.number] = c
		}
	}
	var done, failed int64
	for _, c := range last {
		done, failed = done+int64(c.ok), failed+int64(c.bad)
	}
	got := r.machine.Counts()
	if got.RowsDone != done || got.RowsFailed != failed || done+failed != rows || !got.RowsExact {
		t.Errorf("epoch %d: %+v, want %d rows done and %d failed of %d", r.epoch, got, done, failed, rows)
	}
	if shards := got.ShardsDone + got.ShardsFailed; shards != r.machine.Len() || shards != got.ShardsTotal {
		t.Errorf("epoch %d: %+v, want %d shards", r.epoch, got, r.machine.Len())
	}
}

// measureMachine weighs a machine that has been rebuilt from everything.
func measureMachine(t *testing.T, r *longRun, shards int) {
	t.Helper()
	r.machine = nil
	heap := func() int64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	before, began := heap(), time.Now()
	r.restart()
	took, bytes := time.Since(began), heap()-before
	runtime.KeepAlive(r.machine)
	t.Logf("rebuilt in %s, %d bytes, %d a shard", took.Round(time.Millisecond), bytes, bytes/int64(shards))
	if bytes > int64(shards)*100 {
		t.Errorf("a machine of %d shards has %d bytes, want at most 100 for each shard", shards, bytes)
	}
}
