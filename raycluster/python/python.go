package python

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed nightshift_scorer/*.py
var sources embed.FS

// Sources are the files of the package nightshift_scorer.
func Sources() fs.FS { return sources }

// Digest names the content of the sources: 16 hexadecimal digits. A folder with the digest in its name never mixes two
// versions.
func Digest() string {
	sum := sha256.New()
	// Embedded files cannot fail to be read, and they come in the order of their names.
	_ = eachSource(func(path string, content []byte) error {
		_, err := fmt.Fprintf(sum, "%s %d\n%s", path, len(content), content)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// Write puts the package nightshift_scorer under dir, which it makes if need be. A file that is there with the same content is
// left alone; another is replaced in one step, so that workers of one machine may share the folder.
func Write(dir string) error {
	err := eachSource(func(path string, content []byte) error {
		return writeFile(filepath.Join(dir, filepath.FromSlash(path)), content)
	})
	if err != nil {
		return fmt.Errorf("write scorer host to %s: %w", dir, err)
	}
	return nil
}

func eachSource(visit func(path string, content []byte) error) error {
	return fs.WalkDir(sources, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := sources.ReadFile(path)
		if err != nil {
			return err
		}
		return visit(path, content)
	})
}

func writeFile(path string, content []byte) error {
	if present, err := os.ReadFile(path); err == nil && bytes.Equal(present, content) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), "*.part")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // Gone already where all went well.
	_, err = temporary.Write(content)
	if closeErr := temporary.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Chmod(temporary.Name(), 0o644)
	}
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
