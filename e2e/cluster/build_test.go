package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What is built is known by all that decides it.
func TestChangedModulesAreBuiltAnew(t *testing.T) {
	tools, err := toolsFolder()
	if err != nil {
		t.Fatal(err)
	}
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(tools)); err != nil {
		t.Fatal(err)
	}
	s := sets[0]
	first, err := s.folder(copied, "cache")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{first: true}
	for _, name := range []string{"go.mod", "go.sum"} {
		file := filepath.Join(copied, s.name, name)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		folder, err := s.folder(copied, "cache")
		if err != nil || seen[folder] {
			t.Errorf("%s after a change of %s: %v", folder, name, err)
		}
		seen[folder] = true
	}
	s.link = "-X main.version=1"
	if folder, err := s.folder(copied, "cache"); err != nil || seen[folder] {
		t.Errorf("%s with other flags: %v", folder, err)
	}
}

// The versions that names and messages tell are those which are built.
func TestVersionsAreThoseOfTheModules(t *testing.T) {
	tools, err := toolsFolder()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range slices.Concat(sets, realSets) {
		text, err := os.ReadFile(filepath.Join(tools, s.name, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), s.module+" "+s.version) {
			t.Errorf("tools/%s/go.mod does not require %s %s", s.name, s.module, s.version)
		}
	}
}

func TestWithoutGoNothingIsBuilt(t *testing.T) {
	tools, err := toolsFolder()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	var out bytes.Buffer
	if _, err := build(t.Context(), sets, tools, t.TempDir(), &out); err == nil || !strings.Contains(err.Error(), "built once, from source, by Go 1.") {
		t.Errorf("%v", err)
	}
}
