package metrics

import "github.com/prometheus/client_golang/prometheus"

// descriptions are of all metrics but those that a Collector keeps itself.
var descriptions []*prometheus.Desc

func describe(name, help string, labels ...string) *prometheus.Desc {
	one := prometheus.NewDesc("nightshift_"+name, help, labels, nil)
	descriptions = append(descriptions, one)
	return one
}

// Of the service and its decisions.
var (
	buildInfo     = describe("build_info", "Always 1; the label has the version.", "version")
	planTimestamp = describe("plan_timestamp_seconds", "When the last decision was taken, in seconds since the epoch.")
)

// Of queues that drain a source.
var (
	backlogKnown  = describe("queue_backlog_known", "Whether the queue's source was read a short while ago (1) or not (0).", "tenant", "queue")
	pendingRows   = describe("queue_pending_rows", "Rows in the queue's source that nobody holds yet; absent while it is not known.", "tenant", "queue")
	inFlightRows  = describe("queue_in_flight_rows", "Rows of the queue's source that somebody holds; absent while it is not known.", "tenant", "queue")
	oldestAge     = describe("queue_oldest_row_age_seconds", "How long ago the oldest row arrived that is not done, 0 where there is none; absent while it is not known.", "tenant", "queue")
	arrivedRows   = describe("queue_arrived_rows_total", "Rows that ever came to the queue's source; absent while it is not known.", "tenant", "queue")
	settledRows   = describe("queue_settled_rows_total", "Rows of the queue's source that were ever done or lost; absent while it is not known.", "tenant", "queue")
	backlogWorker = describe("queue_backlog_workers", "Workers that the last decision gave to the queue's source; consumers of the user's own are given nothing.", "tenant", "queue")
)

// Of queues of jobs, and of both.
var (
	jobs       = describe("queue_jobs", "Jobs that have not ended.", "tenant", "queue", "state")
	jobRows    = describe("queue_job_rows", "Rows of the queue's jobs that are not settled, estimated until all are cut; absent while those of a job are not known.", "tenant", "queue")
	jobWorkers = describe("queue_job_workers", "Workers that the last decision gave to the queue's jobs.", "tenant", "queue")
	lateJobs   = describe("queue_late_jobs", "Jobs that are past their deadline, or are expected to end after it.", "tenant", "queue")
	late       = describe("queue_late", "Whether a job will be late, or the oldest row of the source is (1) or not (0); absent while it is not known, and where nothing is due.", "tenant", "queue")
)

// Of pools.
var (
	replicas       = describe("pool_replicas", "Replicas that are asked for at present; absent while it is not known.", "pool", "capacity_type")
	wantedReplicas = describe("pool_wanted_replicas", "Replicas that the last decision wants.", "pool", "capacity_type")
	workers        = describe("pool_workers", "Workers that have been heard of.", "pool", "capacity_type", "state")
	costPerHour    = describe("pool_cost_per_hour", "Price of the replicas asked for at present, in units of the currency; absent without a price.", "pool", "capacity_type", "currency")
	ruleReplicas   = describe("pool_rule_replicas", "Replicas that a rule added in the last decision, or took away; 0: it only had something to say.", "pool", "capacity_type", "code")
	billedSeconds  = describe("pool_replica_seconds_total", "How long replicas ran, each from its start to its end.", "pool", "capacity_type")
	takenWorkers   = describe("pool_taken_workers_total", "Workers whose replica the provider has taken away.", "pool", "capacity_type")
	killedWorkers  = describe("pool_killed_workers_total", "Workers that were taken away and did not end within the notice.", "pool", "capacity_type")
	startPhase     = describe("pool_start_phase_seconds", "How long a phase of the last starts took, from the request of a replica to a worker with a model; absent where nobody tells them apart.", "pool", "capacity_type", "phase", "statistic")
	refusals       = describe("pool_refused_replicas_total", "Requests of replicas that the provider did not grant at once.", "pool", "capacity_type")
)

// Of forecasts.
var (
	forecastOn      = describe("forecast_on", "Whether capacity may be added for the queue's forecast (1) or not (0).", "tenant", "queue")
	forecastTrials  = describe("forecast_trials", "Trials on the history, from which the errors are.", "tenant", "queue")
	forecastLearned = describe("forecast_learned_timestamp_seconds", "When the models learned last, in seconds since the epoch; absent until then.", "tenant", "queue")
	forecastWAPE    = describe("forecast_wape_ratio", "Sum of absolute errors of the median over that of the rows, so far ahead.", "tenant", "queue", "ahead")
	forecastPinball = describe("forecast_pinball_loss_rows", "Pinball loss of a window's quantile, so far ahead.", "tenant", "queue", "ahead", "level")
	forecastLacked  = describe("forecast_underprovision_ratio", "What the .95 quantile lacked at the peaks of the days over these peaks, so far ahead.", "tenant", "queue", "ahead")
)
