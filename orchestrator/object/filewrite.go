package object

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
)

// temporaryMark begins the name of a file that is still being written: .nightshift-tmp.RANDOM.NAME in the folder of NAME.
const temporaryMark = ".nightshift-tmp."

// finalName is the name under which a temporary file would have appeared; other names stay as they are.
func finalName(name string) string {
	folder, base := path.Split(name)
	rest, temporary := strings.CutPrefix(base, temporaryMark)
	if !temporary {
		return name
	}
	_, final, _ := strings.Cut(rest, ".")
	return folder + final
}

// IsTemporary says whether a listed URI is what an interrupted writer of a file left behind.
func IsTemporary(uri string) bool { return strings.HasPrefix(path.Base(uri), temporaryMark) }

// fileSink writes under a temporary name in the same folder, so that the rename is atomic.
type fileSink struct {
	inside    *os.Root
	file      *os.File
	name      string
	temporary string
	made      []string // folders that had to be made, for their entries to be made durable
}

func (f folder) create(_ context.Context, name string) (sink, error) {
	if err := os.MkdirAll(string(f), 0o777); err != nil {
		return nil, err
	}
	inside, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, err
	}
	made, err := makeFolders(inside, path.Dir(name))
	if err != nil {
		return nil, errors.Join(err, inside.Close())
	}
	if info, err := inside.Stat(name); err == nil && info.IsDir() {
		problem := &fs.PathError{Op: "create", Path: name, Err: errors.New("is a folder")}
		return nil, errors.Join(problem, inside.Close())
	}
	const longestName = 255
	base := temporaryMark + rand.Text()[:16] + "." + path.Base(name)
	temporary := path.Join(path.Dir(name), base[:min(len(base), longestName)])
	file, err := inside.OpenFile(temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, errors.Join(err, inside.Close())
	}
	return &fileSink{inside: inside, file: file, name: name, temporary: temporary, made: made}, nil
}

// makeFolders makes the missing folders of a path and lists them, outermost first.
func makeFolders(inside *os.Root, name string) ([]string, error) {
	var made []string
	for above := name; above != "."; above = path.Dir(above) {
		if _, err := inside.Stat(above); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		made = append([]string{above}, made...)
	}
	return made, inside.MkdirAll(name, 0o777)
}

func (f *fileSink) Write(data []byte) (int, error) { return f.file.Write(data) }

func (f *fileSink) commit(context.Context) error {
	if err := f.file.Sync(); err != nil {
		return err
	}
	if err := f.file.Close(); err != nil {
		return err
	}
	if err := f.inside.Rename(f.temporary, f.name); err != nil {
		return err
	}
	if err := f.syncFolder(path.Dir(f.name)); err != nil {
		return err
	}
	for _, name := range f.made {
		if err := f.syncFolder(path.Dir(name)); err != nil {
			return err
		}
	}
	return f.inside.Close()
}

// syncFolder makes the entries of a folder durable.
func (f *fileSink) syncFolder(name string) error {
	opened, err := f.inside.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(opened.Sync(), opened.Close())
}

func (f *fileSink) abort(context.Context) error {
	err := f.file.Close()
	if errors.Is(err, os.ErrClosed) {
		err = nil
	}
	removed := f.inside.Remove(f.temporary)
	if errors.Is(removed, fs.ErrNotExist) {
		removed = nil
	}
	return errors.Join(err, removed, f.inside.Close())
}
