// Package run tests `make run` as a user has it: the script, the program and the fraud example, in a folder of their own, interrupted at
// random moments. It imports the standard library and go-cmp only.
package run
