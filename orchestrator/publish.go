package orchestrator

import "strconv"

// ResultsTo is where the results of a standing job are published instead of being written to files; one of its fields is set, or none.
type ResultsTo struct {
	Subject string `json:"subject,omitempty"` // that a stream takes, in the account of the service
	Topic   string `json:"topic,omitempty"`   // of the cluster that the source is in
}

// Given says that results are published.
func (r ResultsTo) Given() bool { return r != ResultsTo{} }

func (r ResultsTo) String() string {
	if r.Topic != "" {
		return "topic " + r.Topic
	}
	return "subject " + r.Subject
}

// The headers of a published result. Shard and row together identify it, whichever attempt has published it.
const (
	HeaderShard   = "Nightshift-Shard"   // JOB/NUMBER
	HeaderRow     = "Nightshift-Row"     // the row's position in its source: a sequence, an offset
	HeaderAttempt = "Nightshift-Attempt" // who has published it
	HeaderSource  = "Nightshift-Source"  // nats://STREAM, kafka://TOPIC/PARTITION
)

// Published is one result that is published. Its row is named by its position: a number within the shard would be another row's once the source has deleted
// messages between two attempts.
type Published struct {
	Shard   string
	Row     int64
	Attempt string
	Source  string
	Key     string // of the row; empty: it has none
	Line    []byte
	Refused string // set by who publishes: why this one cannot be stored, while others can
}

// ID is the same for every attempt.
func (p Published) ID() string { return p.Shard + "/" + strconv.FormatInt(p.Row, 10) }

// Headers are pairs of a name and a value.
func (p Published) Headers() [][2]string {
	return [][2]string{{HeaderShard, p.Shard}, {HeaderRow, strconv.FormatInt(p.Row, 10)}, {HeaderAttempt, p.Attempt}, {HeaderSource, p.Source}}
}
