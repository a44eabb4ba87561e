package orchestrator

import "time"

// QueueName names a queue.
type QueueName struct{ Tenant, Queue string }

// Backlog is what was read of one source at one time: of a JetStream consumer, or of a Kafka group on a topic. Counts are of rows (messages,
// records); -1 is unknown, and every count of a reading that has an error is. Reading.Source names the source: "nats STREAM/CONSUMER", "kafka TOPIC/GROUP".
type Backlog struct {
	Tenant string `json:"tenant"`
	Queue  string `json:"queue"`
	Reading
	Identity string `json:"identity,omitempty"` // another one says that the source was made again: its positions mean other rows
	Method   string `json:"method"`             // how it was counted: what was asked of whom
	Pending  int64  `json:"pending"`            // not handed to anybody yet
	InFlight int64  `json:"inFlight"`           // handed out, and not done
	// HoldsInFlight says that Pending counts all that is handed out and not done, which nobody tells apart: InFlight is unknown, and where nothing is pending nobody holds anything.
	HoldsInFlight bool      `json:"holdsInFlight,omitempty"`
	Redelivered   int64     `json:"redelivered"`     // of those in flight, handed out more than once
	Poisoned      int64     `json:"poisoned"`        // given up after the most deliveries; in neither of the others
	UpperBound    bool      `json:"upperBound"`      // Pending counts positions that may hold no row: compacted away, aborted, markers of transactions
	Oldest        time.Time `json:"oldest,omitzero"` // when the oldest row that is not done arrived; zero: there is none, or it is unknown
	Arrived       int64     `json:"arrived"`         // rows that ever arrived; only the difference of two readings means something
	Settled       int64     `json:"settled"`         // rows that were ever done or lost, in the same way
	MostWorkers   int       `json:"mostWorkers"`     // more workers at once would find nothing to do; 0: unknown
	Notes         []string  `json:"notes,omitempty"` // sentences on what stands but looks odd, and on what is lost
	Parts         []Part    `json:"parts,omitempty"` // in order
}

// Source is where the rows of a backlog are; one of its fields is set. Credentials are never part of it.
type Source struct {
	NATS  *NATSSource  `json:"nats,omitempty"`
	Kafka *KafkaSource `json:"kafka,omitempty"`
}

// Identity tells the source from another one of its name.
func (s Source) Identity() string {
	switch {
	case s.NATS != nil:
		return s.NATS.Created.UTC().Format(time.RFC3339Nano)
	case s.Kafka != nil:
		return s.Kafka.TopicID
	}
	return ""
}

// NATSSource is a JetStream consumer, whose position shows how far its stream is settled.
type NATSSource struct {
	Stream   string    `json:"stream"`
	Created  time.Time `json:"created"` // of the stream: another one of this name has other messages
	Consumer string    `json:"consumer"`
	Subjects []string  `json:"subjects,omitempty"` // that the consumer filters; none: all
}

// KafkaSource is a group on a topic, whose offsets show how far it is settled.
type KafkaSource struct {
	Brokers []string `json:"brokers"`
	Topic   string   `json:"topic"`
	TopicID string   `json:"topicID"` // another topic of this name has other records
	// Isolation is read_committed or read_uncommitted.
	Isolation string `json:"isolation"`
	TLS       bool   `json:"tls,omitempty"`
	SASL      string `json:"sasl,omitempty"` // mechanism; user and password come from the environment
	Group     string `json:"group"`
}

// Message is one message of a source, or what is left of some.
type Message struct {
	Position int64
	Payload  []byte // valid until the next one is asked for
	// LostTo is, where it is beyond Position, the end of the positions from Position on that the source has deleted before anybody read them.
	LostTo int64
}

// SourceError is a source that cannot be read as it should.
type SourceError struct {
	Code    string
	Source  string // as in Reading
	Message string
}

func (e *SourceError) Error() string { return e.Source + ": " + e.Message }

// The codes of a SourceError.
const (
	SourceUnavailable = "source_unavailable" // it does not answer: tried again
	SourceChanged     = "source_changed"     // another source has its name now: what was recorded of it cannot be read any more
	SourceRefused     = "source_refused"     // it cannot be drained as it is set up
)

// Standing is what makes a job a standing one: it reads a source, and is given more of it while it is open. A queue's standing jobs follow each other: each
// begins where the one before it ends.
type Standing struct {
	Source Source     `json:"source"`
	From   []Position `json:"from"`           // where it begins
	Ends   []Position `json:"ends,omitempty"` // where it ends, once it is given no more
	Began  time.Time  `json:"began"`
	// Ordered says that of each source at most one shard is in flight, so that its rows are scored in their order.
	Ordered bool `json:"ordered,omitempty"`
	// Results is where results are published; not given: they are written to files.
	Results ResultsTo `json:"results,omitzero"`
}

// StandingView is what the standing jobs of a queue have recorded and not settled.
type StandingView struct {
	Tenant, Queue string
	Model         ModelRef // of what comes next
	BatchRows     int
	Open          []*Order    // of those that have not ended, the first first
	Arrived       []time.Time // of each of Open: when all its rows had arrived; zero: it is given more
	Ordered       bool        // as in Standing, of what comes next
	External      bool        // consumers of the user's own take the rows: there are no standing jobs
	Reading       bool        // records of a standing job are still being read: what follows is not all
	RowsLeft      int64       // recorded and not settled; some positions may hold no row
	Reach         []Position  // up to where the sources are recorded, and settled
}

// BacklogStatus is a reading and how fast rows come and go, on average over the last ten minutes and over the last day, or since the first reading where that
// is shorter.
type BacklogStatus struct {
	Backlog
	Recent Flow `json:"recent"`
	Daily  Flow `json:"daily"`
}

// Flow is rows a second.
type Flow struct {
	In  float64 `json:"in"`
	Out float64 `json:"out"`
}

// Position is how far a standing job has come with one source: [From, End) is recorded, and everything before Settled is settled.
type Position struct {
	URI     string `json:"uri"`
	From    int64  `json:"from"`
	Settled int64  `json:"settled"`
	End     int64  `json:"end"`
}

// Part is one partition of a source; a stream is one.
type Part struct {
	URI     string    `json:"uri"`     // nats://STREAM, kafka://TOPIC/PARTITION
	Start   int64     `json:"start"`   // first offset that is still there
	Settled int64     `json:"settled"` // offset from which on nothing is done
	End     int64     `json:"end"`     // offset after the last row that may be read
	Oldest  time.Time `json:"oldest,omitzero"`
}
