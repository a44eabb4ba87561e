package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// Names of the streams and buckets.
const (
	ShardStream      = "NIGHTSHIFT_SHARDS"
	JournalStream    = "NIGHTSHIFT_JOURNAL"
	CommitStream     = "NIGHTSHIFT_COMMITS"
	AttemptStream    = "NIGHTSHIFT_ATTEMPTS"
	EventStream      = "NIGHTSHIFT_EVENTS"
	LogStream        = "NIGHTSHIFT_LOGS"
	JobBucket        = "nightshift_jobs"
	ModelBucket      = "nightshift_models"
	WorkerBucket     = "nightshift_workers"
	AssignmentBucket = "nightshift_assignments"
	PlanBucket       = "nightshift_plans"
	ScheduleBucket   = "nightshift_schedules"
	ConsumerBucket   = "nightshift_consumers"

	shardSubject      = "nightshift.shards."
	journalSubject    = "nightshift.journal."
	commitSubject     = "nightshift.commits."
	attemptSubject    = "nightshift.attempts."
	logSubject        = "nightshift.logs."
	assignmentSubject = "nightshift.assignments."
)

// A consumer's word counts for that long, and all of them need little.
const (
	consumerTTL   = 15 * time.Second
	consumerBytes = 16 << 20
)

// Errors that a caller decides on.
var (
	// ErrConflict says that the guard of a write did not hold: somebody else wrote first. Read again, then decide.
	ErrConflict = errors.New("somebody else wrote first")
	// ErrNotFound says that there is no such record.
	ErrNotFound = errors.New("not found")
	// ErrFull says that the store refuses new messages because its limit is reached.
	ErrFull = errors.New("the store is full")
	// ErrAway says that no server answers for the record now, as while a leader is elected. Whether a write was stored is not known.
	ErrAway = errors.New("JetStream does not answer")
)

// Config are the settings of the layout. The zero value of a field means its default.
type Config struct {
	Replicas    int           // of every stream; default 1, production 3
	AckWait     time.Duration // after which a shard without a heartbeat is given to another worker; default 30 s
	PresenceTTL time.Duration // after which a worker without a heartbeat is gone; default 10 s
	MaxBytes    int64         // of each of the shard, journal, commit and attempt streams and the job bucket; default 1 GiB
	EventAge    time.Duration // how long events are kept; default 7 days
}

func (c Config) withDefaults() Config {
	c.Replicas = max(c.Replicas, 1)
	if c.AckWait <= 0 {
		c.AckWait = 30 * time.Second
	}
	if c.PresenceTTL <= 0 {
		c.PresenceTTL = 10 * time.Second
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 1 << 30
	}
	if c.EventAge <= 0 {
		c.EventAge = 7 * 24 * time.Hour
	}
	return c
}

// Store gives typed access to the layout. It is safe for concurrent use.
type Store struct {
	config        Config
	nc            *nats.Conn
	js            jetstream.JetStream
	shards        jetstream.Stream
	journal       jetstream.Stream
	commits       jetstream.Stream
	attempts      jetstream.Stream
	jobs          jetstream.KeyValue
	models        jetstream.KeyValue
	workers       jetstream.KeyValue
	assignments   jetstream.KeyValue
	plans         jetstream.KeyValue
	schedules     jetstream.KeyValue
	consumerWords jetstream.KeyValue
	consumers     sync.Map // consumer name -> jetstream.Consumer
}

// Create makes or updates every stream and bucket, then opens them. The service calls it at start.
func Create(ctx context.Context, nc *nats.Conn, config Config) (*Store, error) {
	config = config.withDefaults()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	making, ctxMaking := errgroup.WithContext(ctx) // at once: each waits for the server's disk
	for _, stream := range streams(config) {
		making.Go(func() error {
			if _, err := js.CreateOrUpdateStream(ctxMaking, stream); err != nil {
				return fmt.Errorf("create stream %s: %w", stream.Name, err)
			}
			return nil
		})
	}
	for _, bucket := range buckets(config) {
		making.Go(func() error {
			if _, err := js.CreateOrUpdateKeyValue(ctxMaking, bucket); err != nil {
				return fmt.Errorf("create bucket %s: %w", bucket.Bucket, err)
			}
			return nil
		})
	}
	if err := making.Wait(); err != nil {
		return nil, err
	}
	return Open(ctx, nc, config)
}

// answerWithin bounds the wait for an answer that may have been lost with its server, where the library has no bound of its own.
const answerWithin = 10 * time.Second

