package driver

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"nightshift.dev/nightshift/raycluster/jobs"
)

const (
	quickEnd     = time.Minute     // a driver that ended before has failed at once
	longestPause = 5 * time.Minute // between two attempts
	lastWords    = 2000            // bytes of an ended driver's output that are told
)

// Driver is the driver of one pool in one life of the head. It belongs to one goroutine.
type Driver struct {
	client  *jobs.Client
	program *Program
	config  Config

	attempt int       // the latest; 0: it is not known which there were
	quick   int       // attempts that ended at once, in a row
	until   time.Time // no attempt before
	last    string    // words of the last one that ended
	ready   bool      // the version is right
}

// New checks what the driver is told.
func New(client *jobs.Client, program *Program, config Config) (*Driver, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("the Ray driver of pool %q: %w", config.Pool, err)
	}
	return &Driver{client: client, program: program, config: config}, nil
}

// State is how a driver stands.
type State struct {
	ID     string // submission id of the latest attempt
	Status jobs.Status
	// NotBefore is when the next attempt may come, where the latest has ended.
	NotBefore time.Time
	// Reason says how the latest attempt that ended did, with its last words; empty: none has ended.
	Reason string
}

// Ensure sees to it that a driver runs: it submits the first, and after one that has ended the next, with growing pauses. Calling it at any time, also from two
// orchestrators at once, makes no second one (RD1, RD2). It asks Ray one small question where the driver runs.
func (d *Driver) Ensure(ctx context.Context, now time.Time) (State, error) {
	if err := d.begin(ctx); err != nil {
		return State{}, fmt.Errorf("the Ray driver of pool %s: %w", d.config.Pool, err)
	}
	state, err := d.ensure(ctx, now)
	if err != nil {
		return state, fmt.Errorf("the Ray driver of pool %s: %w", d.config.Pool, err)
	}
	return state, nil
}

// begin checks the version, and looks which attempts there were, as an orchestrator that was started again does not know.
func (d *Driver) begin(ctx context.Context) error {
	if d.ready {
		return nil
	}
	if _, err := d.client.Version(ctx); err != nil {
		return err
	}
	all, err := d.client.Jobs(ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		number, found := strings.CutPrefix(one.ID, d.config.base())
		if attempt, err := strconv.Atoi(number); found && err == nil {
			d.attempt = max(d.attempt, attempt)
		}
	}
	d.ready = true
	return nil
}

func (d *Driver) ensure(ctx context.Context, now time.Time) (State, error) {
	if d.attempt == 0 {
		return d.submit(ctx, 1)
	}
	id := d.config.base() + strconv.Itoa(d.attempt)
	job, err := d.client.Job(ctx, id)
	switch {
	case errors.Is(err, jobs.ErrNotFound): // somebody has deleted it, or the head has forgotten its jobs
		return d.submit(ctx, d.attempt+1)
	case err != nil:
		return State{ID: id}, err
	case !job.Status.Ended():
		return State{ID: id, Status: job.Status, Reason: d.last}, nil
	}
	if d.until.IsZero() {
		d.noteEnd(ctx, job, now)
	}
	if now.Before(d.until) {
		return State{ID: id, Status: job.Status, NotBefore: d.until, Reason: d.last}, nil
	}
	return d.submit(ctx, d.attempt+1)
}

// noteEnd sets the pause after an attempt that ended: none after one that ran, then 2, 4 ... seconds.
func (d *Driver) noteEnd(ctx context.Context, job jobs.Job, now time.Time) {
	if job.Ran() < quickEnd {
		d.quick++
	} else {
		d.quick = 0
	}
	d.until = now.Add(pause(d.quick))
	words, err := d.client.Logs(ctx, job.ID, lastWords)
	if err != nil {
		words = "its output cannot be read: " + err.Error()
	}
	d.last = strings.TrimSpace(fmt.Sprintf("%s %s after %s: %s\n%s", job.ID, job.Status, job.Ran().Round(time.Second), job.Message, words))
}

func pause(quick int) time.Duration {
	if quick == 0 {
		return 0
	}
	return min(time.Second<<min(quick, 20), longestPause)
}

func (d *Driver) submit(ctx context.Context, attempt int) (State, error) {
	uri, err := d.client.Upload(ctx, d.program.Name(), d.program.Write)
	if err != nil {
		return State{}, fmt.Errorf("upload the program: %w", err)
	}
	submission, err := d.config.submission(attempt, uri)
	if err != nil {
		return State{}, err
	}
	if err := d.client.Submit(ctx, submission); err != nil && !errors.Is(err, jobs.ErrExists) { // then the next look shows how it stands
		return State{}, fmt.Errorf("submit %s: %w", submission.ID, err)
	}
	d.attempt, d.until = attempt, time.Time{}
	return State{ID: submission.ID, Status: jobs.Pending, Reason: d.last}, nil
}

// Stop tells the driver to end: its workers hand back what they hold within the grace. It returns at once; Ensure would begin the next attempt.
func (d *Driver) Stop(ctx context.Context) error {
	if err := d.begin(ctx); err != nil {
		return fmt.Errorf("the Ray driver of pool %s: %w", d.config.Pool, err)
	}
	if d.attempt == 0 {
		return nil
	}
	err := d.client.Stop(ctx, d.config.base()+strconv.Itoa(d.attempt))
	if err != nil && !errors.Is(err, jobs.ErrNotFound) {
		return fmt.Errorf("stop the Ray driver of pool %s: %w", d.config.Pool, err)
	}
	return nil
}
