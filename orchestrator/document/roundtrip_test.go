package document

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/schedules"
)

// TestRoundTrip draws sets that are valid, with texts of any characters where any are allowed: what is written reads as the same set.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		set := Set{}
		for _, name := range drawNames(t, "models") {
			set.Models = append(set.Models, Model{Metadata: Metadata{Name: name}, Spec: drawModel(t)})
		}
		currency := rapid.SampledFrom([]string{"EUR", "USD"}).Draw(t, "currency")
		for _, name := range drawNames(t, "pools") {
			set.Pools = append(set.Pools, Pool{Metadata: Metadata{Name: name}, Spec: drawPool(t, currency)})
		}
		for _, name := range drawNames(t, "queues") {
			set.Queues = append(set.Queues, Queue{Metadata: Metadata{Name: name}, Spec: drawQueue(t, set, currency)})
		}
		for _, name := range drawNames(t, "schedules") {
			set.Schedules = append(set.Schedules, Schedule{Metadata: Metadata{Name: name}, Spec: drawSchedule(t, set, currency)})
		}
		checkRoundTrip(t, set)
	})
}

// drawNames draws a few sorted names.
func drawNames(t *rapid.T, label string) []string {
	all := []string{"0", "a", "b-1", "c", "null", "true"}
	from := rapid.IntRange(0, len(all)-1).Draw(t, label+" from")
	return all[from:rapid.IntRange(from+1, len(all)).Draw(t, label+" to")]
}

// drawTexts draws a map that is nil when it is empty, as the decoder has it.
func drawTexts(t *rapid.T, label string, keys, values *rapid.Generator[string]) map[string]string {
	drawn := rapid.MapOfN(keys, values, 0, 3).Draw(t, label)
	if len(drawn) == 0 {
		return nil
	}
	return drawn
}

// anyText is text that an environment can hold.
func anyText() *rapid.Generator[string] {
	return rapid.String().Filter(func(text string) bool { return isArgument(text) == "" })
}

func drawPath(t *rapid.T, label string) string {
	return rapid.String().Filter(func(text string) bool { return isPath(text) == "" }).Draw(t, label)
}

func drawModel(t *rapid.T) ModelSpec {
	spec := defaultModel()
	spec.Scorer.Path = drawPath(t, "path")
	if rapid.Bool().Draw(t, "python") {
		spec.Scorer.Python = "fraud.serving:Model"
		spec.Scorer.Interpreter = drawPath(t, "interpreter")
	} else {
		spec.Scorer.Command = rapid.SliceOfN(anyText(), 1, 3).Draw(t, "command")
	}
	spec.Scorer.Env = drawTexts(t, "env", rapid.SampledFrom([]string{"A", "_b", "null", "y"}), anyText())
	if parameters := drawParameters(2).Draw(t, "parameters").(map[string]any); len(parameters) > 0 {
		spec.Scorer.Parameters = parameters
	}
	columns := rapid.String().Filter(func(text string) bool { return isColumn(text) == "" })
	spec.Columns = drawTexts(t, "columns", columns, rapid.SampledFrom(columnTypes))
	spec.BatchRows = rapid.IntRange(1, megaCount).Draw(t, "batchRows")
	spec.ReadyTimeout = drawDuration(t, "readyTimeout", time.Second, 24*time.Hour)
	spec.MemoryLimit = rapid.Int64Range(0, exbibyte).Draw(t, "memoryLimit")
	if rapid.Bool().Draw(t, "measured") {
		spec.Profile = &Profile{
			Load:     drawDuration(t, "load", 0, 24*time.Hour),
			Memory:   rapid.Int64Range(0, exbibyte).Draw(t, "memory"),
			Batches:  []BatchSpeed{{1, rapid.Float64Range(1e-300, 1e12).Draw(t, "speed")}, {2, 7}},
			Measured: time.Date(2026, 1, rapid.IntRange(1, 365).Draw(t, "day"), 0, 0, 0, 0, time.UTC),
		}
	}
	return spec
}

// drawParameters draws values as JSON has them, mappings at the top.
func drawParameters(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		mapping := map[string]any{}
		for _, key := range rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "keys") {
			mapping[key] = drawParameter(depth).Draw(t, "value")
		}
		return mapping
	})
}

