package orchestrator

import (
	"fmt"
	"slices"
	"time"
)

// ShardKind says what a worker does with a shard.
type ShardKind string

// The kinds of shards.
const (
	ShardScore ShardKind = "score" // read the range, score it, write a part
	ShardIndex ShardKind = "index" // find where rows begin, so that a csv object can be cut
)

// Cut is the recorded decision where a shard begins and ends. The score cuts of a job tile its input without gap or overlap, in
// input order. A cut is final: an epoch may run it again, never change it.
type Cut struct {
	Number int       `json:"number"` // within the job, from 0, index and score shards in one count
	Kind   ShardKind `json:"kind"`
	Range  Range     `json:"range"`
}

// JournalEntry is one message of a job's journal, appended with the guard "expected last sequence of this subject". The journal
// says what the job consists of: its objects first, then its cuts, then the end. Only a standing job is given further objects between its cuts.
type JournalEntry struct {
	Objects []Object `json:"objects,omitempty"`
	Cuts    []Cut    `json:"cuts,omitempty"`
	// ObjectsDone and CutsDone say that no more entries of that sort follow.
	ObjectsDone bool `json:"objectsDone,omitempty"`
	CutsDone    bool `json:"cutsDone,omitempty"`
}

// Equal says whether both entries say the same.
func (e JournalEntry) Equal(other JournalEntry) bool {
	return e.ObjectsDone == other.ObjectsDone && e.CutsDone == other.CutsDone && slices.Equal(e.Cuts, other.Cuts) && slices.EqualFunc(e.Objects, other.Objects, Object.equal)
}

// Shard is the message a worker pulls: a pointer to a contiguous range of one input object, never its rows.
type Shard struct {
	JobKey
	Epoch  int       `json:"epoch"`
	Number int       `json:"number"`
	Kind   ShardKind `json:"kind"`
	Object Object    `json:"object"`
	Range  Range     `json:"range"`
	// Base is the counted commit of an earlier epoch: only the rows it lists as failed are scored again.
	Base *Commit `json:"base,omitempty"`
}

// ID is "ID/EPOCH/NUMBER": unique over all jobs, the message id of the shard's publication.
func (s Shard) ID() string { return fmt.Sprintf("%s/%d/%06d", s.JobKey.ID, s.Epoch, s.Number) }

// CommitSubject is the end of the subject on which the shard's one commit is stored: "TENANT.QUEUE.ID.EPOCH.NUMBER".
func (s Shard) CommitSubject() string {
	return fmt.Sprintf("%s.%d.%d", s.Subject(), s.Epoch, s.Number)
}

// Outcome is what a commit says of its shard.
type Outcome string

// The outcomes of a shard.
const (
	OutcomeScored  Outcome = "scored"  // result and error objects are written; single rows may have failed
	OutcomeFailed  Outcome = "failed"  // the bound of attempts was reached, or no attempt can help; every row that can be read is in the error object
	OutcomeIndexed Outcome = "indexed" // Offsets holds where rows begin
)

// Commit decides a shard: the first one stored on the shard's subject counts, every other is refused by the server.
type Commit struct {
	Epoch   int        `json:"epoch"`
	Number  int        `json:"number"`
	Attempt string     `json:"attempt"` // unique; part of the names of the objects below
	Worker  string     `json:"worker"`
	Pool    string     `json:"pool"`
	Outcome Outcome    `json:"outcome"`
	Result  *ObjectRef `json:"result,omitempty"`
	Errors  *ObjectRef `json:"errors,omitempty"`
	RowsIn  int64      `json:"rowsIn"`
	RowsOK  int64      `json:"rowsOK"`
	Failed  int64      `json:"rowsFailed"`
	// Unread says that a failed shard's range could not be read to its end. RowsIn and Failed are the rows before that place; the last line of
	// Errors stands for all that follow, and is counted in neither.
	Unread   bool      `json:"unread,omitempty"`
	Attempts int       `json:"attempts"` // started on this shard up to and with this one, without those handed back
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// Seconds of this attempt on its worker, of them LoadSeconds loading the model.
	Seconds     float64  `json:"seconds"`
	LoadSeconds float64  `json:"loadSeconds"`
	Offsets     []int64  `json:"offsets,omitempty"`
	Failure     *Failure `json:"failure,omitempty"`
}

// AttemptEvent is what a worker records about an attempt, guarded per shard, so that a code failure (it ended) and a lost machine (it
// never ended) can be told apart and counted.
type AttemptEvent struct {
	Attempt string      `json:"attempt"`
	Worker  string      `json:"worker"`
	Kind    AttemptKind `json:"kind"`
	At      time.Time   `json:"at"`
	Failure *Failure    `json:"failure,omitempty"`
}

// AttemptKind says what happened to an attempt.
type AttemptKind string

// The kinds of attempt events. A start without any later event of the same attempt is a lost machine.
const (
	AttemptStarted    AttemptKind = "started"
	AttemptFailed     AttemptKind = "failed"      // the scorer or its input failed: counts as a code failure
	AttemptHandedBack AttemptKind = "handed_back" // drained: does not count
	AttemptBlocked    AttemptKind = "blocked"     // output or store not writable: counts apart
)
