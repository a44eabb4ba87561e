package node

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// entries of an archive in their order, and their contents.
func entries(t *testing.T, archive []byte) (names []string, contents map[string][]byte) {
	t.Helper()
	contents = map[string][]byte{}
	reader := tar.NewReader(bytes.NewReader(archive))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return names, contents
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, fmt.Sprintf("%s %c %o %s", header.Name, header.Typeflag, header.Mode, header.Linkname))
		if contents[header.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
}

func written(t *testing.T, i image) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := i.write(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestImageIsADockerArchive(t *testing.T) {
	host := image{
		name: "docker.io/nightshift/host:1", folders: []string{"tmp", "opt/ray"}, links: map[string]string{"bin": "usr/bin"},
		files: map[string][]byte{"opt/pause": []byte("program")}, entrypoint: []string{"/opt/pause"},
	}
	first := written(t, host)
	if !bytes.Equal(first, written(t, host)) {
		t.Fatal("the same image is not the same bytes")
	}
	_, files := entries(t, first)
	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil || len(manifest) != 1 || !slices.Equal(manifest[0].RepoTags, []string{host.name}) {
		t.Fatalf("%s %v", files["manifest.json"], err)
	}
	packed, err := gzip.NewReader(bytes.NewReader(files[manifest[0].Layers[0]]))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := io.ReadAll(packed)
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Config struct{ Entrypoint []string }
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(layer))
	if err := json.Unmarshal(files[manifest[0].Config], &config); err != nil || !slices.Equal(config.RootFS.DiffIDs, []string{digest}) || !slices.Equal(config.Config.Entrypoint, host.entrypoint) {
		t.Fatalf("%s %v", files[manifest[0].Config], err)
	}
	names, contents := entries(t, layer)
	want := []string{"bin 2 777 usr/bin", "opt 5 755 ", "opt/pause 0 755 ", "opt/ray 5 755 ", "tmp 5 755 "}
	if !slices.Equal(names, want) || string(contents["opt/pause"]) != "program" {
		t.Fatalf("layer %q, want %q", names, want)
	}
}

// Whatever the machine has below /usr under another name, pods find there, too.
func TestLinksAreThoseOfTheMachine(t *testing.T) {
	root := t.TempDir()
	for name, target := range map[string]string{"bin": "usr/bin", "lib64": "/usr/lib64", "vmlinuz": "boot/vmlinuz"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(root, "usr"), 0o700); err != nil {
		t.Fatal(err)
	}
	links, err := usrLinks(root)
	if want := map[string]string{"bin": "usr/bin", "lib64": "/usr/lib64"}; err != nil || !maps.Equal(links, want) {
		t.Fatalf("%v %v, want %v", links, err, want)
	}
}
