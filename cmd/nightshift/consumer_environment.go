package main

import (
	"slices"
	"strconv"
	"strings"

	"nightshift.dev/nightshift/orchestrator/document"
)

// kafkaPrefix begins the variables that tell consumers of the user's own what their Queue says of Kafka: NIGHTSHIFT_KAFKA_GROUP is kafka.group. User and password
// are no part of it: they are in the environment of the service, which consumers have.
const kafkaPrefix = "NIGHTSHIFT_KAFKA_"

// kafkaVariables tell a pool's consumers what the documents of their queues say of Kafka. What several queues do not agree on is left out, but for topics, of which all are named.
func kafkaVariables(queues []document.Queue, pool string) []string {
	var names []string
	values := map[string][]string{}
	say := func(name, value string) {
		if values[name] == nil {
			names = append(names, name)
		}
		if !slices.Contains(values[name], value) {
			values[name] = append(values[name], value)
		}
	}
	for _, queue := range queues {
		from := queue.Spec.Kafka
		if from == nil || queue.Spec.Delivery != document.DeliveryExternal || !slices.Contains(queue.Spec.Pools, pool) {
			continue
		}
		say("BROKERS", strings.Join(from.Brokers, ","))
		say("TOPIC", from.Topic)
		say("GROUP", from.Group)
		say("ISOLATION", from.Isolation)
		say("START", from.Start)
		say("TLS", strconv.FormatBool(from.TLS))
		say("SASL", from.SASL)
	}
	var variables []string
	for _, name := range names {
		if all := strings.Join(values[name], ","); all != "" && (name == "TOPIC" || len(values[name]) == 1) {
			variables = append(variables, kafkaPrefix+name+"="+all)
		}
	}
	return variables
}