func drawParameter(depth int) *rapid.Generator[any] {
	kinds := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(), rapid.Int64Range(-exact, exact).AsAny(),
		rapid.Float64().AsAny(), rapid.SampledFrom([]any{0.0, 1.0, -1e6, 1e21, "1", "null", "<<", "2026-11-20", "0x1", "~"}),
	}
	if depth > 0 {
		list := rapid.Custom(func(t *rapid.T) any {
			return append([]any{}, rapid.SliceOfN(drawParameter(depth-1), 0, 3).Draw(t, "list")...)
		})
		kinds = append(kinds, list, drawParameters(depth-1))
	}
	return rapid.OneOf(kinds...)
}

func drawDuration(t *rapid.T, label string, least, most time.Duration) time.Duration {
	return time.Duration(rapid.Int64Range(int64(least), int64(most)).Draw(t, label))
}

func drawPool(t *rapid.T, currency string) PoolSpec {
	spec := defaultPool()
	spec.Replicas.Min = rapid.IntRange(0, 5).Draw(t, "min")
	spec.Replicas.Max = rapid.IntRange(spec.Replicas.Min, 10).Draw(t, "max")
	spec.StartTime = drawDuration(t, "startTime", 0, time.Minute)
	if rapid.Bool().Draw(t, "priced") {
		spec.Price = orchestrator.Money{Micros: rapid.Int64Range(0, 1e15).Draw(t, "price"), Currency: currency}
	}
	if spec.Price.Currency != "" && rapid.Bool().Draw(t, "windows") {
		from := rapid.IntRange(0, 24*60-2).Draw(t, "from")
		one := PriceWindow{From: orchestrator.TimeOfDay(from), To: orchestrator.TimeOfDay(from + 1), TimeZone: "Europe/Berlin", Micros: rapid.Int64Range(0, 1e15).Draw(t, "amount")}
		spec.PriceWindows = []PriceWindow{one}
	}
	if rapid.Bool().Draw(t, "spot") {
		spec.CapacityType = orchestrator.CapacitySpot
		spec.Interruptions = drawInterruptions(t)
	}
	if spec.Interruptions == nil && rapid.Bool().Draw(t, "argo") {
		name := rapid.StringMatching(`[a-z0-9]([a-z0-9.]{0,3}[a-z0-9]-?[a-z0-9])?`).Filter(func(text string) bool { return isObject(text) == "" })
		spec.Engine = EngineArgo
		spec.Argo = &Runners{
			Context: rapid.SampledFrom([]string{"", "blue"}).Draw(t, "argo context"), Namespace: "scoring", Template: name.Draw(t, "template"),
			Semaphore: Semaphore{ConfigMap: name.Draw(t, "configMap"), Key: name.Draw(t, "key") + rapid.StringMatching(`_[0-9]{18}`).Draw(t, "own")},
			MaxLife:   drawDuration(t, "maxLife", time.Minute, year), CreationsPerMinute: rapid.IntRange(1, mostCreations).Draw(t, "creations"),
		}
	} else if spec.Interruptions == nil && rapid.Bool().Draw(t, "ray") {
		label := rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`)
		spec.Engine = EngineRay
		spec.Ray = &WorkerGroup{
			Context: rapid.SampledFrom([]string{"", "blue"}).Draw(t, "context"), Namespace: label.Draw(t, "namespace"), Cluster: label.Draw(t, "cluster"), Group: label.Draw(t, "group"),
			Actor:      Actor{CPUs: rapid.Float64Range(1e-9, 10_000).Draw(t, "cpus"), GPUs: rapid.SampledFrom([]float64{0, 0.25, 8}).Draw(t, "gpus"), Memory: rapid.Int64Range(0, 1<<40).Draw(t, "memory")},
			GrantLimit: drawDuration(t, "grantLimit", time.Second, time.Hour), RetryAfter: drawDuration(t, "retryAfter", time.Second, 24*time.Hour),
			Dashboard: rapid.SampledFrom([]string{"", "http://h:8265"}).Draw(t, "dashboard"), NATSContext: rapid.SampledFrom([]string{"", "/etc/c.json"}).Draw(t, "context file"),
			Autoscaler: rapid.SampledFrom([]Autoscaler{AutoscalerRefuse, AutoscalerBounds}).Draw(t, "autoscaler"),
		}
		if rapid.Bool().Draw(t, "protected") {
			spec.Ray.DoNotDisrupt = drawDuration(t, "doNotDisrupt", 5*time.Minute, 24*time.Hour)
		}
		if spec.Ray.NATSContext == "" && rapid.Bool().Draw(t, "address") {
			spec.Ray.NATS = "nats://n:4222"
		}
		if rapid.Bool().Draw(t, "custom") {
			spec.Ray.Actor.Resources = []Resource{{label.Draw(t, "resource"), rapid.Float64Range(1e-9, 10_000).Draw(t, "amount")}}
		}
	}
	return spec
}

func drawInterruptions(t *rapid.T) *Interruptions {
	drawn := &Interruptions{Speed: rapid.Float64Range(1e-9, mostSpeed).Draw(t, "scale"), Begin: drawDuration(t, "begin", 0, year)}
	switch rapid.IntRange(0, 2).Draw(t, "interrupted by") {
	case 0:
		return nil
	case 1:
		drawn.Trace = drawPath(t, "trace")
	default:
		drawn.Synthetic = &Synthetic{
			Seed: rapid.IntRange(0, mostSeed).Draw(t, "seed"), MeanUp: drawDuration(t, "meanUp", time.Minute, year), MeanDown: drawDuration(t, "meanDown", time.Minute, year),
		}
	}
	return drawn
}

func drawQueue(t *rapid.T, set Set, currency string) QueueSpec {
	spec := defaultQueue()
	spec.Model = rapid.SampledFrom(set.Models).Draw(t, "model").Name
	for _, pool := range set.Pools {
		spec.Pools = append(spec.Pools, pool.Name)
	}
	locations := rapid.OneOf(rapid.SampledFrom([]string{"s3://b/x?region=r", "."}), rapid.String()).
		Filter(func(text string) bool { return isLocation(text) == "" })
	spec.Input.Roots = rapid.SliceOfNDistinct(locations, 1, 3, func(text string) string { return text }).Draw(t, "roots")
	spec.Output.Root = locations.Draw(t, "output")
	if rapid.Bool().Draw(t, "confirmed") {
		spec.Limits.ConfirmAbove = &orchestrator.Money{Micros: rapid.Int64Range(0, 1e15).Draw(t, "confirmAbove"), Currency: currency}
	}
	onlySpot := !slices.ContainsFunc(set.Pools, func(p Pool) bool { return p.Spec.CapacityType != orchestrator.CapacitySpot })
	if onlySpot && rapid.Bool().Draw(t, "cheapest") {
		spec.Objective.Cheapest = true
	} else if rapid.Bool().Draw(t, "by the clock") {
		minute := func(label string) orchestrator.TimeOfDay {
			return orchestrator.TimeOfDay(rapid.IntRange(0, 24*60-1).Draw(t, label))
		}
		spec.Objective.FinishBy, spec.Objective.ArrivedBy, spec.Objective.TimeZone = minute("finishBy"), minute("arrivedBy"), "UTC"
	} else if rapid.Bool().Draw(t, "objective") {
		spec.Objective.FinishWithin = drawDuration(t, "finishWithin", time.Second, time.Hour)
		spec.ExpireAfter = spec.Objective.FinishWithin + drawDuration(t, "more", 0, time.Hour)
	}
	if rapid.Bool().Draw(t, "steps") {
		spec.Steps = orchestrator.StepsPlace{Context: rapid.SampledFrom([]string{"", "blue"}).Draw(t, "context"), Namespace: "scoring", Templates: []string{"nightly", "null"}}
	}
	spec.Calendar.TimeZone = rapid.SampledFrom([]string{"", "Europe/Berlin"}).Draw(t, "calendar")
	for range rapid.IntRange(0, 2).Draw(t, "holidays") {
		spec.Calendar.Holidays = append(spec.Calendar.Holidays, time.Date(2026, 1, rapid.IntRange(1, 365).Draw(t, "holiday"), 0, 0, 0, 0, time.UTC))
	}
	return spec
}

func drawSchedule(t *rapid.T, set Set, currency string) ScheduleSpec {
	spec := defaultSchedule()
	spec.Queue = rapid.SampledFrom(set.Queues).Draw(t, "queue").Name
	spec.Cron = rapid.SampledFrom([]string{"@daily", "*/5 8-18 * * mon-fri", "30 2 29 2 *"}).Draw(t, "cron")
	spec.TimeZone = rapid.SampledFrom([]string{"UTC", "Europe/Berlin"}).Draw(t, "timeZone")
	spec.Overlap = rapid.SampledFrom([]schedules.Overlap{schedules.Forbid, schedules.Replace, schedules.Allow}).Draw(t, "overlap")
	spec.Missed = rapid.SampledFrom([]schedules.Missed{schedules.MissedSkip, schedules.MissedLatest, schedules.MissedAll}).Draw(t, "missed")
	spec.MissedWithin = drawDuration(t, "missedWithin", time.Minute, year)
	spec.Suspend = rapid.Bool().Draw(t, "suspend")
	for range rapid.IntRange(0, 2).Draw(t, "exceptions") {
		spec.Except = append(spec.Except, time.Date(2026, 1, rapid.IntRange(1, 365).Draw(t, "day"), 0, 0, 0, 0, time.UTC))
	}
	switch rapid.IntRange(0, 2).Draw(t, "objective") {
	case 1:
		by := orchestrator.TimeOfDay(rapid.IntRange(0, 24*60-1).Draw(t, "finishBy"))
		spec.Objective.FinishBy = &by
	case 2:
		spec.Objective.FinishWithin = drawDuration(t, "finishWithin", time.Second, year)
	}
	if rapid.Bool().Draw(t, "expected") {
		spec.Expect = &Expect{Rows: rapid.IntRange(1, 1_000_000_000_000).Draw(t, "rows"), Spread: rapid.Float64Range(1e-300, 10).Draw(t, "spread")}
	}
	if rapid.Bool().Draw(t, "capped") {
		spec.Cap = &Cap{MaxWorkers: rapid.IntRange(0, 10).Draw(t, "maxWorkers"), For: drawDuration(t, "for", time.Minute, 24*time.Hour)}
	}
	if rapid.Bool().Draw(t, "submitted") {
		spec.Submit = &Submission{
			Name: rapid.SampledFrom([]string{"", "a", `{{ .Occurrence.Format "2006" }}`}).Draw(t, "name"), Input: []string{`s3://b/{{ .Occurrence.Format "2006-01-02" }}/`, "a"},
			Key: rapid.SampledFrom([]string{"", "id"}).Draw(t, "key"), Format: rapid.SampledFrom([]orchestrator.Format{"", orchestrator.FormatCSV}).Draw(t, "format"),
		}
		if rapid.Bool().Draw(t, "bounded") {
			spec.Submit.MaxCost = &orchestrator.Money{Micros: rapid.Int64Range(0, 1e15).Draw(t, "maxCost"), Currency: currency}
		}
		if parameters := drawParameters(1).Draw(t, "parameters").(map[string]any); len(parameters) > 0 {
			spec.Submit.Parameters = parameters
		}
		if queue, _ := set.Queue(spec.Queue); queue.Spec.Steps.Namespace != "" && rapid.Bool().Draw(t, "steps") {
			spec.Submit.Steps = &orchestrator.Steps{Template: queue.Spec.Steps.Templates[0], Parameters: drawTexts(t, "step", rapid.SampledFrom([]string{"day", "null"}), rapid.SampledFrom([]string{"1", "{{ .Occurrence.Format \"2006\" }}"}))}
		}
	}
	return spec
}

// TestProblemsAreComplete puts any text in the place of each field of a valid document: it is either allowed there, or a problem names
// that field and its line.
func TestProblemsAreComplete(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		words := append([]string{"", "-1", "0", "1.5", "x", "[]", "{}", "[[]]", "{a: b}", "null", "true", "9999999999999", "1e400", "!!binary x"}, columnTypes...)
		field := rapid.SampledFrom([]string{"batchRows", "readyTimeout", "memoryLimit", "maxAttempts", "columns", "artifacts", "profile", "maxRowBytes"}).Draw(t, "field")
		text := "apiVersion: " + APIVersion + "\nkind: Model\nmetadata: {name: a}\nspec:\n  scorer: {python: a:B}\n  " +
			field + ": " + rapid.SampledFrom(words).Draw(t, "value") + "\n"
		_, err := Decode(File{"a.yaml", []byte(text)})
		if err == nil {
			return
		}
		for _, problem := range err.(Problems) {
			if below, found := strings.CutPrefix(problem.Field, "spec."+field); problem.Line != 6 || !found || below != "" && below[0] != '.' && below[0] != '[' {
				t.Fatalf("problem %q for\n%s", problem, text)
			}
		}
	})
}
