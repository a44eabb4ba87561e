// Package jsonrow looks at one row: is this line one JSON object, and what is the raw value of one of its columns.
//
// Every row passes through it twice, once as input and once as result, so it does both in one pass and allocates nothing: less than half of
// the time of gjson and a tenth of that of encoding/json (go test -bench . in this package; docs/decisions/005). It never
// changes or keeps a line. Where the scorer checks the rows of its input itself, Glance finds the key alone.
//
//	format   <- rows of the input: Reader.Column tells a good row from a bad one and finds its key; Reader.Glance only finds it
//	scorer   <- rows of the answer: Reader.Valid
//
// May import: the standard library.
package jsonrow
