// Package api proves docs/api.md against a real installation: a nightshift process with its embedded NATS server, local workers and a
// Python scorer, asked from outside through NATS as any client would.
//
// The requests, programs, JSON and server configuration come from the page itself, so the page cannot say what does not hold. Requests and
// answers are checked against docs/schemas on their way. Input lies on an S3 server inside of the test.
package api
