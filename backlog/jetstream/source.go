package jetstream

import (
	"errors"
	"fmt"
)

// Source is a consumer whose backlog is a queue's.
type Source struct {
	Queue    string
	Stream   string
	Consumer string
	Batch    int // rows that a worker holds at a time; 0: one
	// Drained says that ranges of the stream are read beside the consumer, which is moved on as they are settled.
	Drained bool
	// Ordered says that each filter of the consumer is a partition, whose messages are worked on in their order.
	Ordered bool
}

func (s Source) String() string { return "nats " + s.Stream + "/" + s.Consumer }

func (s Source) check() error {
	switch {
	case s.Queue == "":
		return fmt.Errorf("%s: the queue has no name", s)
	case s.Stream == "" || s.Consumer == "":
		return fmt.Errorf("queue %s: stream %q, consumer %q: both need a name", s.Queue, s.Stream, s.Consumer)
	case s.Batch < 0:
		return fmt.Errorf("queue %s: batch %d: at least 1, or 0 for the default of 1", s.Queue, s.Batch)
	}
	return nil
}

// checkAll names everything that is wrong. A consumer is one queue's: rows counted twice would be worked on once.
func checkAll(sources []Source) error {
	var problems []error
	queues, consumers := map[string]string{}, map[string]string{}
	for _, source := range sources {
		if err := source.check(); err != nil {
			problems = append(problems, err)
		}
		if other, twice := consumers[source.String()]; twice {
			problems = append(problems, fmt.Errorf("%s is the source of queues %s and %s: give each a consumer of its own", source, other, source.Queue))
		}
		if other, twice := queues[source.Queue]; twice {
			problems = append(problems, fmt.Errorf("queue %s has two sources, %s and %s: give it one", source.Queue, other, source))
		}
		consumers[source.String()], queues[source.Queue] = source.Queue, source.String()
	}
	return errors.Join(problems...)
}
