// Package service is what people and programs talk to: the NATS micro service `nightshift`, with its subjects under
// nightshift.v1.TENANT, and the lifecycle events.
//
// The tenant stands early in every subject, so that a NATS account's permissions can be cut by it. Requests and answers are JSON as package api
// has them. It imports orchestrator, api, calendar, dispatch, control, planner, object and state.
package service
