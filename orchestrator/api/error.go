package api

import (
	"encoding/json"
	"fmt"
)

// Code says what kind of error it is, for programs.
type Code string

// The codes of errors.
const (
	CodeInvalid        Code = "invalid"         // the request is wrong: see Problems
	CodeNotFound       Code = "not_found"       // there is no such queue, job or object
	CodeForbidden      Code = "forbidden"       // input or output lies outside of what the queue allows
	CodeConflict       Code = "conflict"        // the idempotency key was used with other content
	CodeWrongState     Code = "wrong_state"     // the job's state does not allow it
	CodeQueueFull      Code = "queue_full"      // too many jobs wait already
	CodeTooLarge       Code = "too_large"       // more objects, or a longer request, than allowed
	CodeTooExpensive   Code = "too_expensive"   // the estimate is above MaxCost
	CodeUnconfirmed    Code = "unconfirmed"     // the estimate is above what passes without MaxCost
	CodeUnavailable    Code = "unavailable"     // try again later
	CodeInternal       Code = "internal"        // a fault of ours; the log says more
	CodeUnknownRequest Code = "unknown_request" // no such operation
)

// Codes are all codes.
var Codes = []Code{
	CodeInvalid, CodeNotFound, CodeForbidden, CodeConflict, CodeWrongState, CodeQueueFull, CodeTooLarge, CodeTooExpensive, CodeUnconfirmed,
	CodeUnavailable, CodeInternal, CodeUnknownRequest,
}

// Error is why a request was not done.
type Error struct {
	Code Code `json:"code"`
	// Field is the first field that is wrong, such as input[0]; absent when it is not about a field.
	Field string `json:"field,omitempty"`
	// Message says, for people, what is wrong, what is allowed, and what was probably meant.
	Message string `json:"message"`
	// Problems are all fields that are wrong, when there is more than one.
	Problems []Problem `json:"problems,omitempty"`
}

// Problem is one thing that is wrong with a request.
type Problem struct {
	Field   string `json:"field,omitempty"` // absent: the whole request
	Message string `json:"message"`
}

func (p Problem) String() string {
	if p.Field == "" {
		return p.Message
	}
	return p.Field + ": " + p.Message
}

// Error is one line per problem.
func (e *Error) Error() string {
	if len(e.Problems) == 0 {
		return Problem{e.Field, e.Message}.String()
	}
	text := e.Problems[0].String()
	for _, problem := range e.Problems[1:] {
		text += "\n" + problem.String()
	}
	return text
}

// maxProblems bounds an error, which has to fit into an answer.
const maxProblems = 100

// invalid is the error of a request with these problems.
func invalid(problems []Problem) *Error {
	if more := len(problems) - maxProblems; more > 0 {
		problems = append(problems[:maxProblems:maxProblems], Problem{Message: fmt.Sprintf("%d more problems are left out", more)})
	}
	err := &Error{Code: CodeInvalid, Field: problems[0].Field, Message: problems[0].Message}
	if len(problems) > 1 {
		err.Problems = problems
	}
	return err
}

// ErrorResponse is the answer when the request was not done.
type ErrorResponse struct {
	Error *Error `json:"error"`
}

// DecodeResponse reads an answer: the result, or the *Error in its place. Fields that this version does not know are skipped.
func DecodeResponse[T any](data []byte) (T, error) {
	var answer struct {
		Error *Error `json:"error"`
	}
	var result T
	if err := json.Unmarshal(data, &answer); err != nil {
		return result, fmt.Errorf("decode answer: %w", err)
	}
	if answer.Error != nil {
		return result, answer.Error
	}
	if err := json.Unmarshal(data, &result); err != nil {
		return result, fmt.Errorf("decode answer: %w", err)
	}
	return result, nil
}