// Open uses a layout that a service has created.
func Open(ctx context.Context, nc *nats.Conn, config Config) (*Store, error) {
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncTimeout(answerWithin))
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	store := &Store{config: config.withDefaults(), nc: nc, js: js}
	opening, ctxOpening := errgroup.WithContext(ctx)
	for name, stream := range map[string]*jetstream.Stream{
		ShardStream: &store.shards, JournalStream: &store.journal, CommitStream: &store.commits, AttemptStream: &store.attempts,
	} {
		opening.Go(func() (err error) {
			if *stream, err = js.Stream(ctxOpening, name); err != nil {
				return fmt.Errorf("open stream %s: %w (is a nightshift service running on this NATS?)", name, err)
			}
			return nil
		})
	}
	for name, bucket := range map[string]*jetstream.KeyValue{
		JobBucket: &store.jobs, ModelBucket: &store.models, WorkerBucket: &store.workers,
		AssignmentBucket: &store.assignments, PlanBucket: &store.plans, ScheduleBucket: &store.schedules, ConsumerBucket: &store.consumerWords,
	} {
		opening.Go(func() (err error) {
			if *bucket, err = js.KeyValue(ctxOpening, name); err != nil {
				return fmt.Errorf("open bucket %s: %w (is a nightshift service running on this NATS?)", name, err)
			}
			return nil
		})
	}
	if err := opening.Wait(); err != nil {
		return nil, err
	}
	return store, nil
}

// Conn is the connection below, for subjects that are not state (requests, announcements).
func (s *Store) Conn() *nats.Conn { return s.nc }

// AckWait is the time after which a shard without a heartbeat is given to another worker.
func (s *Store) AckWait() time.Duration { return s.config.AckWait }

func streams(config Config) []jetstream.StreamConfig {
	guarded := func(name, subjects, about string) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: name, Description: about, Subjects: []string{subjects}, Storage: jetstream.FileStorage, Replicas: config.Replicas,
			Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, MaxBytes: config.MaxBytes, DenyDelete: false,
		}
	}
	shards := guarded(ShardStream, shardSubject+"*.*.*", "nightshift: pointers to ranges of input, waiting for a worker")
	shards.Retention, shards.MaxConsumers, shards.Duplicates = jetstream.WorkQueuePolicy, 10_000, 2*time.Minute
	events := guarded(EventStream, "nightshift.v1.*.events.>", "nightshift: lifecycle events (CloudEvents)")
	events.Discard, events.MaxAge = jetstream.DiscardOld, config.EventAge
	logs := guarded(LogStream, logSubject+"*.*.*", "nightshift: what scorers wrote to stderr")
	logs.Discard, logs.MaxMsgsPerSubject, logs.MaxAge = jetstream.DiscardOld, 10_000, config.EventAge
	records := guarded(RecordStream, recordSubject, "nightshift: what was decided, and on what, for replay")
	records.Discard, records.MaxBytes, records.MaxAge = jetstream.DiscardOld, min(config.MaxBytes, recordBytes), recordAge
	return []jetstream.StreamConfig{
		shards, events, logs, records,
		guarded(JournalStream, journalSubject+"*.*.*", "nightshift: objects and cuts of each job"),
		guarded(CommitStream, commitSubject+"*.*.*.*.*", "nightshift: the one commit of each shard"),
		guarded(AttemptStream, attemptSubject+"*.*.*.*.*", "nightshift: starts and ends of attempts"),
	}
}

func buckets(config Config) []jetstream.KeyValueConfig {
	bucket := func(name, about string) jetstream.KeyValueConfig {
		return jetstream.KeyValueConfig{
			Bucket: name, Description: about, History: 1, Storage: jetstream.FileStorage, Replicas: config.Replicas, MaxBytes: config.MaxBytes,
		}
	}
	workers := bucket(WorkerBucket, "nightshift: heartbeats of workers")
	workers.TTL = config.PresenceTTL
	consumers := bucket(ConsumerBucket, "nightshift: what consumers of the user's own say of themselves")
	consumers.TTL, consumers.MaxBytes = consumerTTL, min(config.MaxBytes, consumerBytes)
	schedules := bucket(ScheduleBucket, "nightshift: what was decided of each schedule")
	schedules.MaxBytes = min(config.MaxBytes, scheduleBytes)
	return []jetstream.KeyValueConfig{
		workers, consumers, schedules,
		bucket(JobBucket, "nightshift: one record per job"),
		bucket(ModelBucket, "nightshift: what a worker needs to load a model, by digest"),
		bucket(AssignmentBucket, "nightshift: what each worker shall do now"),
		bucket(PlanBucket, "nightshift: the last plan and the planner's memory"),
	}
}

// classify turns the server's refusals into this package's errors.
func classify(err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode {
		case jetstream.JSErrCodeStreamWrongLastSequence, 10164: // the second: another message on the subject is on its way (servers of a cluster)
			return fmt.Errorf("%w: %w", ErrConflict, err)
		case 10077, 10047, 10023: // stream store failed by its limits; storage or resources exceeded
			return fmt.Errorf("%w: %w", ErrFull, err)
		case 10008: // JSClusterNotAvailErr
			return fmt.Errorf("%w: %w", ErrAway, err)
		}
	}
	switch {
	case errors.Is(err, jetstream.ErrKeyExists):
		return fmt.Errorf("%w: %w", ErrConflict, err)
	case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrMsgNotFound), errors.Is(err, jetstream.ErrKeyDeleted):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout), errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse),
		errors.Is(err, jetstream.ErrAsyncPublishTimeout):
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return err
}
