// Package kafkatest starts real Apache Kafka brokers for tests: KRaft, on free ports of the loopback interface, with a plain listener for
// the test itself, and one with SASL and TLS, and access lists, for whom the test makes.
//
// The jars come from Maven Central through mvn, once per version, into the folder that other tools of the tests are cached in. A test is
// skipped where Java or Maven are missing.
package kafkatest
