package replay

import (
	"errors"
	"fmt"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/simulate"
)

// Comparison is a window as it was recorded, as it goes in a world under the recorded documents, and as it goes there under changed ones.
type Comparison struct {
	Begin     time.Time `json:"begin"`
	End       time.Time `json:"end"`
	Records   int       `json:"records"`
	Decisions int       `json:"decisions"`
	Missed    int       `json:"missed,omitempty"`
	Replaced  int       `json:"replaced,omitempty"` // how often the recorded documents became others; the last ones are simulated
	Open      Open      `json:"open"`
	Recorded  Summary   `json:"recorded"`
	Simulated Summary   `json:"simulated"` // under the recorded documents
	Changed   *Summary  `json:"changed,omitempty"`
	// FinishError is how far finishes of the simulation lie from those recorded, on average over the jobs that finished in both, in seconds.
	FinishError float64  `json:"finishErrorSeconds"`
	Jobs        []Job    `json:"jobs"`
	Notes       []string `json:"notes"`
}

// Summary is what counts of a course.
type Summary struct {
	Cost       []orchestrator.Money `json:"cost"`
	Late       int                  `json:"late"`
	Unfinished int                  `json:"unfinished"` // jobs that had not ended when the window did
	Changes    int                  `json:"changes"`    // of the sizes of pools
	Hours      float64              `json:"hours"`      // of replicas
}

// Job is one job in each of the courses; the zero time: it did not end.
type Job struct {
	orchestrator.JobKey
	Deadline        time.Time `json:"deadline,omitzero"`
	ChangedDeadline time.Time `json:"changedDeadline,omitzero"`
	Recorded        time.Time `json:"recorded,omitzero"`
	Simulated       time.Time `json:"simulated,omitzero"`
	Changed         time.Time `json:"changed,omitzero"`
}

// ErrEmpty says that there is nothing to replay.
var ErrEmpty = errors.New("there are no records of that time")

// Compare plays the window. change makes other documents of the recorded ones, and may change jobs in place; nil: nothing is changed.
func (w *Window) Compare(change func(document.Set) (document.Set, error), jobs func([]simulate.Submit) error) (Comparison, error) {
	if w.Records == 0 {
		return Comparison{}, ErrEmpty
	}
	c := Comparison{
		Begin: w.Begin, End: w.End, Records: w.Records, Decisions: w.Decisions, Missed: w.Missed, Replaced: w.Replaced, Open: w.Open, Jobs: []Job{}, Notes: []string{},
	}
	recorded := w.Recorded()
	c.Recorded = summary(recorded)
	c.Recorded.Changes = w.Changes // more than the records show
	base, notes := w.Scenario(w.Documents)
	c.Notes = append(c.Notes, notes...)
	simulated, err := base.Run()
	if err != nil {
		return c, err
	}
	c.Simulated = summary(simulated)
	changed := simulate.Report{}
	if change != nil {
		if changed, err = w.changed(change, jobs); err != nil {
			return c, err
		}
		sum := summary(changed)
		c.Changed = &sum
		if more := sum.Unfinished - c.Simulated.Unfinished; more > 0 {
			c.Notes = append(c.Notes, fmt.Sprintf("under the changed documents %d jobs more are not done when the recorded time ends: its cost leaves out what they have left", more))
		}
	}
	c.jobs(recorded, simulated, changed)
	return c, nil
}

func (w *Window) changed(change func(document.Set) (document.Set, error), jobs func([]simulate.Submit) error) (simulate.Report, error) {
	documents, err := change(w.Documents)
	if err != nil {
		return simulate.Report{}, err
	}
	scenario, _ := w.Scenario(documents)
	if err := jobs(scenario.Jobs); err != nil {
		return simulate.Report{}, err
	}
	return scenario.Run()
}

func summary(report simulate.Report) Summary {
	sum := Summary{Cost: append([]orchestrator.Money{}, report.Cost()...), Changes: report.Changes()}
	for _, job := range report.Jobs {
		if job.Finished.IsZero() {
			sum.Unfinished++
		}
		if job.Late() && (!job.Finished.IsZero() || job.Deadline.Before(report.End)) { // else there was still time
			sum.Late++
		}
	}
	for _, pool := range report.Pools {
		sum.Hours += pool.Hours
	}
	return sum
}

// jobs puts the courses of each job side by side.
func (c *Comparison) jobs(recorded, simulated, changed simulate.Report) {
	byKey := func(report simulate.Report) map[orchestrator.JobKey]simulate.JobReport {
		all := map[orchestrator.JobKey]simulate.JobReport{}
		for _, job := range report.Jobs {
			all[job.JobKey] = job
		}
		return all
	}
	inBase, inChanged := byKey(simulated), byKey(changed)
	both := 0
	for _, job := range recorded.Jobs {
		base := inBase[job.JobKey]
		c.Jobs = append(c.Jobs, Job{
			JobKey: job.JobKey, Deadline: job.Deadline, Recorded: job.Finished, Simulated: base.Finished,
			Changed: inChanged[job.JobKey].Finished, ChangedDeadline: inChanged[job.JobKey].Deadline,
		})
		if !job.Finished.IsZero() && !base.Finished.IsZero() {
			both++
			c.FinishError += base.Finished.Sub(job.Finished).Abs().Seconds()
		}
	}
	if both > 0 {
		c.FinishError /= float64(both)
	}
}
