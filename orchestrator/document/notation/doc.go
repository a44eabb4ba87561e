// Package notation is how people write durations, quantities of bytes, names and words in documents and requests, and how a
// misspelt word is told from a right one.
//
// It imports the standard library only. Text comes from the packages document and api, which know the place it stands at; an error of this
// package says what is wrong with the text and what is allowed, the caller adds the place.
package notation
