// Package api is what clients and the service say to each other: requests, answers, errors and events as Go types with their JSON names,
// strict decoding of requests, and checks that name every problem at once. docs/schemas has a JSON Schema of each type, made from this
// source by schemagen.
//
// The package holds values only: no connection, no clock. It imports the standard library, the vocabulary in package orchestrator, and
// document/notation for the texts that documents and requests share. Job records come from dispatch and become the Job that users see
// in JobOf.
//
// An answer is either the result or {"error": {...}}. The service also puts code and message of an error into the headers that NATS
// micro services use.
package api

//go:generate go run ./schemagen ../../docs/schemas
