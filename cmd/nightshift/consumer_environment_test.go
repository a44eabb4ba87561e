package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator/document"
)

// E15: a consumer is told what its queues say of Kafka, and nothing that they do not agree on.
func TestKafkaVariables(t *testing.T) {
	t.Parallel()
	queue := func(pool string, delivery document.Delivery, from document.KafkaGroup) document.Queue {
		return document.Queue{Spec: document.QueueSpec{Source: document.SourceKafka, Delivery: delivery, Pools: []string{"first", pool}, Kafka: &from}}
	}
	clicks := document.KafkaGroup{Brokers: []string{"k1:9092", "k2:9092"}, Topic: "clicks", Group: "theirs", Isolation: "read_committed", Start: "earliest"}
	views, others := clicks, clicks
	views.Topic, views.Group, views.SASL, views.TLS = "views", "others", "PLAIN", true
	others.Topic = "drained"
	queues := []document.Queue{
		queue("own", document.DeliveryExternal, clicks), queue("both", document.DeliveryExternal, clicks), queue("both", document.DeliveryExternal, views),
		queue("own", document.DeliveryShards, others), {Spec: document.QueueSpec{Source: document.SourceNATS, Delivery: document.DeliveryExternal, Pools: []string{"own"}}},
	}
	for pool, want := range map[string][]string{
		"own": {
			"NIGHTSHIFT_KAFKA_BROKERS=k1:9092,k2:9092", "NIGHTSHIFT_KAFKA_TOPIC=clicks", "NIGHTSHIFT_KAFKA_GROUP=theirs", "NIGHTSHIFT_KAFKA_ISOLATION=read_committed",
			"NIGHTSHIFT_KAFKA_START=earliest", "NIGHTSHIFT_KAFKA_TLS=false",
		},
		"both": {
			"NIGHTSHIFT_KAFKA_BROKERS=k1:9092,k2:9092", "NIGHTSHIFT_KAFKA_TOPIC=clicks,views", "NIGHTSHIFT_KAFKA_ISOLATION=read_committed", "NIGHTSHIFT_KAFKA_START=earliest",
		},
		"none": nil,
	} {
		if diff := cmp.Diff(want, kafkaVariables(queues, pool)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", pool, diff)
		}
	}
}
