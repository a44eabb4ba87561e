// Package format knows rows: how the bytes of an object are cut, read as rows, and written as results.
//
// Everything outside sees one shape: a row is one JSON object on one line, with the offset at which it begins and, if the job
// has a key column, the raw JSON of its key. A bad row becomes an orchestrator.RowError and never stops the others. Rows of a
// flat parquet object may be had as Arrow record batches instead, with the same offsets, keys and errors (Rows.AsRecords).
//
//	Sample, Cuttable, IndexCSV, RowGroups   look at an object before it is cut
//	OpenRows                                reads the rows of one range
//	OpenMessages                            the same for messages of a source
//	PartWriter, ErrorWriter                 write what the scorer answered
//	PartReader, MergePart, Concat           put results together again
//
// The central property: whatever the cuts of an object, reading its ranges one after the other gives the rows of the whole
// object, none lost and none twice. For jsonl a cut may be at any byte, for csv only where IndexCSV says, for parquet between
// any rows but best between row groups; a compressed object is never cut.
//
// Bytes come through Source, which object.Store implements, and go to an Output, which object.Writer implements.
//
// The package is a large one because three formats in, two out, packed or not, keep that property together; a file holds one of them.
//
// May import: the standard library, orchestrator, orchestrator/jsonrow, gjson, klauspost/compress, parquet-go, arrow-go.
package format
