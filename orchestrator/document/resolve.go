package document

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"strings"

	"nightshift.dev/nightshift/orchestrator"
)

// Resolution is what a model's document does not say itself.
type Resolution struct {
	Dir        string            // absolute folder of the document's file
	PythonPath string            // absolute folder that holds the Python package nightshift_scorer; empty: Python finds it by itself
	Parameters map[string]any    // of the job; each replaces the model's parameter of that name
	Hashes     map[string]string // artifact, as the document names it -> SHA-256 of its content, hex
}

// Snapshot is everything a worker needs to load the model, with absolute paths. Its digest is the SHA-256 over the canonical JSON of the
// whole snapshot and of the artifacts' hashes: snapshots with one digest are the same.
func (m Model) Snapshot(resolution Resolution) (orchestrator.ModelSnapshot, error) {
	scorer := m.Spec.Scorer
	snapshot := orchestrator.ModelSnapshot{
		Name:         m.Name,
		Command:      scorer.command(resolution.Dir),
		Dir:          absolute(resolution.Dir, scorer.Path),
		Env:          scorer.environment(resolution.PythonPath),
		Parameters:   merge(scorer.Parameters, resolution.Parameters),
		Columns:      maps.Clone(m.Spec.Columns),
		BatchRows:    m.Spec.BatchRows,
		ReadyTimeout: m.Spec.ReadyTimeout,
		BatchTimeout: m.Spec.BatchTimeout,
		MemoryLimit:  m.Spec.MemoryLimit,
		MaxRowBytes:  int(m.Spec.MaxRowBytes),
		MaxAttempts:  m.Spec.MaxAttempts,
		MaxLost:      m.Spec.MaxLostMachines,
	}
	hashes := make(map[string]string, len(m.Spec.Artifacts))
	for _, artifact := range m.Spec.Artifacts {
		hash, known := resolution.Hashes[artifact]
		if !known {
			return orchestrator.ModelSnapshot{}, fmt.Errorf("digest model %s: no hash of artifact %q", m.Name, artifact)
		}
		hashes[artifact] = hash
	}
	canonical, err := json.Marshal(struct {
		Snapshot  orchestrator.ModelSnapshot `json:"snapshot"`
		Artifacts map[string]string          `json:"artifacts"`
	}{snapshot, hashes})
	if err != nil {
		return orchestrator.ModelSnapshot{}, fmt.Errorf("digest model %s: %w", m.Name, err)
	}
	digest := sha256.Sum256(canonical)
	snapshot.Digest = hex.EncodeToString(digest[:])
	return snapshot, nil
}

// command is the program to start; the folder of a Python module is given to the scorer host, which imports from there.
func (s Scorer) command(dir string) []string {
	if s.Python != "" {
		return []string{program(dir, s.Interpreter), "-m", "nightshift_scorer", s.Python, "--path", absolute(dir, s.Path)}
	}
	command := append([]string(nil), s.Command...)
	if len(command) > 0 {
		command[0] = program(dir, command[0])
	}
	return command
}

// environment is the model's own variables, with the scorer host in front of what the model wants on Python's path.
func (s Scorer) environment(pythonPath string) map[string]string {
	env := maps.Clone(s.Env)
	if s.Python == "" || pythonPath == "" {
		return env
	}
	if env == nil {
		env = map[string]string{}
	}
	if own := env["PYTHONPATH"]; own != "" {
		pythonPath += ":" + own
	}
	env["PYTHONPATH"] = pythonPath
	return env
}

func merge(own, over map[string]any) map[string]any {
	if len(own)+len(over) == 0 {
		return nil
	}
	merged := make(map[string]any, len(own)+len(over))
	maps.Copy(merged, own)
	maps.Copy(merged, over)
	return merged
}

// program leaves a plain name to the search path of the system, and takes everything with a slash as a path.
func program(dir, name string) string {
	if strings.Contains(name, "/") {
		return absolute(dir, name)
	}
	return name
}

func absolute(dir, name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(dir, name)
}

// Locations is where a queue's jobs may read and write. Roots may carry parameters of the connection ("?region=..."), prefixes of objects
// never do; the path of each ends in "/".
type Locations struct {
	Read   []string // roots that may be read
	Write  []string // roots that may be written: the output, and the inbox where there is one
	Output string   // prefix of results
	Inbox  string   // prefix of uploads; empty: no uploads
}

// Locations makes the paths of the queue absolute URIs; dir is the absolute folder of the document's file.
func (q Queue) Locations(dir string) Locations {
	var locations Locations
	for _, root := range q.Spec.Input.Roots {
		locations.Read = append(locations.Read, rootURI(dir, root))
	}
	output := rootURI(dir, q.Spec.Output.Root)
	locations.Write = []string{output}
	locations.Output, _, _ = strings.Cut(output, "?")
	if q.Spec.Input.Inbox != "" {
		inbox := rootURI(dir, q.Spec.Input.Inbox)
		locations.Write = append(locations.Write, inbox)
		locations.Inbox, _, _ = strings.Cut(inbox, "?")
	}
	return locations
}

func rootURI(dir, location string) string {
	if !strings.Contains(location, "://") {
		location = "file://" + absolute(dir, location)
	}
	prefix, query, parameters := strings.Cut(location, "?")
	if !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	if parameters {
		return prefix + "?" + query
	}
	return prefix
}
