// Package scorer starts and talks to scorers. A scorer is a child process that holds a model and answers batches of rows over
// its standard input and output. The protocol is described, with numbered cases, in docs/scorer.md; the comments of this
// package say "case 7" when they mean that page.
//
// # Flow
//
//	Start   -> spawn in an own process group -> hello -> (model loads) -> ready
//	Submit  -> encode -> queue (oldest first, a window of 4) -> writer goroutine -> standard input
//	          standard output -> reader goroutine -> check id, rows, payload -> the oldest Pending
//	Stop    -> stop -> the scorer ends; after StopTimeout it is killed
//
// One goroutine writes, one reads and one passes standard error on, so a full pipe never blocks the other directions. One
// goroutine, locked to its thread for the whole life of the child, starts and reaps it: the kernel kills the child when that
// thread ends, so a worker that dies of SIGKILL leaves no scorer behind. One goroutine samples memory. One supervises: the
// first failure wins, kills the whole process group, and fails every outstanding batch with the same error.
//
// # Data
//
// A Batch comes from the shard runner, as JSON lines or as an Arrow record batch. A Result goes back to it as JSON lines with
// the errors of single rows beside them. Nothing is stored, and nothing but the child's three pipes and /proc is touched.
//
// # Failures
//
// A BatchError means that the scorer lives and this batch failed. CrashError, HangError, ProtocolError and MemoryError mean
// that the scorer is dead; LoadError means that it never became ready and wraps one of them where there is one. All of them
// are found with errors.As. Bisect finds the rows at fault in a batch that failed.
//
// # Imports
//
// The standard library, orchestrator/jsonrow, github.com/apache/arrow-go/v18 and golang.org/x/sys/unix. Never an adapter, never the worker.
package scorer
