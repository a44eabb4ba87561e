package orchestrator

// SourceFinding is something about a source that stands in the way of draining it, or may.
type SourceFinding struct {
	Refused bool // nothing is drained while it is so
	Found   string
	Next    string // what to do
}
