// Command image makes the image of nightshift without Docker: the static program, a user that is not root, a folder for temporary files, and nothing else; no shell, no package. The
// same program makes the same image.
//
//	go run ./manifests/image --program bin/nightshift --layout .nightshift/image
//
// The layout is one of OCI, which skopeo and crane push to a registry; the archive is what docker load and ctr images import read.
package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// nobody is the user of the image: the one that distroless images have for this, too.
const nobody = 65532

func main() {
	program := flag.String("program", "bin/nightshift", "static program that the image runs")
	folder := flag.String("layout", "", "folder of the OCI layout, made anew")
	archive := flag.String("archive", "", "file of the same image as docker load reads it")
	tag := flag.String("tag", "nightshift.dev/nightshift:dev", "name of the image in the archive")
	flag.Parse()
	if err := write(*program, *folder, *archive, *tag); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(program, folder, archive, tag string) error {
	if folder == "" && archive == "" {
		return errors.New("neither --layout nor --archive says where the image goes")
	}
	image, err := build(program)
	if err != nil {
		return err
	}
	if archive != "" {
		reference, err := name.NewTag(tag)
		if err != nil {
			return fmt.Errorf("--tag: %w", err)
		}
		if err := tarball.WriteToFile(archive, reference, image); err != nil {
			return fmt.Errorf("write the archive: %w", err)
		}
	}
	if folder == "" {
		return nil
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	made, err := layout.Write(folder, empty.Index)
	if err == nil {
		err = made.AppendImage(image)
	}
	if err != nil {
		return fmt.Errorf("write the layout: %w", err)
	}
	digest, err := image.Digest()
	if err == nil {
		fmt.Println(digest)
	}
	return err
}

// build gives the image of a program.
func build(program string) (v1.Image, error) {
	files, err := content(program)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil })
	if err != nil {
		return nil, fmt.Errorf("make the layer: %w", err)
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, fmt.Errorf("make the image: %w", err)
	}
	described, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	described = described.DeepCopy()
	described.OS, described.Architecture = "linux", runtime.GOARCH
	described.Config = v1.Config{
		User: fmt.Sprintf("%d:%d", nobody, nobody), Entrypoint: []string{"/nightshift"}, Env: []string{"PATH=/", "HOME=/tmp"}, WorkingDir: "/tmp",
		Labels: map[string]string{"org.opencontainers.image.title": "nightshift", "org.opencontainers.image.licenses": "Apache-2.0"},
	}
	return mutate.ConfigFile(image, described)
}

// content is the layer's files as an archive, with no time and no owner of this machine in it.
func content(program string) ([]byte, error) {
	text, err := os.ReadFile(program) //nolint:gosec // whoever builds the image says which
	if err != nil {
		return nil, fmt.Errorf("read the program: %w", err)
	}
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	for _, file := range []struct {
		header tar.Header
		data   []byte
	}{
		{tar.Header{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755}, nil},
		{tar.Header{Typeflag: tar.TypeReg, Name: "etc/passwd", Mode: 0o644}, fmt.Appendf(nil, "nobody:x:%d:%d:nobody:/tmp:/sbin/nologin\n", nobody, nobody)},
		{tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}, nil},
		{tar.Header{Typeflag: tar.TypeReg, Name: "nightshift", Mode: 0o755}, text},
	} {
		file.header.Size, file.header.ModTime = int64(len(file.data)), time.Unix(0, 0)
		if err := archive.WriteHeader(&file.header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(file.data); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}
