// Schemagen writes the JSON Schemas of the API's types into a folder: one file per request, answer and event.
//
//	go run ./schemagen ../../docs/schemas
//
// It runs in the folder of package api (go generate does), reads the doc comments of that package and of the vocabulary in the folder above,
// and takes everything else from the types. It imports the standard library, orchestrator, api and invopop/jsonschema.
package main
