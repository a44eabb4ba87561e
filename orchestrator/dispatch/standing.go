package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/shard"
	"nightshift.dev/nightshift/orchestrator/state"
)

// Sources begins and settles what standing jobs read.
type Sources interface {
	// Describe says what a queue drains, of which there is a reading, or why it cannot be drained.
	Describe(ctx context.Context, queue Queue, reading orchestrator.Backlog) (orchestrator.Source, error)
	// Settle tells a source that everything before the positions' Settled is done; they are all that it has. It is told again after a restart.
	Settle(ctx context.Context, source orchestrator.Source, settled []orchestrator.Position) error
}

// standing is what the dispatcher knows of backlogs beside their standing jobs; guarded by Dispatcher.mu.
type standing struct {
	readings map[queueName]orchestrator.Backlog // the newest without an error
	unknown  map[queueName]bool                 // a later one had an error
	before   map[queueName]orchestrator.Backlog // the last one of the source before it was made again
	served   map[queueName]orchestrator.QueuePlan
	settled  map[string]int64 // by queue and URI: what the source was told last
	wake     chan struct{}
}

func newStanding() standing {
	return standing{
		readings: map[queueName]orchestrator.Backlog{}, unknown: map[queueName]bool{}, before: map[queueName]orchestrator.Backlog{}, served: map[queueName]orchestrator.QueuePlan{}, settled: map[string]int64{}, wake: make(chan struct{}, 1),
	}
}

// chain are the standing jobs of a queue, each beginning where the one before it ends.
type chain []*entry

func (c chain) with(one *entry) chain {
	at, _ := slices.BinarySearchFunc(c, one, compareQueued)
	return slices.Insert(slices.Clone(c), at, one)
}

func (c chain) without(one *entry) chain {
	return slices.DeleteFunc(slices.Clone(c), func(other *entry) bool { return other == one })
}

func compareQueued(a, b *entry) int {
	if by := a.job.Standing.Began.Compare(b.job.Standing.Began); by != 0 {
		return by
	}
	return strings.Compare(a.job.ID, b.job.ID)
}

// stands says that the job is a standing one that has not ended: nobody but its queue opens it.
func (e *entry) stands() bool { return e.job.Standing != nil && !e.job.State.Final() && !e.job.Deleted }

// reach is how far the job has come. Until its records have been read, and where nobody has written its end, only its beginning is known.
func (e *entry) reach() (positions []orchestrator.Position, known bool) {
	switch {
	case e.job.State.Final() && e.job.Standing.Ends != nil:
		ends := slices.Clone(e.job.Standing.Ends)
		for i := range ends {
			ends[i].Settled = ends[i].End
		}
		return ends, true
	case e.stands() && e.runner != nil && e.runner.seen.shown:
		return continuedEnds(e.job.Standing.From, e.runner.seen.reach), true
	}
	return e.job.Standing.From, false
}

// over says that the job is given no more.
func (e *entry) over() bool { return e.job.State.Final() || e.job.Standing.Ends != nil }

// lastOfChain says that the next standing job will begin where this one ends. d.mu is held.
func (d *Dispatcher) lastOfChain(job orchestrator.Job) bool {
	jobs := d.chains[queueName{job.Tenant, job.Queue}]
	return job.Standing != nil && len(jobs) > 0 && jobs[len(jobs)-1].job.JobKey == job.JobKey
}

// Hear takes the readings of the queues' sources that the plan was made of which was applied last.
func (d *Dispatcher) Hear(readings []orchestrator.Backlog) {
	d.mu.Lock()
	for _, one := range readings {
		name := queueName{one.Tenant, one.Queue}
		d.standing.unknown[name] = one.Err != ""
		if one.Err != "" {
			continue // what is recorded is drained, nothing is added on a guess
		}
		if last, read := d.standing.readings[name]; read && last.Identity != one.Identity {
			d.standing.before[name] = last
		}
		d.standing.readings[name] = one
	}
	d.mu.Unlock()
	d.standing.nudge()
}

