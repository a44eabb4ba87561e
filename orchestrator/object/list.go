package object

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// mostListed bounds how many objects one listing looks at, whatever the pattern keeps of them.
const mostListed = 1_000_000

// List names input objects: one object, all objects below a prefix that ends with a slash, or those that match a pattern
// (* and ? and [..] within a path element, ** for any number of elements). They are sorted by URI. Names that begin with a dot
// or an underscore, where other tools put their marks, are left out unless the pattern has such an element itself.
// Nothing found is an error (not_found), and so are more than limit objects (too_many_objects). The format is told from the
// extension unless given.
func (s *Store) List(ctx context.Context, pattern string, format orchestrator.Format, limit int) ([]orchestrator.Object, error) {
	prefix, glob := splitPattern(pattern)
	if !glob && !strings.HasSuffix(pattern, "/") {
		one, err := s.Stat(ctx, prefix, format)
		if err != nil {
			return nil, err
		}
		return []orchestrator.Object{one}, nil
	}
	keep := func(uri string) bool { return !hidden(strings.TrimPrefix(uri, pattern)) }
	depth := 0
	if glob {
		elements := strings.Split(strings.ReplaceAll(pattern, "[!", "[^"), "/") // both spellings mean none of these
		if err := checkPattern(pattern, elements); err != nil {
			return nil, err
		}
		folderURI := prefix[:strings.LastIndexByte(prefix, '/')+1]
		keep = func(uri string) bool {
			wanted := hidden(strings.TrimPrefix(pattern, folderURI)) || !hidden(strings.TrimPrefix(uri, folderURI))
			return wanted && matches(elements, strings.Split(uri, "/"))
		}
		depth = patternDepth(pattern, prefix)
	}
	var objects []orchestrator.Object
	err := s.walk(ctx, pattern, prefix, depth, func(uri string, found entry) error {
		if !keep(uri) {
			return nil
		}
		if len(objects) == limit {
			return &Error{Code: CodeTooManyObjects, URI: pattern, Message: fmt.Sprintf("names more than %d objects", limit)}
		}
		one, err := describe(uri, found, format)
		objects = append(objects, one)
		return err
	})
	if err != nil {
		return nil, readError(pattern, err)
	}
	if len(objects) == 0 {
		return nil, &Error{Code: CodeNotFound, URI: pattern, Message: "no object matches"}
	}
	slices.SortFunc(objects, func(a, b orchestrator.Object) int { return cmp.Compare(a.URI, b.URI) })
	return objects, nil
}

// Entry is an object as a sweeper sees it.
type Entry struct {
	URI     string
	Bytes   int64
	ModTime time.Time
}

// ListNames names everything whose URI begins with prefix, also what interrupted writers left behind (IsTemporary), sorted
// by URI. A temporary file counts as the object it would have become. Nothing found is no error.
func (s *Store) ListNames(ctx context.Context, prefix string) ([]Entry, error) {
	var entries []Entry
	err := s.walk(ctx, prefix, prefix, 0, func(uri string, found entry) error {
		entries = append(entries, Entry{URI: uri, Bytes: found.size, ModTime: found.modTime.UTC()})
		return nil
	})
	var problem *Error
	if err = readError(prefix, err); errors.As(err, &problem) && problem.Code == CodeNotFound {
		err = nil
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.URI, b.URI) })
	return entries, err
}

// walk visits the objects whose URI begins with a literal prefix, under the URIs the caller will use for them. Errors name
// what the caller wrote.
func (s *Store) walk(ctx context.Context, shown, prefix string, depth int, visit func(uri string, found entry) error) error {
	folderURI := prefix[:strings.LastIndexByte(prefix, '/')+1]
	at, err := parseURI(folderURI)
	if err != nil {
		return err
	}
	at.uri = shown
	where, name, err := s.resolve(ctx, at, false)
	if err != nil {
		return err
	}
	base := ""
	if name != "." && name != "" {
		base = name + "/"
	}
	seen := 0
	return where.walk(ctx, base+strings.TrimPrefix(prefix, folderURI), depth, func(found entry) error {
		if seen++; seen > mostListed {
			return &Error{Code: CodeTooManyObjects, URI: shown, Message: fmt.Sprintf("more than %d objects lie here", mostListed)}
		}
		return visit(folderURI+strings.TrimPrefix(found.name, base), found)
	})
}

// hidden says whether an element of a name marks it as no data.
func hidden(name string) bool {
	for element := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(element, ".") || strings.HasPrefix(element, "_") {
			return true
		}
	}
	return false
}
