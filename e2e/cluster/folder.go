package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// marker is the file by which a folder is known to be a cluster's: down removes no other. Who holds its lock is at work there.
const marker = "nightshift-cluster"

// complete is what the marker holds when up is done.
const complete = "up\n"

// contents of a cluster's folder, beside the marker.
var contents = []string{"etcd", "home", "images", "kubeconfig", "logs", record, "nodes", "pids", "pki"}

var errNoCluster = errors.New("no cluster here")

// claim makes the folder of a new cluster, or opens that of one which is there, and returns what to call when the work there is done.
func claim(dir string) (release func(), err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, marker)); err != nil && len(entries) > 0 {
		return nil, fmt.Errorf("%s holds other things than a cluster: name an empty or a new folder by --dir", dir)
	}
	for _, name := range []string{"logs", "pids", "pki", "home"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return nil, fmt.Errorf("%w: name a folder that you may write to by --dir", err)
		}
	}
	return lock(dir, os.O_CREATE)
}

// lock fails with errNoCluster where there is no marker, unless create is os.O_CREATE, and where another command is at work.
func lock(dir string, create int) (release func(), err error) {
	path := filepath.Join(dir, marker)
	file, err := os.OpenFile(path, os.O_RDWR|create, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, errNoCluster)
	}
	if err != nil {
		return nil, err
	}
	release = func() { file.Close() } //nolint:errcheck // nothing was written
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("another up or down is at work in %s", dir)
	}
	if err == nil {
		err = stillThere(path, file)
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// stillThere fails when a down has removed the file between its opening and its locking.
func stillThere(path string, file *os.File) error {
	mine, err := file.Stat()
	if err != nil {
		return err
	}
	present, err := os.Stat(path)
	if err != nil || !os.SameFile(mine, present) {
		return fmt.Errorf("%s was removed meanwhile: try again", path)
	}
	return nil
}

// remove deletes what belongs to the cluster, and the folder when nothing else is in it.
func remove(dir string) error {
	for _, name := range append(contents, marker) {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, syscall.ENOTEMPTY) {
		return err
	}
	return nil
}
