package object

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"nightshift.dev/nightshift/orchestrator"
)

// folder is a file root with its links resolved. Every operation goes through os.Root, so a link made after the check
// cannot lead outside.
type folder string

// resolveFile follows links and checks where they end. What is written need not exist yet, and its last element is never followed.
func (s *Store) resolveFile(at location, writing bool) (place, string, error) {
	target, err := realPath(at.path, writing)
	if err != nil {
		if writing {
			return nil, "", writeError(at.uri, err)
		}
		return nil, "", readError(at.uri, err)
	}
	for _, candidate := range s.roots {
		if candidate.scheme != schemeFile || writing && !candidate.writable {
			continue
		}
		base, err := realRoot(candidate.path)
		if err != nil || !within(base, target) {
			continue
		}
		name := strings.TrimPrefix(strings.TrimPrefix(target, base), "/")
		if name == "" {
			name = "."
		}
		return folder(base), name, nil
	}
	return nil, "", &Error{Code: CodeOutsideRoots, URI: at.uri,
		Message: "is a link that leads to " + target + ", outside of what is allowed for " + purpose(writing) + "; " + names(s.roots, writing)}
}

// realPath resolves all links, or, for something that may not exist yet, those of the folders above it that exist.
func realPath(name string, writing bool) (string, error) {
	if !writing {
		return filepath.EvalSymlinks(name)
	}
	rest := path.Base(name)
	for above := path.Dir(name); ; above = path.Dir(above) {
		if _, err := os.Lstat(above); errors.Is(err, fs.ErrNotExist) && above != "/" {
			rest = path.Join(path.Base(above), rest)
			continue
		}
		target, err := filepath.EvalSymlinks(above)
		return path.Join(target, rest), err
	}
}

// realRoot resolves a root, which may itself be a link or not exist yet.
func realRoot(name string) (string, error) {
	target, err := filepath.EvalSymlinks(name)
	if errors.Is(err, fs.ErrNotExist) {
		return realPath(name, true)
	}
	return target, err
}

func (f folder) stat(_ context.Context, name string) (entry, error) {
	inside, err := os.OpenRoot(string(f))
	if err != nil {
		return entry{}, err
	}
	defer inside.Close()
	info, err := inside.Stat(name)
	if err != nil {
		return entry{}, err
	}
	return fileEntry(name, info)
}

// fileEntry describes a regular file. Its ETag is made of size, modification time and inode, so a replaced file differs.
func fileEntry(name string, info fs.FileInfo) (entry, error) {
	if info.IsDir() {
		return entry{}, &fs.PathError{Op: "read", Path: name, Err: errors.New("is a folder; end the URI with / to name the objects in it")}
	}
	if !info.Mode().IsRegular() {
		return entry{}, &fs.PathError{Op: "read", Path: name, Err: errors.New("is not a regular file")}
	}
	var inode uint64
	if system, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = system.Ino
	}
	etag := fmt.Sprintf("%x-%x-%x", info.Size(), info.ModTime().UnixNano(), inode)
	return entry{name: name, size: info.Size(), etag: etag, modTime: info.ModTime()}, nil
}

func (f folder) open(ctx context.Context, name string, start, length int64, want orchestrator.Object) (io.ReadCloser, error) {
	inside, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, err
	}
	defer inside.Close()
	if info, err := inside.Stat(name); err == nil && !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		_, err = fileEntry(name, info)
		return nil, err
	}
	file, err := inside.Open(name)
	if err != nil {
		return nil, err
	}
	found, err := checkFile(file, name, want)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	rest := min(length, max(0, found.size-start))
	return &fileReader{ctx: ctx, file: file, offset: start, rest: rest, uri: want.URI}, nil
}

func checkFile(file *os.File, name string, want orchestrator.Object) (entry, error) {
	info, err := file.Stat()
	if err != nil {
		return entry{}, err
	}
	found, err := fileEntry(name, info)
	if err != nil {
		return entry{}, err
	}
	return found, unchanged(want, found)
}

// fileReader reads a section of a file. A file that became shorter meanwhile is an error, not an end.
type fileReader struct {
	ctx    context.Context
	file   *os.File
	offset int64
	rest   int64
	uri    string
}

func (r *fileReader) Read(buffer []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.rest == 0 {
		return 0, io.EOF
	}
	count, err := r.file.ReadAt(buffer[:min(int64(len(buffer)), r.rest)], r.offset)
	r.offset += int64(count)
	r.rest -= int64(count)
	switch {
	case count > 0:
		return count, nil
	case errors.Is(err, io.EOF):
		return 0, &Error{Code: CodeInputChanged, URI: r.uri, Message: "became shorter while it was read"}
	}
	return 0, readError(r.uri, err)
}

func (r *fileReader) Close() error { return r.file.Close() }

func (f folder) remove(_ context.Context, name string) error {
	inside, err := os.OpenRoot(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer inside.Close()
	if err := inside.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
