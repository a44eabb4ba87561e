package orchestrator

import "time"

// Peak is work of a queue that is known or expected to come: an occurrence of a schedule, or what a forecast says.
type Peak struct {
	Tenant   string
	Queue    string
	Model    ModelRef  // of the job that comes, or of the queue
	Identity string    // of the occurrence (docs/schedules.md, SC7), or of the forecast
	Forecast bool      // expected, not known: it may only add capacity, and nothing is late for its sake
	From     time.Time // when it begins to come
	Until    time.Time // when all of it has come; From, where it comes at once
	Rows     int64     // expected in all; -1 is unknown
	RowsHigh int64     // what it hardly exceeds, at least Rows
	Arrived  int64     // rows of it that have come so far; -1 is unknown
	Finish   time.Time // zero: as the queue's objective says
}

// Cap is a hard maximum of a queue that a schedule sets for a while.
type Cap struct {
	Tenant     string
	Queue      string
	MaxWorkers int
	From       time.Time
	Until      time.Time // and no longer; where windows of one schedule touch, the end of the last
	Identity   string    // of the occurrence with which it begins
}
