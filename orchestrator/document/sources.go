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

// kafkaFields visits where a queue's records come from.
func kafkaFields(f visitor, spec *QueueSpec) {
	given := f.optional("kafka", spec.Kafka != nil)
	switch {
	case given && spec.Source != SourceKafka:
		f.problem("kafka", "given beside source: %s; allowed: with source: kafka", spec.Source)
	case !given && spec.Source == SourceKafka:
		f.problem("kafka", "is missing; allowed: brokers, topic and group, like {brokers: [127.0.0.1:9092], topic: payments, group: scoring}")
	}
	if !given {
		return
	}
	if spec.Kafka == nil {
		spec.Kafka = &KafkaGroup{Isolation: "read_committed", Start: "earliest"}
	}
	f.object("kafka", func(f visitor) {
		f.required("brokers", "topic", "group")
		f.texts("brokers", &spec.Kafka.Brokers, isBroker)
		f.text("topic", &spec.Kafka.Topic, isTopic)
		f.text("group", &spec.Kafka.Group, isLine)
		f.choice("isolation", &spec.Kafka.Isolation, []string{"read_committed", "read_uncommitted"})
		f.choice("start", &spec.Kafka.Start, []string{"earliest", "latest"})
		if f.optional("tls", spec.Kafka.TLS) {
			f.flag("tls", &spec.Kafka.TLS)
		}
		if f.optional("sasl", spec.Kafka.SASL != "") {
			f.choice("sasl", &spec.Kafka.SASL, []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"})
		}
	})
}

// resultsFields visits where results are published: with the broker that the source is with.
func resultsFields(f visitor, spec *QueueSpec) {
	to := &spec.Drain.Results
	if !f.optional("results", to.Given()) {
		return
	}
	f.object("results", func(f visitor) {
		if f.optional("subject", to.Subject != "") {
			f.text("subject", &to.Subject, isSubject)
		}
		if f.optional("topic", to.Topic != "") {
			f.text("topic", &to.Topic, isTopic)
		}
		switch {
		case !f.sound("subject", "topic"):
		case spec.Source == SourceNATS && to.Topic != "":
			f.problem("topic", "%q is given with source: nats; allowed: subject, in the account of the service", to.Topic)
		case spec.Source == SourceKafka && to.Subject != "":
			f.problem("subject", "%q is given with source: kafka; allowed: topic, of the same cluster", to.Subject)
		case spec.Source == SourceNATS && to.Subject == "":
			f.problem("subject", "is missing; allowed: a subject that a stream takes, like scored.payments; without results, files are written")
		case spec.Source == SourceKafka && to.Topic == "":
			f.problem("topic", "is missing; allowed: a topic of the same cluster; without results, files are written")
		case spec.Kafka != nil && to.Topic != "" && to.Topic == spec.Kafka.Topic:
			f.problem("topic", "%q is the topic that is drained: its results would be drained again; allowed: another topic", to.Topic)
		}
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
		f.choice("order", (*string)(&spec.Drain.Order), []string{string(OrderNone), string(OrderKey)})
		resultsFields(f, spec)
	})
}
