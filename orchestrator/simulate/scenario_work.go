package simulate

import (
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/planner"
)

// task is a job that was submitted.
type task struct {
	Submit
	open      bool
	uncut     int64
	returned  []int64 // shards whose workers were lost
	held      int     // shards that workers hold
	heldRows  int64
	shardRows int64 // of the next cut
	report    JobReport
}

func newTask(job Submit) *task {
	return &task{Submit: job, uncut: job.Rows, shardRows: int64(job.BatchRows), report: JobReport{JobKey: job.JobKey, Rows: job.Rows, Submitted: job.At, Deadline: job.Deadline}}
}

func (t *task) left() int64 {
	left := t.uncut + t.heldRows
	for _, rows := range t.returned {
		left += rows
	}
	return left
}

func (t *task) done() bool { return !t.report.Finished.IsZero() }

// shards says whether there is something to take.
func (t *task) shards() bool { return t.open && (len(t.returned) > 0 || t.uncut > 0) }

// take gives a shard: one that came back, or the next cut.
func (t *task) take() (rows int64) {
	if last := len(t.returned) - 1; last >= 0 {
		rows, t.returned = t.returned[last], t.returned[:last]
	} else {
		rows = min(max(t.shardRows, 1), t.uncut)
		t.uncut -= rows
	}
	t.held, t.heldRows = t.held+1, t.heldRows+rows
	return rows
}

// view is the job as the planner sees it.
func (t *task) view() orchestrator.JobView {
	view := orchestrator.JobView{
		JobKey: t.JobKey, State: orchestrator.JobQueued, Model: orchestrator.ModelRef{Name: t.Model}, Submitted: t.At, Deadline: t.Deadline,
		RowsTotal: t.Rows, RowsLeft: t.left(), RowsUncut: t.uncut, RowBytes: t.RowBytes, BatchRows: t.BatchRows,
		ShardsLeft: len(t.returned) + t.held, CutAll: t.uncut == 0,
	}
	if t.open {
		view.State = orchestrator.JobRunning
	}
	return view
}

// work lets a worker that has nothing to do begin with something: the first of its jobs that has shards, whose model it may have to load.
func (h *hand) work(c *course) {
	if h.state != orchestrator.WorkerIdle || h.drain {
		return
	}
	for _, order := range h.orders {
		job := c.byID[order.ID]
		if job == nil || !job.shards() {
			continue
		}
		speed := c.truth(job.Model, h.fleet.policy.Name)
		h.job, h.began = job, c.now
		if job.report.Started.IsZero() {
			job.report.Started = c.now
		}
		if h.model != job.Model {
			h.model, h.state = job.Model, orchestrator.WorkerLoading
			h.until = c.now.Add(seconds(speed.LoadSeconds))
			return
		}
		h.rows, h.state = job.take(), orchestrator.WorkerBusy
		h.until = c.now.Add(max(seconds(float64(h.rows)/speed.RowsPerSecond), 1))
		return
	}
	h.job = nil
}

func seconds(count float64) time.Duration { return time.Duration(count * float64(time.Second)) }

// finish ends what the worker does when its time has come. It says whether something ended.
func (h *hand) finish(c *course) bool {
	if h.until.IsZero() || h.until.After(c.now) {
		return false
	}
	took := c.now.Sub(h.began)
	switch h.state {
	case orchestrator.WorkerLoading:
		h.charge(took)
		h.load += took
	case orchestrator.WorkerBusy:
		h.charge(took)
		job := h.job
		job.held, job.heldRows = job.held-1, job.heldRows-h.rows
		if job.left() == 0 {
			job.report.Finished = c.now
		}
		c.facts = append(c.facts, planner.Fact{Model: job.Model, Pool: h.fleet.policy.Name, Rows: h.rows, Seconds: (took + h.load).Seconds(), LoadSeconds: h.load.Seconds()})
		h.load = 0
	}
	h.state, h.until, h.job, h.rows = orchestrator.WorkerIdle, time.Time{}, nil, 0
	return true
}

// charge adds the time of a worker to the cost of its job.
func (h *hand) charge(took time.Duration) {
	price := h.fleet.policy.Price.Times(took.Hours() / float64(h.fleet.policy.SlotsPerReplica))
	h.job.report.Cost = h.job.report.Cost.Add(price)
}

// giveUp is the end of a worker with what it holds.
func (h *hand) giveUp(now time.Time) {
	if h.job == nil {
		return
	}
	h.charge(now.Sub(h.began))
	if h.state == orchestrator.WorkerBusy {
		h.job.held, h.job.heldRows = h.job.held-1, h.job.heldRows-h.rows
		h.job.returned = append(h.job.returned, h.rows)
		h.job.report.Lost++
	}
	h.job = nil
}