func (s *standing) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// serveLocked tells the standing jobs how to be cut.
func (d *Dispatcher) serveLocked(queues []orchestrator.QueuePlan) {
	clear(d.standing.served)
	for _, wanted := range queues {
		name := queueName{wanted.Tenant, wanted.Queue}
		d.standing.served[name] = wanted
		for _, known := range d.chains[name] {
			if known.runner != nil && wanted.Ahead > 0 {
				known.runner.order(order{demand: &shard.Demand{
					Rows: wanted.ShardRows, Workers: max(wanted.Workers, 1), BatchRows: known.job.BatchRows, Ahead: wanted.Ahead,
				}})
			}
		}
	}
	d.standing.nudge()
}

// Standing is what the standing jobs of each drained queue have recorded and not settled.
func (d *Dispatcher) Standing() []orchestrator.StandingView {
	views := make([]orchestrator.StandingView, 0, len(d.config.Drained))
	for _, name := range d.config.Drained {
		view := orchestrator.StandingView{Tenant: name.Tenant, Queue: name.Queue}
		if queue, ok := d.config.Catalog.Queue(name.Tenant, name.Queue); ok {
			view.Ordered, view.External = queue.Ordered, queue.External
		}
		if model, err := d.config.Catalog.Snapshot(name.Queue, nil); err == nil {
			view.Model, view.BatchRows = orchestrator.ModelRef{Name: model.Name, Digest: model.Digest}, model.BatchRows
		}
		d.mu.Lock()
		d.standing.view(&view, d.chains[queueName{name.Tenant, name.Queue}])
		d.mu.Unlock()
		views = append(views, view)
	}
	return views
}

// view adds what a chain says.
func (s *standing) view(view *orchestrator.StandingView, jobs chain) {
	for i, known := range jobs {
		if !known.stands() {
			continue
		}
		var arrived time.Time
		if i+1 < len(jobs) {
			arrived = jobs[i+1].job.Standing.Began
		}
		view.Arrived = append(view.Arrived, arrived)
		view.Open = append(view.Open, &orchestrator.Order{JobKey: known.job.JobKey, JobEpoch: known.job.Epoch, Model: known.job.Model})
		if _, certain := known.reach(); !certain {
			view.Reading = true
		} else {
			view.RowsLeft += max(known.runner.seen.rowsLeft, 0)
		}
	}
	if len(jobs) > 0 {
		view.Reach, _ = jobs[len(jobs)-1].reach()
	}
}

// Standing jobs are looked after when something is heard or settled, at most once in standPause, and else every standEvery.
const (
	standEvery = time.Second
	standPause = 100 * time.Millisecond
)

// keepStanding makes, extends and ends standing jobs, and settles their sources.
func (d *Dispatcher) keepStanding(ctx context.Context) {
	if len(d.config.Drained) == 0 {
		return
	}
	select {
	case <-d.ready:
	case <-ctx.Done():
		return
	}
	ticker := time.NewTicker(standEvery)
	defer ticker.Stop()
	for {
		for _, drained := range d.config.Drained {
			name := queueName{drained.Tenant, drained.Queue}
			if err := errors.Join(d.extend(ctx, name), d.settleSource(ctx, name)); err != nil && ctx.Err() == nil {
				d.config.Log.Warn("a backlog is not drained as it should be", "queue", name.name, "error", err)
			}
		}
		if !waitFor(ctx, standPause) {
			return
		}
		select {
		case <-ticker.C:
		case <-d.standing.wake:
		case <-ctx.Done():
			return
		}
	}
}

// waitFor says whether ctx still stands after the pause.
func waitFor(ctx context.Context, pause time.Duration) bool {
	select {
	case <-time.After(pause):
		return true
	case <-ctx.Done():
		return false
	}
}

// extend gives the queue's standing job what has arrived (G1 to G3), ends it when it has had enough (G4), and makes the next one (G5).
func (d *Dispatcher) extend(ctx context.Context, name queueName) error {
	queue, ok := d.config.Catalog.Queue(name.tenant, name.name)
	if !ok || !queue.Drains || queue.External {
		return nil
	}
	d.mu.Lock()
	reading, read := d.standing.readings[name]
	read = read && !d.standing.unknown[name]
	served := d.standing.served[name].Workers > 0
	jobs := d.chains[name]
	var last *entry
	if len(jobs) > 0 {
		last = jobs[len(jobs)-1]
	}
	if last != nil && last.stands() && last.job.Standing.Ends == nil {
		defer d.mu.Unlock()
		d.grow(last, queue, reading, read, served)
		return nil
	}
	var before *orchestrator.Standing
	if last != nil {
		before = last.job.Standing
	}
	waits := (queue.Ordered || before != nil && before.Ordered) && !jobs.settled()
	d.mu.Unlock()
	if !read || !served || waits || before != nil && !beyond(reading, before.Ends) && before.Source.Identity() == reading.Identity {
		return nil
	}
	return d.stand(ctx, queue, reading, before)
}

