package orchestrator

import "time"

// Backlog is what was read of one source at one time: of a JetStream consumer, or of a Kafka group on a topic. Counts are of rows (messages,
// records); -1 is unknown, and every count of a reading that has an error is. Reading.Source names the source: "nats STREAM/CONSUMER", "kafka TOPIC/GROUP".
type Backlog struct {
	Queue string `json:"queue"`
	Reading
	Method      string    `json:"method"`          // how it was counted: what was asked of whom
	Pending     int64     `json:"pending"`         // not handed to anybody yet
	InFlight    int64     `json:"inFlight"`        // handed out, and not done
	Redelivered int64     `json:"redelivered"`     // of those in flight, handed out more than once
	Poisoned    int64     `json:"poisoned"`        // given up after the most deliveries; in neither of the others
	UpperBound  bool      `json:"upperBound"`      // Pending counts positions that may hold no row: compacted away, aborted, markers of transactions
	Oldest      time.Time `json:"oldest,omitzero"` // when the oldest row that is not done arrived; zero: there is none, or it is unknown
	Arrived     int64     `json:"arrived"`         // rows that ever arrived; only the difference of two readings means something
	Settled     int64     `json:"settled"`         // rows that were ever done or lost, in the same way
	MostWorkers int       `json:"mostWorkers"`     // more workers at once would find nothing to do; 0: unknown
	Notes       []string  `json:"notes,omitempty"` // sentences on what stands but looks odd, and on what is lost
	Parts       []Part    `json:"parts,omitempty"` // of a source that has partitions, in order
}

// Part is one partition of a source.
type Part struct {
	Partition int32     `json:"partition"`
	Start     int64     `json:"start"`   // first offset that is still there
	Settled   int64     `json:"settled"` // offset from which on nothing is done
	End       int64     `json:"end"`     // offset after the last row that may be read
	Oldest    time.Time `json:"oldest,omitzero"`
}
