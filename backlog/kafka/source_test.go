package kafka

import (
	"strings"
	"testing"
)

// K24: all that is wrong is told at once, and no password.
func TestK24WhatIsWrongIsToldAtOnce(t *testing.T) {
	_, err := New(Connection{SASL: &SASL{Mechanism: "GSSAPI", Password: "hunter2"}}, []Source{
		{Queue: "q", Topic: "t", Group: "g", Isolation: "dirty", Start: "middle"}, {}, {Queue: "q", Topic: "t", Group: "g"},
	})
	if err == nil {
		t.Fatal("taken")
	}
	for _, words := range []string{
		"brokers: none is named", `sasl.mechanism: "GSSAPI" is not one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512`, "sasl.user: is empty",
		`source 1 (kafka t/g): isolation: "dirty" is not one of read_committed, read_uncommitted`, `start: "middle" is not one of earliest, latest`,
		"source 2 (kafka /): queue: is empty", "topic: is empty", "group: is empty", `source 3 (kafka t/g): queue "q" has it twice`,
	} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("nothing of %q in:\n%v", words, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password: %v", err)
	}
}
