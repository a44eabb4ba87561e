// Package document holds the documents in which people declare models, pools and queues: their types, strict decoding with defaults,
// validation that names every problem at once, and what follows from them for the planner and the workers. docs/documents.md
// describes every field.
//
// The package is pure. It imports the standard library, go.yaml.in/yaml/v3 (for its parser, which keeps lines), the vocabulary in
// package orchestrator, and document/notation. Bytes of files come from the caller, who also says where files lie: paths in a
// document are relative to its file, and become absolute in Model.Snapshot and Queue.Locations.
//
// fields.go lists every field of every document once. Reading (reader.go) and writing (writer.go) both walk that list, so that what
// is written can be read and nothing is read that the list does not name.
package document
