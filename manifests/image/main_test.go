package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// The image has the program and no more, runs it as nobody, and is the same image each time, in the layout and in the archive.
func TestImage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program, folder, archive := filepath.Join(dir, "program"), filepath.Join(dir, "layout"), filepath.Join(dir, "image.tar")
	if err := os.WriteFile(program, []byte("\x7fELF"), 0o600); err != nil {
		t.Fatal(err)
	}
	var digests []v1.Hash
	for range 2 {
		if err := write(program, folder, archive, "example.com/a/b:1"); err != nil {
			t.Fatal(err)
		}
		image := only(t, folder)
		digest, err := image.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest)
	}
	loaded, err := tarball.ImageFromPath(archive, nil)
	if err != nil {
		t.Fatal(err)
	}
	image := only(t, folder)
	for _, one := range []v1.Image{image, loaded} {
		if err := validate.Image(one); err != nil {
			t.Error(err)
		}
	}
	inLayout, _ := image.ConfigName()
	inArchive, _ := loaded.ConfigName()
	if digests[0] != digests[1] || inLayout != inArchive {
		t.Errorf("digests %v, configurations %v and %v", digests, inLayout, inArchive)
	}
	config, err := image.ConfigFile()
	if err != nil || config.Config.User != "65532:65532" || config.OS != "linux" {
		t.Errorf("configuration %+v (%v)", config, err)
	}
	if files, err := content(program); err != nil || len(files)%512 != 0 || !bytes.HasSuffix(files, make([]byte, 1024)) {
		t.Errorf("an archive of %d bytes that does not end as one (%v)", len(files), err)
	}
	want := map[string]int64{"etc/": 0o755, "etc/passwd": 0o644, "tmp/": 0o1777, "nightshift": 0o755}
	if diff := cmp.Diff(want, modes(t, image)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// Nothing is written where it is not said where to, and a program that is not there is an error.
func TestImageRefused(t *testing.T) {
	t.Parallel()
	for _, err := range []error{write("main.go", "", "", "a:1"), write("missing", t.TempDir(), "", "a:1"), write("main.go", "", filepath.Join(t.TempDir(), "a"), "A B")} {
		if err == nil {
			t.Error("no error")
		}
	}
}

func only(t *testing.T, folder string) v1.Image {
	t.Helper()
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("%+v (%v)", manifest, err)
	}
	image, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func modes(t *testing.T, image v1.Image) map[string]int64 {
	t.Helper()
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers (%v)", len(layers), err)
	}
	text, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = text.Close() }()
	found := map[string]int64{}
	for archive := tar.NewReader(text); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found[header.Name] = header.Mode
	}
}
