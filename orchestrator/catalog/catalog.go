package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/document"
)

// Catalog answers from documents that were read once. It is safe for concurrent use.
type Catalog struct {
	set        document.Set
	queues     map[string]document.Queue
	names      map[string][]string // of a tenant's queues, in the order of the documents
	pythonPath string              // folder that holds the package nightshift_scorer

	mu     sync.Mutex
	hashes map[string]hashed // artifact -> its hash when it was last read
}

type hashed struct {
	size    int64
	modTime time.Time
	sha256  string
}

// Read reads document files and folders (their *.yaml and *.yml). The error lists every problem of every file.
func Read(paths []string) (document.Set, error) {
	files, err := Files(paths)
	if err != nil {
		return document.Set{}, err
	}
	return document.Decode(files...)
}

// Files reads document files and folders, and leaves it to others to decode them.
func Files(paths []string) ([]document.File, error) {
	var files []document.File
	for _, path := range paths {
		names, err := documentFiles(path)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			data, err := readBounded(name)
			if err != nil {
				return nil, fmt.Errorf("read documents: %w", err)
			}
			files = append(files, document.File{Name: name, Data: data})
		}
	}
	return files, nil
}

func readBounded(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	return io.ReadAll(io.LimitReader(file, document.MaxFileBytes+1))
}

func documentFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read documents: %s does not exist", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var names []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		found, err := filepath.Glob(filepath.Join(path, pattern))
		if err != nil {
			return nil, fmt.Errorf("read documents: %w", err)
		}
		names = append(names, found...)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("read documents: %s holds no *.yaml or *.yml file", path)
	}
	slices.Sort(names)
	return names, nil
}

// New resolves a set of documents. pythonPath is the folder that holds the package nightshift_scorer.
func New(set document.Set, pythonPath string) *Catalog {
	c := &Catalog{set: set, pythonPath: pythonPath, queues: map[string]document.Queue{}, names: map[string][]string{}, hashes: map[string]hashed{}}
	for _, queue := range set.Queues {
		c.queues[queue.Name] = queue
		c.names[queue.Spec.Tenant] = append(c.names[queue.Spec.Tenant], queue.Name)
	}
	return c
}

// Documents are those the catalog answers from.
func (c *Catalog) Documents() document.Set { return c.set }

// Policy is what the planner has to keep to.
func (c *Catalog) Policy() orchestrator.Policy { return c.set.Policy() }

// Speeds are those of the models' profiles.
func (c *Catalog) Speeds() []orchestrator.Speed { return c.set.Speeds() }

// folder is the absolute folder of a document's file.
func folder(position document.Position) string {
	absolute, err := filepath.Abs(position.File)
	if err != nil { // only when there is no working directory
		absolute = position.File
	}
	return filepath.Dir(absolute)
}

// Queue gives a tenant's queue.
func (c *Catalog) Queue(tenant, name string) (dispatch.Queue, bool) {
	names := c.names[tenant]
	queue, ok := c.queues[name]
	if !ok || queue.Spec.Tenant != tenant {
		return dispatch.Queue{AllQueueNames: names}, false
	}
	spec, places := queue.Spec, queue.Locations(folder(queue.Position))
	return dispatch.Queue{
		Name: name, Tenant: tenant, ReadRoots: places.Read, WriteRoots: places.Write, Output: places.Output, Inbox: places.Inbox, OutputFormat: spec.Output.Format,
		MaxObjects: spec.Input.MaxObjects, MaxQueued: spec.Limits.MaxQueuedJobs, FinishWithin: spec.Objective.FinishWithin, Daily: spec.Objective.Daily(), Cheapest: spec.Objective.Cheapest,
		ExpireAfter: spec.ExpireAfter, FinishedJobs: spec.Limits.FinishedJobs, KeepFinished: spec.Limits.KeepFinished, KeepKeys: spec.Limits.KeepKeys,
		ConfirmAbove: spec.Limits.ConfirmAbove, MaxUpload: spec.Input.MaxUpload, AllQueueNames: names,
		Drains: spec.Source != document.SourceJobs, Key: spec.Drain.Key, RollEvery: spec.Drain.RollEvery, RollRows: int64(spec.Drain.RollRows), Results: spec.Drain.Results, Ordered: spec.Drain.Order == document.OrderKey,
		External: spec.External(), Steps: spec.Steps,
	}, true
}

// Drained are the queues that drain a source.
func (c *Catalog) Drained() (queues []document.Queue) {
	for _, queue := range c.set.Queues {
		if queue.Spec.Source != document.SourceJobs {
			queues = append(queues, queue)
		}
	}
	return queues
}

// Snapshot resolves the model of a queue with a job's parameters over its own.
func (c *Catalog) Snapshot(queue string, parameters map[string]any) (orchestrator.ModelSnapshot, error) {
	of, _ := c.set.Queue(queue)
	return c.ModelSnapshot(of.Spec.Model, parameters)
}

// ModelSnapshot resolves a model; its digest changes with the content of its artifacts.
func (c *Catalog) ModelSnapshot(name string, parameters map[string]any) (orchestrator.ModelSnapshot, error) {
	model, ok := c.set.Model(name)
	if !ok {
		return orchestrator.ModelSnapshot{}, fmt.Errorf("there is no model %q", name)
	}
	at := folder(model.Position)
	hashes := map[string]string{}
	for _, artifact := range model.Spec.Artifacts {
		path := artifact
		if !filepath.IsAbs(path) {
			path = filepath.Join(at, path)
		}
		sum, err := c.hash(path)
		if err != nil {
			return orchestrator.ModelSnapshot{}, fmt.Errorf("model %q, artifact %s: %w", name, artifact, err)
		}
		hashes[artifact] = sum
	}
	merged := maps.Clone(parameters)
	return model.Snapshot(document.Resolution{Dir: at, PythonPath: c.pythonPath, Parameters: merged, Hashes: hashes})
}

// hash reads a file's SHA-256, again only when its size or time has changed.
func (c *Catalog) hash(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	known, ok := c.hashes[path]
	c.mu.Unlock()
	if ok && known.size == info.Size() && known.modTime.Equal(info.ModTime()) {
		return known.sha256, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // only read
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	text := hex.EncodeToString(sum.Sum(nil))
	c.mu.Lock()
	c.hashes[path] = hashed{info.Size(), info.ModTime(), text}
	c.mu.Unlock()
	return text, nil
}

// Price is what one worker of a pool costs per hour.
func (c *Catalog) Price(pool string) orchestrator.Money {
	of, ok := c.set.Pool(pool)
	if !ok {
		return orchestrator.Money{}
	}
	return of.Spec.Price.Times(1 / float64(max(of.Spec.SlotsPerReplica, 1)))
}

// Pools gives the pools that an engine runs.
func (c *Catalog) Pools(engine document.Engine) []document.Pool {
	var pools []document.Pool
	for _, pool := range c.set.Pools {
		if pool.Spec.Engine == engine {
			pools = append(pools, pool)
		}
	}
	return pools
}
