package document

import (
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// APIVersion stands at the head of every document.
const APIVersion = "nightshift.dev/v1alpha1"

// Set is all documents of one installation, each kind sorted by name. Decode returns only sets without a problem: names are unique
// and every reference leads to a document.
type Set struct {
	Models    []Model
	Pools     []Pool
	Queues    []Queue
	Schedules []Schedule
}

// Metadata names a document within its kind.
type Metadata struct {
	Name string // DNS label, at most 40 characters
}

// Position is where a document stands.
type Position struct {
	File string // as given to Decode
	Line int    // of its first key, from 1
}

// Model says how a model is loaded and scored, and how fast it is known to be.
type Model struct {
	Metadata
	Position Position
	Spec     ModelSpec
}

// ModelSpec is everything about a model but its name.
type ModelSpec struct {
	Scorer          Scorer
	Columns         map[string]string // column of the input -> string, int64, float64 or bool; empty: as the rows have them
	Artifacts       []string          // files whose content is part of the model's digest
	BatchRows       int               // best number of rows per batch
	ReadyTimeout    time.Duration     // from the start of the scorer until it is ready
	BatchTimeout    time.Duration     // for one batch
	MemoryLimit     int64             // bytes; 0 is no limit
	MaxRowBytes     int64             // a longer row is an error of that row
	MaxAttempts     int               // code failures of one shard
	MaxLostMachines int               // lost machines of one shard
	Profile         *Profile          // nil until measured
}

// Scorer is the child process that holds the model: a Python class or a command, exactly one of them.
type Scorer struct {
	Python      string   // "module:Class"
	Command     []string // program and arguments
	Path        string   // folder of the module, or working directory of the command
	Interpreter string   // program that runs Python; a path when it contains a slash
	Env         map[string]string
	Parameters  map[string]any // values as JSON has them; whole numbers are int64
}

// Profile is how a model was measured on one worker.
type Profile struct {
	Load     time.Duration // from the start of the scorer until it is ready
	Memory   int64         // most bytes the scorer held; 0 is unknown
	Batches  []BatchSpeed
	Measured time.Time // midnight UTC of the day; zero is unknown
}

// BatchSpeed is the speed at one batch size.
type BatchSpeed struct {
	Rows          int
	RowsPerSecond float64
}

// Pool is a kind of worker that can be bought.
type Pool struct {
	Metadata
	Position Position
	Spec     PoolSpec
}

// PoolSpec is everything about a pool but its name.
type PoolSpec struct {
	Engine          Engine
	Mode            Mode
	CapacityType    orchestrator.CapacityType
	Price           orchestrator.Money // per replica and hour; no currency: not priced
	PriceWindows    []PriceWindow      // at which it has other prices
	Replicas        Replicas
	SlotsPerReplica int
	// MemoryPerReplica is how many bytes the scorers of one replica may hold together; 0: no bound.
	MemoryPerReplica int64
	ScaleDownDelay   time.Duration  // how long fewer replicas must be enough before the pool shrinks
	Notice           time.Duration  // from the announcement that a spot replica is taken to its end
	Local            *LocalConsumer // instead of workers; nil: workers
	Ray              *WorkerGroup   // of EngineRay
	Argo             *Runners       // of EngineArgo
	StartTime        time.Duration  // p95 from the request of a replica to a worker that can load
	Interruptions    *Interruptions // of spot replicas on this machine; nil: nobody takes them away
}

// PriceWindow is a time of every day at which replicas have another price, in the currency of the pool.
type PriceWindow struct {
	From, To orchestrator.TimeOfDay
	TimeZone string
	Micros   int64 // millionths of the currency, per replica and hour
}

// Engine runs the workers of a pool.
type Engine string

// The engines.
const (
	EngineLocal Engine = "local" // workers are processes of this machine
	EngineRay   Engine = "ray"   // workers are actors in the pods of a RayCluster's worker group
	EngineArgo  Engine = "argo"  // workers run in small Workflows of Argo
)

// Replicas bounds the size of a pool.
type Replicas struct{ Min, Max int }

// Queue is a backlog that must be drained.
type Queue struct {
	Metadata
	Position Position
	Spec     QueueSpec
}

// QueueSpec is everything about a queue but its name.
type QueueSpec struct {
	Source      Source
	Mode        Mode
	Delivery    Delivery
	NATS        *NATSConsumer // with SourceNATS
	Kafka       *KafkaGroup   // with SourceKafka
	Drain       Drain         // unless it is SourceJobs
	Model       string
	Pools       []string // in order of preference
	Tenant      string
	Input       Input
	Output      Output
	Limits      Limits
	Objective   Objective
	Calendar    Calendar
	Steps       orchestrator.StepsPlace // of its jobs; without a namespace they may have none
	ExpireAfter time.Duration           // a job that has not ended that long after its submit expires; 0: never
}

// Source is where a queue's work comes from.
type Source string

// The sources.
const (
	SourceJobs Source = "jobs" // people submit jobs
	SourceNATS Source = "nats" // the messages of a JetStream consumer
	// SourceKafka are the records that a Kafka group has not settled.
	SourceKafka Source = "kafka"
)

// KafkaGroup is a group on a topic.
type KafkaGroup struct {
	Brokers      []string // host:port of some
	Topic, Group string
	Isolation    string // read_committed or read_uncommitted
	Start        string // earliest or latest: where a group begins that never committed
	TLS          bool
	SASL         string // mechanism; empty: none
}

// NATSConsumer is a durable pull consumer, in the account of the service.
type NATSConsumer struct{ Stream, Consumer string }

// Input bounds what jobs may read.
type Input struct {
	Roots      []string // URI prefixes or paths; only objects below one of them may be read
	MaxObjects int      // of one job
	Inbox      string   // URI prefix or path where uploads land; empty: no uploads
	MaxUpload  int64    // bytes of one upload
}

// Output says where results go.
type Output struct {
	Root   string // URI prefix or path; each job writes into a folder of its own below
	Format orchestrator.Format
}

// Drain is how a source is drained.
type Drain struct {
	Key       string        // column whose value names a row in results; empty: its place in the source does
	RollEvery time.Duration // how long one standing job is given rows; then its results are completed, and the next one goes on
	RollRows  int           // likewise, how many
	Results   orchestrator.ResultsTo
	Order     DrainOrder
}

// DrainOrder says in which order rows are scored.
type DrainOrder string

// The orders.
const (
	OrderNone DrainOrder = "none" // any
	OrderKey  DrainOrder = "key"  // those of one partition one after another, so those of one key
)

// Limits bounds a queue.
type Limits struct {
	MaxOpenJobs   int
	MaxQueuedJobs int                 // a submit is refused when that many jobs wait
	MaxWorkers    int                 // 0: as many as the pools allow
	ConfirmAbove  *orchestrator.Money // a submit whose estimate is above it must be confirmed; nil: never
	FinishedJobs  int                 // ended jobs that are kept
	KeepFinished  time.Duration       // how long ended jobs are kept
	KeepKeys      time.Duration       // how long the idempotency key of a job that is not kept any more still answers
}

// Objective is what the queue aims at.
type Objective struct {
	FinishWithin time.Duration          // deadline of a job that names none, from its submit; 0: none
	FinishBy     orchestrator.TimeOfDay // what arrives before ArrivedBy is due at the next FinishBy after it
	ArrivedBy    orchestrator.TimeOfDay
	TimeZone     string // of both, as the IANA database names it; empty: there is no objective by the clock
	Cheapest     bool   // spot pools only, whenever there is capacity
}

// Model finds a model by name.
func (s Set) Model(name string) (Model, bool) {
	for _, model := range s.Models {
		if model.Name == name {
			return model, true
		}
	}
	return Model{}, false
}

// Pool finds a pool by name.
func (s Set) Pool(name string) (Pool, bool) {
	for _, pool := range s.Pools {
		if pool.Name == name {
			return pool, true
		}
	}
	return Pool{}, false
}

// Queue finds a queue by name.
func (s Set) Queue(name string) (Queue, bool) {
	for _, queue := range s.Queues {
		if queue.Name == name {
			return queue, true
		}
	}
	return Queue{}, false
}

// NewModel is a model with every default.
func NewModel(name string) Model { return Model{Metadata: Metadata{Name: name}, Spec: defaultModel()} }

// NewPool is a pool with every default.
func NewPool(name string) Pool { return Pool{Metadata: Metadata{Name: name}, Spec: defaultPool()} }

// NewQueue is a queue with every default.
func NewQueue(name string) Queue { return Queue{Metadata: Metadata{Name: name}, Spec: defaultQueue()} }
