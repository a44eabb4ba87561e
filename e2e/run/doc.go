// Package run tests `make run` and `nightshift dev` as a user has them: the script, the program and the examples, in a folder of their own, ended at random
// moments and started again, or given every format. It imports the standard library only.
package run
