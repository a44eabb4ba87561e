// Package calendar runs the schedules of documents: it asks package schedules what becomes of the occurrences that are due, stores the answer under the revision of the schedule's record, and only
// then submits and cancels jobs. docs/schedules.md numbers the cases.
//
// It also says what comes (Peaks) and which maxima hold (Caps), as data for the planner. It imports orchestrator, api, dispatch, document, schedules and state; the dispatcher is handed in.
package calendar
