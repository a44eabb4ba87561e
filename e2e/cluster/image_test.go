package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

func TestImageIsADockerArchive(t *testing.T) {
	host := image{
		name: "docker.io/nightshift/host:1", folders: []string{"tmp", "opt/ray"}, links: map[string]string{"bin": "usr/bin"},
		programs: map[string][]byte{"opt/pause": []byte("program")}, entrypoint: []string{"/opt/pause"},
	}
	var first, second bytes.Buffer
	if err := errors.Join(host.write(&first), host.write(&second)); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Fatal("the same image is not the same bytes", err)
	}
	_, files := entries(t, first.Bytes())
	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil || len(manifest) != 1 || !slices.Equal(manifest[0].RepoTags, []string{host.name}) {
		t.Fatalf("%s %v", files["manifest.json"], err)
	}
	layer := files[manifest[0].Layers[0]]
	var config struct {
		Config struct{ Entrypoint []string }
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(layer))
	if err := json.Unmarshal(files[manifest[0].Config], &config); err != nil || !slices.Equal(config.RootFS.DiffIDs, []string{digest}) || !slices.Equal(config.Config.Entrypoint, host.entrypoint) {
		t.Fatalf("%s %v", files["config.json"], err)
	}
	names, contents := entries(t, layer)
	want := []string{"bin 2 777 usr/bin", "opt 5 755 ", "opt/pause 0 755 ", "opt/ray 5 755 ", "tmp 5 755 "}
	if !slices.Equal(names, want) || string(contents["opt/pause"]) != "program" {
		t.Fatalf("layer %q, want %q", names, want)
	}
}
