package object

import (
	"path"
	"slices"
	"strings"
)

// The schemes this package can open.
const (
	schemeFile  = "file"
	schemeS3    = "s3"
	schemeGCS   = "gs"
	schemeAzure = "azblob"
)

var schemes = []string{schemeFile, schemeS3, schemeGCS, schemeAzure}

// location is a URI taken apart. For file the path is absolute and clean; for buckets it is the key.
type location struct {
	uri    string // as the caller wrote it
	scheme string
	host   string // bucket or container; empty for file
	path   string // without a trailing slash
	folder bool   // the URI ends with a slash
}

// parseURI takes a URI apart without looking at what is allowed.
func parseURI(uri string) (location, error) {
	scheme, rest, found := strings.Cut(uri, "://")
	if !found {
		message := "has no scheme; want one of file:///, s3://, gs://, azblob://"
		if strings.HasPrefix(uri, "/") {
			message += "; probably file://" + uri
		}
		return location{}, &Error{Code: CodeInvalidURI, URI: uri, Message: message}
	}
	if strings.ContainsRune(uri, 0) {
		return location{}, &Error{Code: CodeInvalidURI, URI: uri, Message: "contains a zero byte"}
	}
	if !slices.Contains(schemes, scheme) {
		return location{}, &Error{Code: CodeSchemeNotAllowed, URI: uri,
			Message: "scheme " + scheme + " is not known; known are " + strings.Join(schemes, ", ")}
	}
	host, name, _ := strings.Cut(rest, "/")
	place := location{uri: uri, scheme: scheme, host: host, folder: strings.HasSuffix(rest, "/")}
	if scheme == schemeFile {
		return filePath(place, name)
	}
	return bucketKey(place, name)
}

func filePath(place location, name string) (location, error) {
	if place.host != "" {
		return location{}, &Error{Code: CodeInvalidURI, URI: place.uri,
			Message: "a file URI names no host; write file:///" + place.host + "/" + name}
	}
	place.path = path.Clean("/" + name)
	return place, nil
}

func bucketKey(place location, name string) (location, error) {
	if place.host == "" {
		return location{}, &Error{Code: CodeInvalidURI, URI: place.uri, Message: "names no bucket; want " + place.scheme + "://bucket/key"}
	}
	for element := range strings.SplitSeq(name, "/") {
		if element == "." || element == ".." {
			return location{}, &Error{Code: CodeInvalidURI, URI: place.uri, Message: "a key has no path elements . or .."}
		}
	}
	place.path = strings.TrimSuffix(name, "/")
	return place, nil
}

// within says whether a clean path is the root or lies below it. A root ends at a path element: /data/in does not hold
// /data/input.
func within(root, name string) bool {
	if root == "" || root == "/" {
		return true
	}
	below, found := strings.CutPrefix(name, root)
	return found && (below == "" || below[0] == '/')
}
