package node

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// pauseImage is what each pod's first container is made of. MachineImage has nothing but links to /usr: a pod that mounts the machine's
// /usr there runs the machine's programs.
const (
	pauseImage   = "docker.io/nightshift/pause:1"
	MachineImage = "docker.io/nightshift/machine:1"
)

// image is a container image of one layer. Names of files have no slash at their beginning.
type image struct {
	name       string            // with registry and tag, which the runtime asks for: docker.io/nightshift/pause:1
	folders    []string          // empty; targets of mounts
	links      map[string]string // path: target
	files      map[string][]byte // path: content; each may be executed
	entrypoint []string
}

// WriteImages makes the images of every node in a folder and returns their files. pause is the program of that name, linked statically.
func WriteImages(folder, pause string) ([]string, error) {
	program, err := os.ReadFile(pause) //nolint:gosec // just built
	if err != nil {
		return nil, err
	}
	links, err := usrLinks("/")
	if err != nil {
		return nil, err
	}
	machine := image{
		name: MachineImage, links: links, folders: []string{"dev", "etc", "home", "opt", "proc", "root", "run", "sys", "tmp", "usr", "var/tmp"},
		files: map[string][]byte{"etc/passwd": []byte("root:x:0:0:root:/root:/bin/sh\n"), "etc/group": []byte("root:x:0:\n"), "etc/nsswitch.conf": []byte("hosts: files dns\n")},
	}
	var written []string
	for _, i := range []image{{name: pauseImage, files: map[string][]byte{"pause": program}, entrypoint: []string{"/pause"}}, machine} {
		file := filepath.Join(folder, path.Base(strings.TrimSuffix(i.name, ":1"))+".tar")
		if err := i.write(file); err != nil {
			return nil, fmt.Errorf("image %s: %w", i.name, err)
		}
		written = append(written, file)
	}
	return written, nil
}

// usrLinks are the machine's own, from bin, lib and others to what they are below usr.
func usrLinks(root string) (map[string]string, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	links := map[string]string{}
	for _, entry := range entries {
		if target, err := os.Readlink(filepath.Join(root, entry.Name())); err == nil && strings.HasPrefix(strings.TrimPrefix(target, "/"), "usr/") {
			links[entry.Name()] = target
		}
	}
	return links, nil
}

// write makes an archive as docker save does, which "ctr images import" takes. The same image is the same bytes.
func (i image) write(file string) error {
	tag, err := name.NewTag(i.name)
	if err != nil {
		return err
	}
	content, err := i.content()
	if err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
	if err != nil {
		return err
	}
	made, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return err
	}
	described, err := made.ConfigFile()
	if err != nil {
		return err
	}
	described = described.DeepCopy()
	described.OS, described.Architecture = "linux", runtime.GOARCH
	described.Config = v1.Config{Entrypoint: i.entrypoint, WorkingDir: "/"}
	if made, err = mutate.ConfigFile(made, described); err != nil {
		return err
	}
	return tarball.WriteToFile(file, tag, made)
}

// content is the layer: everything below /, folders before what they hold.
func (i image) content() ([]byte, error) {
	headers := map[string]tar.Header{}
	for _, name := range i.folders {
		headers[name] = tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}
	}
	for name, target := range i.links {
		headers[name] = tar.Header{Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}
	}
	for name := range i.files {
		headers[name] = tar.Header{Typeflag: tar.TypeReg, Mode: 0o755}
	}
	for _, name := range slices.Collect(maps.Keys(headers)) {
		for parent := path.Dir(name); parent != "."; parent = path.Dir(parent) {
			if _, there := headers[parent]; !there {
				headers[parent] = tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}
			}
		}
	}
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		header := headers[name]
		header.Name, header.Size = name, int64(len(i.files[name]))
		if err := archive.WriteHeader(&header); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if _, err := archive.Write(i.files[name]); err != nil {
			return nil, err
		}
	}
	err := archive.Close()
	return buffer.Bytes(), err
}
