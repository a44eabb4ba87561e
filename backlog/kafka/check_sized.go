package kafka

import (
	"context"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// CheckSized looks for what stands in the way of sizing a pool by the lag of a group whose members are others, and changes nothing. What arrives is due within a time, 0: unknown.
func CheckSized(ctx context.Context, connection Connection, source Source, within time.Duration) []orchestrator.SourceFinding {
	reader, backlog, err := readForCheck(ctx, connection, source)
	if err != nil {
		return []orchestrator.SourceFinding{{Refused: true, Found: err.Error()}}
	}
	defer reader.Close()
	c := checking{client: reader.client, source: source}
	c.begins(reader.memories[0])
	c.settings(ctx, within)
	for _, note := range backlog.Notes {
		if !strings.HasPrefix(note, nothingCommitted) { // said by where the group begins
			c.say(false, "", "%s", note)
		}
	}
	return c.found
}

// begins looks for partitions that are read from where the members' own setting says, which no broker knows.
func (c *checking) begins(read memory) {
	var never []int32
	for partition, one := range read.parts {
		if one.committed < 0 {
			never = append(never, partition)
		}
	}
	if len(never) == 0 {
		return
	}
	start := c.source.Start
	if start == "" {
		start = Earliest
	}
	skipped := ""
	if start == Latest {
		skipped = "; with latest they skip what comes while the pool is at zero"
	}
	c.say(false, "Commit once, or see to it that their auto.offset.reset is "+start,
		"group %s has committed nothing on partition %s of topic %s: consumers begin where their own setting says, and the queue counts from %s%s", c.source.Group, list(never), c.source.Topic, start, skipped)
}
