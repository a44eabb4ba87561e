// Package python carries the Python scorer host, nightshift_scorer, inside the binary, so that a worker needs nothing but a
// Python interpreter on its machine.
//
// It imports the standard library only. Its data are the source files beside it; they go to a folder of the worker's choice,
// which the worker then puts into PYTHONPATH of the scorer it starts. The host is described in docs/scorer.md.
package python
