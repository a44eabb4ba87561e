package document

import "time"

// natsFields visits where a queue's messages come from.
func natsFields(f visitor, spec *QueueSpec) {
	given := f.optional("nats", spec.NATS != nil)
	switch {
	case given && spec.Source != SourceNATS:
		f.problem("nats", "given beside source: %s; allowed: with source: nats", spec.Source)
	case !given && spec.Source == SourceNATS:
		f.problem("nats", "is missing; allowed: the stream and the consumer, like {stream: PAYMENTS, consumer: scoring}")
	}
	if !given {
		return
	}
	if spec.NATS == nil {
		spec.NATS = &NATSConsumer{}
	}
	f.object("nats", func(f visitor) {
		f.required("stream", "consumer")
		f.text("stream", &spec.NATS.Stream, isStreamName)
		f.text("consumer", &spec.NATS.Consumer, isStreamName)
	})
}

// drainFields visits how the source is drained.
func drainFields(f visitor, spec *QueueSpec) {
	if !f.optional("drain", spec.Source != SourceJobs) {
		return
	}
	if spec.Source == SourceJobs {
		f.problem("drain", "given beside source: jobs; allowed: with another source")
	}
	f.object("drain", func(f visitor) {
		f.text("key", &spec.Drain.Key, isColumn)
		f.duration("rollEvery", &spec.Drain.RollEvery, time.Second, 7*24*time.Hour)
		f.whole("rollRows", &spec.Drain.RollRows, 1, 1_000_000_000)
	})
}
