package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"runtime"
	"slices"
)

// image is a container image of one layer.
type image struct {
	name       string            // with registry and tag, which the runtime asks for: docker.io/nightshift/pause:1
	folders    []string          // empty; targets of mounts
	links      map[string]string // path: target
	programs   map[string][]byte // path: content of an executable file
	entrypoint []string
}

// write makes a docker-archive (manifest.json, config.json, layer.tar), which "ctr images import" takes. The same image is the same bytes.
func (i image) write(w io.Writer) error {
	layer, err := i.layer()
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": i.entrypoint, "WorkingDir": "/"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]any{map[string]any{"Config": "config.json", "RepoTags": []string{i.name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	archive := tar.NewWriter(w)
	for _, file := range []struct {
		name    string
		content []byte
	}{{"manifest.json", manifest}, {"config.json", config}, {"layer.tar", layer}} {
		if err := add(archive, tar.Header{Name: file.name, Typeflag: tar.TypeReg, Mode: 0o644}, file.content); err != nil {
			return err
		}
	}
	return archive.Close()
}

// layer has everything below /, folders before what they hold.
func (i image) layer() ([]byte, error) {
	headers := map[string]tar.Header{}
	for _, name := range i.folders {
		headers[name] = tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}
	}
	for name, target := range i.links {
		headers[name] = tar.Header{Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}
	}
	for name := range i.programs {
		headers[name] = tar.Header{Typeflag: tar.TypeReg, Mode: 0o755}
	}
	names := make([]string, 0, len(headers))
	for name := range headers {
		names = append(names, name)
	}
	for _, name := range names {
		for parent := path.Dir(name); parent != "." && parent != "/"; parent = path.Dir(parent) {
			if _, there := headers[parent]; !there {
				headers[parent], names = tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}, append(names, parent)
			}
		}
	}
	slices.Sort(names)
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	for _, name := range names {
		header := headers[name]
		header.Name = name
		if err := add(archive, header, i.programs[name]); err != nil {
			return nil, err
		}
	}
	err := archive.Close()
	return buffer.Bytes(), err
}

func add(archive *tar.Writer, header tar.Header, content []byte) error {
	header.Size = int64(len(content))
	if err := archive.WriteHeader(&header); err != nil {
		return fmt.Errorf("%s: %w", header.Name, err)
	}
	_, err := archive.Write(content)
	return err
}
