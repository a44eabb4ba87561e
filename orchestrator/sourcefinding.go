package orchestrator

// SourceFinding is something about a source that stands in the way of draining it, or of sizing a pool by it, or may.
type SourceFinding struct {
	Refused bool // nothing is drained, or sized, while it is so
	Found   string
	Next    string // what to do
}
