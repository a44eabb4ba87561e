package object

import (
	"fmt"
	"slices"
	"strings"
)

// Access says which objects an installation may read and write. A root is a URI prefix that ends at a path element:
// file:///data/in, s3://bucket, s3://bucket/prefix. What may be written may be read too.
//
// A root of a bucket may carry parameters of the connection, like
// s3://bucket/prefix?endpoint=http://127.0.0.1:9000&use_path_style=true&region=eu-central-1; the URIs of objects never do.
// Credentials come only from the environment, as the provider's SDK finds them.
type Access struct {
	Read  []string
	Write []string
}

// root is one allowed prefix.
type root struct {
	location
	query    string // parameters of the connection, without the question mark
	writable bool
}

func parseRoots(access Access) ([]root, error) {
	roots := make([]root, 0, len(access.Read)+len(access.Write))
	add := func(texts []string, writable bool) error {
		for _, text := range texts {
			uri, query, _ := strings.Cut(text, "?")
			place, err := parseURI(uri)
			if err != nil {
				return fmt.Errorf("parse root: %w", err)
			}
			if query != "" && place.scheme == schemeFile {
				return fmt.Errorf("parse root: %w", &Error{Code: CodeInvalidURI, URI: text, Message: "a file root takes no parameters"})
			}
			roots = append(roots, root{location: place, query: query, writable: writable})
		}
		return nil
	}
	if err := add(access.Write, true); err != nil {
		return nil, err
	}
	return roots, add(access.Read, false)
}

// allowed finds the roots that hold a place, or says which ones exist.
func allowed(roots []root, place location, writing bool) ([]root, error) {
	var same, holding []root
	for _, candidate := range roots {
		if candidate.scheme != place.scheme || writing && !candidate.writable {
			continue
		}
		same = append(same, candidate)
		if candidate.host == place.host && within(candidate.path, place.path) {
			holding = append(holding, candidate)
		}
	}
	switch {
	case len(holding) > 0:
		return holding, nil
	case len(same) == 0:
		return nil, &Error{Code: CodeSchemeNotAllowed, URI: place.uri,
			Message: "scheme " + place.scheme + " is not allowed for " + purpose(writing) + "; " + names(roots, writing)}
	}
	return nil, &Error{Code: CodeOutsideRoots, URI: place.uri,
		Message: "lies outside of what is allowed for " + purpose(writing) + "; " + names(roots, writing)}
}

func purpose(writing bool) string {
	if writing {
		return "writing"
	}
	return "reading"
}

// names lists roots for an error message, without connection parameters.
func names(roots []root, writing bool) string {
	var uris []string
	for _, candidate := range roots {
		if (!writing || candidate.writable) && !slices.Contains(uris, candidate.uri) {
			uris = append(uris, candidate.uri)
		}
	}
	if len(uris) == 0 {
		return "no root is configured for it"
	}
	slices.Sort(uris)
	return "allowed: " + strings.Join(uris, ", ")
}
