// Package clustertest is what tests of engines on a real API server have in common: the cluster that e2e/cluster starts, a namespace of the test's own in it, and the
// service under test with its NATS server. Tests use it; nothing else does.
package clustertest
