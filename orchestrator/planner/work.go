package planner

import (
	"math"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/shard"
)

// measure turns a job's rows into seconds of one worker, and into how many workers find something to do.
func (j *job) measure() {
	j.work = -1
	if j.speed.known() && j.view.RowsLeft >= 0 {
		j.work = float64(j.view.RowsLeft) / j.speed.rows
	}
	cut := j.view.ShardsLeft
	uncut := j.uncut()
	if uncut < 0 {
		j.feed, j.most = max(cut, 1), max(cut, 1) // what is cut already has to tell first how much there is
		return
	}
	usual := shard.Rows(j.sizing(-1, 1))
	j.feed = min(cut+parts(uncut, usual), endless)
	j.most = min(cut+parts(uncut, int64(max(j.view.BatchRows, 1))), endless)
}

// uncut is the number of rows that have not been cut, as far as it is known; else -1.
func (j *job) uncut() int64 {
	switch {
	case j.view.CutAll:
		return 0
	case j.view.RowsUncut < 0, j.view.RowsUncut == 0 && j.view.ShardsLeft == 0:
		return j.view.RowsLeft // nothing was cut, or nobody says what
	}
	return j.view.RowsUncut
}

// sizing is what the size of the job's next shards depends on.
func (j *job) sizing(uncut int64, workers int) shard.Work {
	work := shard.Work{
		BatchRows: j.view.BatchRows, RowsPerSecond: j.speed.rows, RowBytes: j.view.RowBytes, RowsUncut: uncut, Workers: workers,
	}
	if p := j.pool(); p != nil {
		work.Notice = p.policy.Notice
	}
	if j.queue != nil && j.queue.spot != nil {
		work.Kept = j.queue.spot.kept()
	}
	return work
}

// parts is how many shards of each rows the cutter makes: a rest of less than half of one goes with the last.
func parts(rows, each int64) int {
	if rows <= 0 {
		return 0
	}
	return int(min(max(rows/each+min(rows%each*2/each, 1), 1), endless))
}

// counts says that the job has work that the queue will let workers do, now or when those before it are done.
func (j *job) counts() bool {
	return j.hasWork() && (j.open || j.view.State.Open() || j.queue.policy.MaxOpenJobs > 0)
}

// hasWork says that workers have something to do for the job, now or once it is open.
func (j *job) hasWork() bool {
	return j.view.State != orchestrator.JobFinalizing && !j.view.Prepares && (j.view.ShardsLeft > 0 || !j.view.CutAll)
}

// left is the time until the deadline, in seconds; false: there is none.
func (j *job) left(now time.Time) (float64, bool) {
	return j.view.Deadline.Sub(now).Seconds(), !j.view.Deadline.IsZero()
}

// whole rounds up to a number of workers; a billionth above a whole number is still that number.
func whole(workers float64) int {
	if !(workers > 0) {
		return 0
	}
	return int(math.Min(math.Ceil(workers-1e-9), endless))
}
