package scorer

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// ErrStopped is what Submit and Wait return after Stop or Kill.
var ErrStopped = errors.New("the scorer was stopped")

// Failure is what the error of every dead scorer carries.
type Failure struct {
	// Scorer is the model's name, or the program's where the model has none.
	Scorer string
	// Batch is the oldest batch that had no answer yet, counted from 1; 0 where no batch was outstanding.
	Batch int64
	// Rows is the number of rows of that batch.
	Rows int
	// Stderr is the end of what the scorer wrote to standard error, at most 8 KiB.
	Stderr string
}

// describe makes the sentence of an error: who, what, when, and the last line that the scorer wrote.
func (f Failure) describe(what string) string {
	text := "scorer " + f.Scorer + ": " + what
	if f.Batch != 0 {
		text += fmt.Sprintf("; batch %d (%d rows) was the oldest without an answer", f.Batch, f.Rows)
	}
	return text + lastLine(f.Stderr)
}

func lastLine(stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if last == "" {
		return ""
	}
	return fmt.Sprintf("; it last wrote %.300q", last)
}

// CrashError says that the process ended by itself.
type CrashError struct {
	Failure
	// ExitCode is the process's exit code, or -1 where a signal ended it.
	ExitCode int
	// Signal is the signal that ended it, or 0.
	Signal syscall.Signal
}

func (e *CrashError) Error() string { return e.describe(e.what()) }

func (e *CrashError) what() string {
	what := fmt.Sprintf("ended by itself with exit code %d", e.ExitCode)
	if e.Signal != 0 {
		what = fmt.Sprintf("was ended by signal %d (%s)", e.Signal, e.Signal)
	}
	if e.Signal == syscall.SIGKILL {
		what += ", from outside"
	}
	return what
}

// HangError says that no answer came within the batch timeout.
type HangError struct {
	Failure
	Timeout time.Duration
}

func (e *HangError) Error() string { return e.describe(e.what()) }

func (e *HangError) what() string {
	return fmt.Sprintf("gave no answer within %s and was killed", e.Timeout)
}

// ProtocolError says that the scorer broke the protocol.
type ProtocolError struct {
	Failure
	// Problem is what it did, in a sentence.
	Problem string
}

func (e *ProtocolError) Error() string { return e.describe(e.what()) }

func (e *ProtocolError) what() string { return "broke the protocol and was killed: " + e.Problem }

// MemoryError says that the scorer's process group held more memory than allowed, or than there was.
type MemoryError struct {
	Failure
	// Limit and Used are bytes. Without a limit it is 0.
	Limit, Used int64
	// Kernel says that the kernel killed it, which had no memory left.
	Kernel bool
}

func (e *MemoryError) Error() string { return e.describe(e.what()) }

func (e *MemoryError) what() string {
	const mebibyte = 1 << 20
	if e.Kernel {
		return fmt.Sprintf("was killed by the kernel, which had no memory left; it held %d MiB or more", e.Used/mebibyte)
	}
	return fmt.Sprintf("used %d MiB of memory, more than its limit of %d MiB, and was killed", e.Used/mebibyte, e.Limit/mebibyte)
}

// LoadError says that the scorer never became ready.
type LoadError struct {
	Failure
	// Code and Message come from the scorer. The worker's own codes are not_started, load_timeout, load_died, cancelled
	// and protocol_version.
	Code, Message string
	// Cause is how it died, or nil where the scorer itself said that it cannot load.
	Cause error
}

func (e *LoadError) Error() string { return e.describe(e.what()) }

func (e *LoadError) what() string { return fmt.Sprintf("did not load (%s): %s", e.Code, e.Message) }

func (e *LoadError) Unwrap() error { return e.Cause }

// BatchError says that one batch failed as a whole. The scorer lives.
type BatchError struct {
	// Failure.Batch is the batch that failed.
	Failure
	// Code and Message come from the scorer.
	Code, Message string
}

func (e *BatchError) Error() string {
	return fmt.Sprintf("scorer %s: batch %d (%d rows) failed: %s: %s", e.Scorer, e.Batch, e.Rows, e.Code, e.Message)
}

// death is an error that gets its Failure when the scorer is buried, because only then all of standard error is known.
type death interface {
	error
	complete(Failure)
	what() string // how it died, without who and when
}

func (f *Failure) complete(known Failure) { *f = known }

// crash describes how a process ended.
func crash(state syscall.WaitStatus) *CrashError {
	if state.Signaled() {
		return &CrashError{ExitCode: -1, Signal: state.Signal()}
	}
	return &CrashError{ExitCode: state.ExitStatus()}
}
