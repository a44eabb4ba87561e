package object

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"syscall"

	"gocloud.dev/gcerrors"
)

// The codes of Error. They are part of the interface: row errors, job states and tests use them.
const (
	CodeInvalidURI       = "invalid_uri"        // not a URI this package understands
	CodeSchemeNotAllowed = "scheme_not_allowed" // no root has this scheme
	CodeOutsideRoots     = "outside_roots"      // no root holds this object
	CodeNotFound         = "not_found"          // no such object, or nothing matches
	CodeNotReadable      = "not_readable"       // exists, but cannot be read
	CodeInputChanged     = "input_changed"      // not the object that was accepted
	CodeUnknownFormat    = "unknown_format"     // the name does not tell how the rows are laid out
	CodeTooManyObjects   = "too_many_objects"   // more objects than the caller's limit
	CodeTooLarge         = "too_large"          // more bytes than the caller's limit
	CodeOutputFull       = "output_full"        // no space or quota left
	CodeOutputUnwritable = "output_unwritable"  // exists or may exist, but cannot be written
	CodeUnavailable      = "store_unavailable"  // a remote store did not answer properly, also after retries
)

// Error is every error of this package. Message says what is wrong and what is allowed; the cause, if any, is wrapped.
type Error struct {
	Code    string // one of the codes above
	URI     string // the object, prefix or pattern as the caller wrote it
	Message string
	Err     error // cause, may be nil
}

func (e *Error) Error() string {
	text := e.URI + ": " + e.Message + " (" + e.Code + ")"
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// readError turns a failure of a file system or an object store while reading into an Error.
func readError(uri string, err error) error {
	var known *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), isMissing(err):
		return &Error{Code: CodeNotFound, URI: uri, Message: "no such object", Err: err}
	case errors.Is(err, fs.ErrPermission), gcerrors.Code(err) == gcerrors.PermissionDenied, isForbidden(err):
		return &Error{Code: CodeNotReadable, URI: uri, Message: "permission to read is missing", Err: err}
	case isFileError(uri, err):
		return &Error{Code: CodeNotReadable, URI: uri, Message: "cannot be read", Err: err}
	}
	return &Error{Code: CodeUnavailable, URI: uri, Message: "the store did not answer properly", Err: err}
}

// writeError turns a failure while writing or deleting into an Error.
func writeError(uri string, err error) error {
	var known *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG), isRemoteFull(err):
		return &Error{Code: CodeOutputFull, URI: uri, Message: "no space or quota is left to write it", Err: err}
	case isFileError(uri, err), isForbidden(err), gcerrors.Code(err) == gcerrors.PermissionDenied, gcerrors.Code(err) == gcerrors.NotFound:
		return &Error{Code: CodeOutputUnwritable, URI: uri, Message: "cannot be written", Err: err}
	}
	return &Error{Code: CodeUnavailable, URI: uri, Message: "the store did not answer properly", Err: err}
}

// isMissing says whether a remote store does not have the object or the bucket. What GCS refuses has the same code.
func isMissing(err error) bool {
	return gcerrors.Code(err) == gcerrors.NotFound && !isForbidden(err)
}

// isForbidden says whether a remote store refused the credentials.
func isForbidden(err error) bool {
	status := statusOf(err)
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// isFileError says whether the operating system refused, rather than a remote store. Some of its refusals come as a bare number, which a broken
// connection has too.
func isFileError(uri string, err error) bool {
	var path *fs.PathError
	var link *os.LinkError
	var number syscall.Errno
	return errors.As(err, &path) || errors.As(err, &link) || strings.HasPrefix(uri, "file:") && errors.As(err, &number)
}
