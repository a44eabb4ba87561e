// Package metrics shows Prometheus what the service knows of queues, pools, forecasts and its own decisions.
//
// Nothing is counted here that somebody else knows: a scrape reads the last decision (handed in by the control loop), the newest readings of sources and what
// forecasts say (both asked for through Sources). Only the durations of decisions, and how many were not applied, are kept here. What is not known is left
// out, since unknown is not zero. Labels are names of documents, codes and states, never of jobs. docs/metrics.md lists every metric.
//
// It imports orchestrator and Prometheus' own client; who starts the service hands in the rest.
package metrics