// beyond says that the source has positions that are not recorded yet.
func beyond(reading orchestrator.Backlog, recorded []orchestrator.Position) bool {
	return slices.ContainsFunc(reading.Parts, func(part orchestrator.Part) bool {
		return part.End > endOf(recorded, part)
	})
}

// endOf is up to where a part is recorded; of one that nobody has heard of before, up to where it was settled.
func endOf(recorded []orchestrator.Position, part orchestrator.Part) int64 {
	for _, one := range recorded {
		if one.URI == part.URI {
			return one.End
		}
	}
	return part.Settled
}

// grow sends the newest standing job what has arrived. Where its source is another one now, that is what was last known to be there (G8). d.mu is held.
func (d *Dispatcher) grow(last *entry, queue Queue, reading orchestrator.Backlog, read, served bool) {
	if last.runner == nil {
		d.startLocked(last.job.JobKey, last)
		return
	}
	if !last.runner.seen.shown {
		return
	}
	reach, _ := last.reach()
	changed := read && reading.Identity != last.job.Standing.Source.Identity()
	grow := shard.Grow{Last: changed || time.Since(last.job.Standing.Began) >= queue.RollEvery || rowsOf(reach) >= queue.RollRows}
	if changed {
		reading = d.standing.before[queueName{last.job.Tenant, last.job.Queue}]
	}
	if read && regrouped(last.job.Standing.Source, reading, last.job.Standing.From) {
		grow.Last, read = true, false // the next one begins with the new partitions
	}
	if read && (served || changed) && reading.Identity == last.job.Standing.Source.Identity() {
		grow.Reach = objectsOf(reading, reach, d.most(last, reading))
	}
	if grow.Last || len(grow.Reach) > 0 {
		last.runner.order(order{grow: &grow})
	}
}

func rowsOf(reach []orchestrator.Position) (rows int64) {
	for _, one := range reach {
		rows += one.End - one.From
	}
	return rows
}

// stand makes a queue's next standing job. Its identifier says where it begins, so that it is made once (G5).
func (d *Dispatcher) stand(ctx context.Context, queue Queue, reading orchestrator.Backlog, before *orchestrator.Standing) error {
	source, err := d.config.Sources.Describe(ctx, queue, reading)
	if err != nil {
		return err
	}
	if source.Identity() != reading.Identity {
		return nil // read again first
	}
	var ends []orchestrator.Position
	if before != nil && before.Source.Identity() == source.Identity() {
		ends = before.Ends
	}
	if regrouped(source, reading, ends) {
		if ends, err = commonEnd(source, reading, ends); err != nil {
			return err
		}
	}
	from := beginning(reading, ends)
	model, err := d.config.Catalog.Snapshot(queue.Name, nil)
	if err != nil {
		return err
	}
	if err := d.KeepModel(ctx, model); err != nil {
		return err
	}
	now := time.Now().UTC()
	job := orchestrator.Job{
		JobKey: orchestrator.JobKey{Tenant: queue.Tenant, Queue: queue.Name}, State: orchestrator.JobQueued,
		Spec:     orchestrator.JobSpec{Name: "standing", Key: queue.Key, OutputFormat: queue.OutputFormat},
		Standing: &orchestrator.Standing{Source: source, From: from, Began: now, Results: queue.Results, Ordered: queue.Ordered},
		Model:    orchestrator.ModelRef{Name: model.Name, Digest: model.Digest}, BatchRows: model.BatchRows,
		ReadRoots: queue.ReadRoots, WriteRoots: queue.WriteRoots, OutputFormat: queue.OutputFormat,
		Times: map[orchestrator.JobState]time.Time{orchestrator.JobQueued: now}, Updated: now,
	}
	job.ID = identifier(Submission{Tenant: queue.Tenant, Queue: queue.Name, IdempotencyKey: "standing " + source.Identity() + " " + fmt.Sprint(from)})
	job.Output = outputOf(queue, job.Spec, job.JobKey)
	revision, err := d.config.Store.CreateJob(ctx, job)
	if errors.Is(err, state.ErrConflict) {
		return d.refresh(ctx, job.JobKey)
	}
	if err != nil {
		return err
	}
	d.follow(state.JobChange{Key: job.JobKey, Job: job, Revision: revision})
	d.announce(ctx, job)
	d.mu.Lock()
	if known := d.jobs[job.JobKey]; known != nil {
		d.startLocked(job.JobKey, known)
	}
	d.mu.Unlock()
	d.config.Wake()
	return nil
}

