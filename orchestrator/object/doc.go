// Package object is the only place that opens the URIs of inputs and outputs: file:///..., s3://bucket/key, gs://bucket/key and
// azblob://container/key.
//
// A Store is made from the roots an installation allows (Access). Every URI is checked against them before anything is opened:
// paths are cleaned, links of a file system are resolved, a root ends at a path element. A URI is taken literally: nothing is
// percent-decoded, so s3://bucket/a%20b names the key "a%20b". In List, the characters * ? [ are patterns, and a backslash
// takes their meaning away.
//
// Data comes from object stores and file systems and goes to package format, which knows rows; nothing here looks into an
// object. An object is read only while it is the one that was accepted (size, ETag or modification time), and what is written
// becomes visible whole or not at all.
//
// Reads, listings and deletes on remote stores are retried a few times, and a read that breaks off is continued where it
// stopped. The same tests run s3 against a server in the test's process and, with make test-stores, s3, gs and azblob against
// server programs (versitygw, fake-gcs-server, Azurite). None has been run against the service of its provider.
//
// May import: the standard library, orchestrator, gocloud.dev/blob with its drivers and their SDKs, cenkalti/backoff.
package object
