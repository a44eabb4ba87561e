package document

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"
)

// Scenario is what happens to an installation, for `nightshift simulate`: jobs, capacity, losses. Times are counted from its beginning.
type Scenario struct {
	Metadata
	Position Position
	Spec     ScenarioSpec
}

// ScenarioSpec is everything about a scenario but its name.
type ScenarioSpec struct {
	Documents []string      // files or folders, relative to the scenario's file
	Begin     time.Time     // when the scenario begins
	Length    time.Duration // after which jobs that have not ended are given up
	Seed      int
	Jobs      []ScenarioJob
	Pools     []ScenarioPool
	Speeds    []ScenarioSpeed
}

// ScenarioJob is a job, or several alike that come one after another.
type ScenarioJob struct {
	Name   string // empty: after the queue
	Queue  string
	Submit time.Duration
	Rows   int
	Within time.Duration // the deadline, from the submit; 0: what the queue's objective says
	Count  int
	Every  time.Duration
}

// ScenarioPool is what the provider of a pool's replicas does.
type ScenarioPool struct {
	Name          string
	Capacity      []ScenarioStep // replicas that may be had from a time on; none: as many as the pool may have
	Trace         string         // file of a recorded availability, in the place of Capacity
	Losses        []ScenarioStep // replicas that are lost at a time
	LossesPerHour float64        // of each replica, by chance
	StartTime     *ScenarioRange // nil: what the pool says
}

// ScenarioStep is a number of replicas at a time.
type ScenarioStep struct {
	At       time.Duration
	Replicas int
}

// ScenarioRange is a duration by chance.
type ScenarioRange struct{ Least, Most time.Duration }

// ScenarioSpeed is how fast a worker is, whatever the model's profile says.
type ScenarioSpeed struct {
	Model, Pool   string
	RowsPerSecond float64
	Load          time.Duration
}

// DecodeScenario reads a file with one scenario, like Decode: strictly, and with all problems at once.
func DecodeScenario(file File) (Scenario, error) {
	var d decoder
	scenario := Scenario{Spec: ScenarioSpec{Begin: time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC), Length: 7 * 24 * time.Hour, Seed: 1}}
	found := 0
	d.each(0, file, func(source *source, node *yaml.Node) {
		if found++; found > 1 {
			source.line = node.Line
			source.problem("", "a second document; allowed: one Scenario in a file")
			return
		}
		scenario.Position = Position{File: file.Name, Line: node.Line}
		readScenario(source, node, &scenario)
	})
	if found == 0 && len(d.problems) == 0 {
		d.add(0, Problem{File: file.Name, Message: "the file is empty; allowed: a document of kind Scenario"})
	}
	return scenario, d.err()
}

func readScenario(source *source, node *yaml.Node, scenario *Scenario) {
	source.line = node.Line
	if node.Kind != yaml.MappingNode {
		source.problem("", "%s is not a document; allowed: a mapping with apiVersion, kind, metadata and spec", shown(node))
		return
	}
	f := newReader(source, "", node.Line, node)
	var version, kind string
	f.required("apiVersion", "kind", "metadata", "spec")
	f.choice("apiVersion", &version, []string{APIVersion})
	f.choice("kind", &kind, []string{"Scenario"})
	f.object("metadata", func(f visitor) { metadataFields(f, &scenario.Metadata) })
	f.object("spec", func(f visitor) { scenarioFields(f, &scenario.Spec) })
	f.end()
}

// entryOf is the entry of a list at an index, a new one at its end.
func entryOf[T any](list *[]T, index int) *T {
	if index == len(*list) {
		var empty T
		*list = append(*list, empty)
	}
	return &(*list)[index]
}

func scenarioFields(f visitor, spec *ScenarioSpec) {
	f.required("documents", "jobs")
	f.texts("documents", &spec.Documents, isPath)
	begin := ""
	f.text("begin", &begin, func(text string) string {
		at, err := time.Parse(time.RFC3339, text)
		if err == nil {
			spec.Begin = at.UTC()
		}
		return allowedIf(err == nil, `a time like "2026-11-20T22:00:00Z"`)
	})
	f.duration("length", &spec.Length, time.Second, year)
	f.whole("seed", &spec.Seed, 0, 1<<53)
	f.list("jobs", len(spec.Jobs), func(index int, item visitor) { scenarioJobFields(item, entryOf(&spec.Jobs, index)) })
	f.list("pools", len(spec.Pools), func(index int, item visitor) { scenarioPoolFields(item, entryOf(&spec.Pools, index)) })
	f.list("speeds", len(spec.Speeds), func(index int, item visitor) {
		speed := entryOf(&spec.Speeds, index)
		item.required("model", "pool", "rowsPerSecond")
		item.text("model", &speed.Model, isName)
		item.text("pool", &speed.Pool, isName)
		item.decimal("rowsPerSecond", &speed.RowsPerSecond, 1e12)
		item.duration("load", &speed.Load, 0, 24*time.Hour)
	})
}

// mostScenarioJobs bounds how many jobs one entry stands for.
const mostScenarioJobs = 10_000

func scenarioJobFields(f visitor, job *ScenarioJob) {
	job.Count = 1
	f.required("queue", "rows")
	f.text("name", &job.Name, isName)
	f.text("queue", &job.Queue, isName)
	f.duration("submit", &job.Submit, 0, year)
	f.whole("rows", &job.Rows, 0, 1e12)
	if f.optional("within", job.Within != 0) {
		f.duration("within", &job.Within, time.Second, year)
	}
	f.whole("count", &job.Count, 1, mostScenarioJobs)
	f.duration("every", &job.Every, 0, year)
	if f.sound("count", "every") && job.Count > 1 && job.Every == 0 {
		f.problem("count", "%d jobs, and no every; allowed: together with every, how long after one the next comes", job.Count)
	}
}

func scenarioPoolFields(f visitor, pool *ScenarioPool) {
	f.required("name")
	f.text("name", &pool.Name, isName)
	steps := func(key string, list *[]ScenarioStep) {
		f.list(key, len(*list), func(index int, item visitor) {
			step := entryOf(list, index)
			item.required("at", "replicas")
			item.duration("at", &step.At, 0, year)
			item.whole("replicas", &step.Replicas, 0, 10_000)
		})
	}
	steps("capacity", &pool.Capacity)
	f.text("trace", &pool.Trace, isPath)
	if f.sound("trace", "capacity") && pool.Trace != "" && len(pool.Capacity) > 0 {
		f.problem("trace", "both trace and capacity are given; allowed: one of them")
	}
	steps("losses", &pool.Losses)
	if f.optional("lossesPerHour", pool.LossesPerHour != 0) {
		f.decimal("lossesPerHour", &pool.LossesPerHour, 1000)
	}
	if f.optional("startTime", pool.StartTime != nil) {
		pool.StartTime = &ScenarioRange{}
		f.object("startTime", func(f visitor) {
			f.required("least", "most")
			f.duration("least", &pool.StartTime.Least, 0, 24*time.Hour)
			f.duration("most", &pool.StartTime.Most, 0, 24*time.Hour)
			if f.sound("least", "most") && pool.StartTime.Least > pool.StartTime.Most {
				f.problem("least", "%s is above most", pool.StartTime.Least)
			}
		})
	}
}

// JobName is what the job with an index is called.
func (j ScenarioJob) JobName(index int) string {
	name := j.Name
	if name == "" {
		name = j.Queue
	}
	if j.Count > 1 {
		return fmt.Sprintf("%s-%d", name, index+1)
	}
	return name
}
