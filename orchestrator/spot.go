package orchestrator

import "time"

// SpotMemory is what is remembered of how a pool's spot capacity came and went: whether it is there, since when, and how long the runs before
// lasted. Lengths of runs are averaged as natural logarithms of units of ten minutes, or of what stands for them (SpotPrior.Unit).
type SpotMemory struct {
	Available bool      `json:"available"`
	Since     time.Time `json:"since"`         // when the present run began, as far as it was seen
	Up        RunMemory `json:"up,omitzero"`   // runs of availability that have ended
	Down      RunMemory `json:"down,omitzero"` // runs without
	// Grants is how many workers were granted, look by look.
	Grants GrantMemory `json:"grants,omitzero"`
}

// GrantMemory are averages of what a pool granted, over looks ten minutes apart, newer ones weighing more.
type GrantMemory struct {
	At      time.Time `json:"at"`      // of the last look that counted
	Granted int       `json:"granted"` // workers, in that look
	Mean    float64   `json:"mean"`    // workers
	Changes float64   `json:"changes"` // share of looks that saw another number than the one before
	Looks   int       `json:"looks"`   // that the averages rest on, up to where it no longer matters
	// Hours are the averages of each piece of the day.
	Hours GrantHours `json:"hours,omitzero"`
}

// GrantHours are what was granted in each two hours of the day, in UTC.
type GrantHours [12]HourMemory

// HourMemory are averages of the looks at a pool in one piece of the day, newer ones weighing more.
type HourMemory struct {
	Mean   float64 `json:"mean"`   // workers granted
	Losses float64 `json:"losses"` // share of looks that saw fewer than the one before
	Looks  int     `json:"looks"`  // that the averages rest on, up to where it no longer matters
}

// RunMemory is the average of runs that have ended.
type RunMemory struct {
	MeanLog float64 `json:"meanLog"` // includes what was believed before the first run
	Runs    int     `json:"runs"`
}

// SpotPrior says how likely spot capacity is to stay as it is for ten minutes more, before and beside what a pool's own memory says: the
// coefficients of a logistic function of the logarithm of the run's age and of the averages of past runs, which package capacity documents.
type SpotPrior struct {
	Name string     `json:"name"`
	Up   [8]float64 `json:"up"`
	Down [8]float64 `json:"down"`
	// Unit stands for ten minutes where capacity comes and goes faster than by the clock, in a replay; 0: ten minutes.
	Unit time.Duration `json:"unit,omitzero"`
	// Grants says the same of the number of workers that are granted.
	Grants GrantPrior `json:"grants,omitzero"`
}

// GrantPrior says how likely the number of granted workers is to stay as it is for ten minutes more, where none, some or all that may run are granted, and to
// which number it goes else: coefficients of logistic functions, which package capacity documents.
type GrantPrior struct {
	None [7]float64  `json:"none"`
	Some [7]float64  `json:"some"`
	All  [7]float64  `json:"all"`
	To   [12]float64 `json:"to"`
}

// TableParameters are what a table of decisions was solved for. Equal parameters give equal tables.
type TableParameters struct {
	Tick     time.Duration `json:"tick"`     // between two decisions
	Ticks    int           `json:"ticks"`    // until the deadline, at most
	Work     time.Duration `json:"work"`     // of one worker, at most
	Start    time.Duration `json:"start"`    // of a worker, billed without progress; at most a tick
	OnDemand float64       `json:"onDemand"` // price of an hour, where an hour of spot capacity costs 1
	Prior    SpotPrior     `json:"prior"`
	// Width is the most workers at a time; 0 is one. A table for more does not depend on Work.
	Width int `json:"width,omitempty"`
}

// Table says what to run on under a deadline. For one worker it has decisions, for each number of ticks left, state of the belief and kind of capacity
// that runs, the ranges of the work left in which each decision is best. Package capacity makes and reads it.
type Table struct {
	Parameters TableParameters
	Unit       time.Duration // of work
	First      []uint32      // for each state, where its ranges begin in Ranges; one more at the end
	Ranges     []uint16      // decision in the two highest bits, below them the most work of the range in units
	// For many workers it has expected costs, for some numbers of ticks left, ascending.
	Stages []Stage
}

// Stage is what is to be expected with so many ticks left: the least cost after a decision, in ticks of spot workers, for each state of the belief, number of on-demand
// workers and slack.
type Stage struct {
	Ticks int
	Costs []float32
}
