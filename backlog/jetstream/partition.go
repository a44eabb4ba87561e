package jetstream

import (
	"strings"

	"nightshift.dev/nightshift/orchestrator"
)

// URI names a stream in the objects of a standing job.
func URI(stream string) string { return "nats://" + stream }

// partitions are those of a consumer whose messages are worked on in their order: its filters, which do not overlap. All have the positions of the stream. Without
// filters the stream is one.
func partitions(whole orchestrator.Part, filters []string) []orchestrator.Part {
	if len(filters) < 2 {
		return []orchestrator.Part{whole}
	}
	parts := make([]orchestrator.Part, len(filters))
	for i, filter := range filters {
		parts[i] = whole
		parts[i].URI += "/" + filter
	}
	return parts
}

// PartitionOf is the source as far as a partition has it.
func PartitionOf(source orchestrator.NATSSource, uri string) orchestrator.NATSSource {
	if filter, is := strings.CutPrefix(uri, URI(source.Stream)+"/"); is {
		source.Subjects = []string{filter}
	}
	return source
}

// firstUnsettled is the first position that one of the partitions has not settled: their messages lie between each other.
func firstUnsettled(partitions []orchestrator.Position) int64 {
	first := partitions[0].Settled
	for _, one := range partitions {
		first = min(first, one.Settled)
	}
	return first
}
