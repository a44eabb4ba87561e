// Package embedded runs a NATS server with JetStream inside this process: the default of `nightshift dev`, and what tests talk to.
//
// It imports nats-server and nats.go only. Data lies in a file store under the folder the caller names. Every store is synced to disk
// before it is acknowledged, because an acknowledged job must survive a power cut and there is no replica.
package embedded
