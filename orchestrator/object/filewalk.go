package object

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
)

// walk visits regular files, sorted within each folder. Links to files are followed when they stay inside the folder; a link
// to a folder is an error, because leaving its files out would lose rows silently and following it might never end.
func (f folder) walk(ctx context.Context, prefix string, depth int, visit func(entry) error) error {
	inside, err := os.OpenRoot(string(f))
	if err != nil {
		return err
	}
	defer inside.Close()
	start := path.Clean(path.Dir(prefix + "x")) // the folder part of the prefix; "." at the top
	return fs.WalkDir(inside.FS(), start, func(name string, item fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case name == start && item.IsDir():
			return nil
		}
		relevant := strings.HasPrefix(finalName(name), prefix)
		if item.IsDir() {
			tooDeep := depth > 0 && elementsBelow(start, name) >= depth
			if tooDeep || !relevant {
				return fs.SkipDir
			}
			return nil
		}
		if !relevant {
			return nil
		}
		return visitFile(inside, name, visit)
	})
}

func visitFile(inside *os.Root, name string, visit func(entry) error) error {
	info, err := inside.Stat(name)
	if errors.Is(err, fs.ErrNotExist) { // went away since the folder was read
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		return &fs.PathError{Op: "list", Path: name, Err: errors.New("is a link to a folder, which a listing does not follow; name the folder itself")}
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	found, err := fileEntry(name, info)
	if err != nil {
		return err
	}
	return visit(found)
}

// elementsBelow counts the path elements of name below start.
func elementsBelow(start, name string) int {
	if start != "." {
		name = strings.TrimPrefix(name, start+"/")
	}
	return strings.Count(name, "/") + 1
}
