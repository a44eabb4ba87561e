package driver

import (
	"archive/zip"
	"compress/flate"
	"crypto/sha256"
	"debug/elf"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"

	"nightshift.dev/nightshift/raycluster/python"
)

//go:embed nightshift_ray/*.py
var sources embed.FS

// Program is what travels to a Ray cluster: this program for Linux, the driver and the scorer host. Ray unpacks it as the working directory of jobs and actors.
type Program struct {
	file string
	name string
}

// OpenProgram reads the program of a file, such as the one that runs, to name the package by its content. An error where it would not run in other images: it has to be
// for Linux and linked statically.
func OpenProgram(file string) (*Program, error) {
	if err := checkStatic(file); err != nil {
		return nil, err
	}
	content, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the program for Ray clusters: %w", err)
	}
	defer func() { _ = content.Close() }() // only read
	sum := sha256.New()
	if _, err := io.Copy(sum, content); err != nil {
		return nil, fmt.Errorf("read the program for Ray clusters: %w", err)
	}
	err = fs.WalkDir(sources, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := sources.ReadFile(path)
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", path, len(text), text) // a hash never fails
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the embedded driver: %w", err)
	}
	_, _ = fmt.Fprintln(sum, python.Digest()) // as above
	// Ray takes every name with this beginning for a package of its own making, which it deletes when it is no longer used.
	return &Program{file: file, name: "_ray_pkg_" + hex.EncodeToString(sum.Sum(nil))[:32] + ".zip"}, nil
}

func checkStatic(file string) error {
	program, err := elf.Open(file)
	if err != nil {
		return fmt.Errorf("the program for Ray clusters, %s, is none for Linux: %w", file, err)
	}
	defer func() { _ = program.Close() }() // only read
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP {
			return fmt.Errorf("the program for Ray clusters, %s, needs libraries that an image may lack: build it with CGO_ENABLED=0", file)
		}
	}
	return nil
}

// Name names the package by its content: NAME.zip.
func (p *Program) Name() string { return p.name }

// Write writes the package, a zip archive.
func (p *Program) Write(to io.Writer) error {
	archive := zip.NewWriter(to)
	archive.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestSpeed) })
	content, err := os.Open(p.file)
	if err != nil {
		return fmt.Errorf("read the program for Ray clusters: %w", err)
	}
	defer func() { _ = content.Close() }() // only read
	header := zip.FileHeader{Name: "nightshift", Method: zip.Deflate}
	header.SetMode(0o755)
	entry, err := archive.CreateHeader(&header)
	if err == nil {
		_, err = io.Copy(entry, content)
	}
	for _, files := range []fs.FS{sources, python.Sources()} {
		if err == nil {
			err = archive.AddFS(files)
		}
	}
	if err == nil {
		err = archive.Close()
	}
	if err != nil {
		return fmt.Errorf("pack the program for Ray clusters: %w", err)
	}
	return nil
}