// beginning is where the job before has ended, and for parts that it did not know up to where they were settled.
func beginning(reading orchestrator.Backlog, ends []orchestrator.Position) []orchestrator.Position {
	list := make([]orchestrator.Position, len(reading.Parts))
	for i, part := range reading.Parts {
		at := endOf(ends, part)
		list[i] = orchestrator.Position{URI: part.URI, From: at, Settled: at, End: at}
	}
	return list
}

// keepEnds writes where the job ends once it is given no more, before it may end itself (G4).
func (r *runner) keepEnds(ctx context.Context) error {
	if !r.machine.Ended() {
		return nil
	}
	ends := r.machine.Standing()
	return r.retry(ctx, "say where the job ends", func(ctx context.Context) error {
		_, err := r.update(ctx, r.key, func(job *orchestrator.Job) error {
			if job.Standing == nil || job.Standing.Ends != nil {
				return errUnchanged
			}
			kept := *job.Standing
			kept.Ends = continuedEnds(kept.From, ends)
			job.Standing = &kept
			return nil
		})
		if errors.Is(err, errUnchanged) {
			return nil
		}
		return err
	})
}

// continuedEnds are the ends of all parts that the job began with, also of those it was given nothing of.
func continuedEnds(from, ends []orchestrator.Position) []orchestrator.Position {
	list := slices.Clone(ends)
	for _, one := range from {
		if !slices.ContainsFunc(ends, func(end orchestrator.Position) bool { return end.URI == one.URI }) {
			list = append(list, one)
		}
	}
	return list
}

// settleSource tells the source what is settled without a gap over all standing jobs (G6).
func (d *Dispatcher) settleSource(ctx context.Context, name queueName) error {
	d.mu.Lock()
	source, settled := d.settledOf(name)
	d.mu.Unlock()
	if len(settled) == 0 {
		return nil
	}
	if err := d.config.Sources.Settle(ctx, source, settled); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range settled {
		d.standing.settled[settledKey(name, source, one.URI)] = one.Settled
	}
	return nil
}

func settledKey(name queueName, source orchestrator.Source, uri string) string {
	return name.tenant + " " + name.name + " " + source.Identity() + " " + uri
}

// settledOf are the positions of all parts, if one has moved since the source was told. d.mu is held.
func (d *Dispatcher) settledOf(name queueName) (source orchestrator.Source, all []orchestrator.Position) {
	jobs := d.chains[name]
	if len(jobs) == 0 {
		return source, nil
	}
	source = jobs[len(jobs)-1].job.Standing.Source
	reached, open := map[string]orchestrator.Position{}, map[string]bool{}
	var order []string
	for _, known := range jobs {
		if known.job.Standing.Source.Identity() != source.Identity() {
			continue
		}
		positions, certain := known.reach()
		for _, one := range positions {
			if open[one.URI] {
				continue
			}
			if _, has := reached[one.URI]; !has {
				order = append(order, one.URI)
			}
			reached[one.URI] = one
			open[one.URI] = !certain || one.Settled < one.End || !known.over()
		}
	}
	moved := false
	last, _ := jobs[len(jobs)-1].reach()
	for _, uri := range order {
		if !slices.ContainsFunc(last, func(one orchestrator.Position) bool { return one.URI == uri }) {
			continue // its messages are in other partitions now
		}
		told, has := d.standing.settled[settledKey(name, source, uri)]
		moved = moved || !has || reached[uri].Settled > told
		all = append(all, reached[uri])
	}
	if !moved {
		return source, nil
	}
	return source, all
}
