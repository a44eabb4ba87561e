package document

import (
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document/notation"
)

// visitor reads or writes one mapping of a document. The functions below name each field once, with its bounds; reader and writer
// do the rest.
type visitor interface {
	// required reports each key that is absent.
	required(keys ...string)
	// optional says whether the field exists: in the text when reading, by set when writing.
	optional(key string, set bool) bool

	text(key string, value *string, check check)
	choice(key string, value *string, allowed []string)
	texts(key string, value *[]string, check check)
	textMap(key string, value *map[string]string, keyCheck, check check)
	parameters(key string, value *map[string]any)
	whole(key string, value *int, least, most int)
	decimal(key string, value *float64, most float64)
	flag(key string, value *bool)
	duration(key string, value *time.Duration, least, most time.Duration)
	quantity(key string, value *int64, least, most int64)
	date(key string, value *time.Time)
	dates(key string, value *[]time.Time)
	amount(key string, micros *int64)

	object(key string, fields func(visitor))
	// list visits the mappings of a list. When reading, length is not looked at, and index counts the mappings read so far.
	list(key string, length int, item func(index int, item visitor))

	// sound says, when reading, that no problem was found in these fields, so that a relation between them can be looked at; problem
	// reports one that does not hold. An empty key is the mapping itself.
	sound(keys ...string) bool
	problem(key, format string, values ...any)
}

const (
	year      = 365 * 24 * time.Hour
	kibibyte  = int64(1) << 10
	mebibyte  = int64(1) << 20
	exbibyte  = int64(1) << 60
	megaCount = 1_000_000
)

func metadataFields(f visitor, metadata *Metadata) {
	f.required("name")
	f.text("name", &metadata.Name, isName)
}

func defaultModel() ModelSpec {
	return ModelSpec{
		Scorer:          Scorer{Path: "."},
		BatchRows:       4096,
		ReadyTimeout:    10 * time.Minute,
		BatchTimeout:    5 * time.Minute,
		MaxRowBytes:     mebibyte,
		MaxAttempts:     3,
		MaxLostMachines: 10,
	}
}

func modelFields(f visitor, spec *ModelSpec) {
	f.required("scorer")
	f.object("scorer", func(f visitor) { scorerFields(f, &spec.Scorer) })
	f.textMap("columns", &spec.Columns, isColumn, isColumnType)
	f.texts("artifacts", &spec.Artifacts, isPath)
	eachOnce(f, "artifacts", spec.Artifacts)
	f.whole("batchRows", &spec.BatchRows, 1, megaCount)
	f.duration("readyTimeout", &spec.ReadyTimeout, time.Second, 24*time.Hour)
	f.duration("batchTimeout", &spec.BatchTimeout, time.Second, 24*time.Hour)
	f.quantity("memoryLimit", &spec.MemoryLimit, 0, exbibyte)
	f.quantity("maxRowBytes", &spec.MaxRowBytes, kibibyte, 1024*mebibyte)
	f.whole("maxAttempts", &spec.MaxAttempts, 1, 1000)
	f.whole("maxLostMachines", &spec.MaxLostMachines, 1, 1000)
	if f.optional("profile", spec.Profile != nil) {
		if spec.Profile == nil {
			spec.Profile = &Profile{}
		}
		f.object("profile", func(f visitor) { profileFields(f, spec.Profile) })
	}
}

func scorerFields(f visitor, scorer *Scorer) {
	f.text("python", &scorer.Python, isPythonClass)
	f.texts("command", &scorer.Command, isArgument)
	f.text("path", &scorer.Path, isPath)
	f.text("interpreter", &scorer.Interpreter, isPath)
	f.textMap("env", &scorer.Env, isVariable, isArgument)
	f.parameters("parameters", &scorer.Parameters)
	python, command := scorer.Python != "", len(scorer.Command) > 0
	if python && scorer.Interpreter == "" {
		scorer.Interpreter = "python3"
	}
	switch {
	case !f.sound("python", "command"):
	case python && command:
		f.problem("python", "both python and command are given; allowed: exactly one of them")
	case !python && !command:
		f.problem("", "neither python nor command is given; allowed: exactly one of them")
	case command && scorer.Interpreter != "":
		f.problem("interpreter", "%q has no effect on a command; allowed: together with python", scorer.Interpreter)
	}
}

func profileFields(f visitor, profile *Profile) {
	f.required("load", "batches")
	f.duration("load", &profile.Load, 0, 24*time.Hour)
	f.quantity("memory", &profile.Memory, 0, exbibyte)
	f.list("batches", len(profile.Batches), func(index int, item visitor) {
		if index == len(profile.Batches) {
			profile.Batches = append(profile.Batches, BatchSpeed{})
		}
		batch := &profile.Batches[index]
		item.required("rows", "rowsPerSecond")
		item.whole("rows", &batch.Rows, 1, megaCount)
		item.decimal("rowsPerSecond", &batch.RowsPerSecond, 1e12)
		for _, earlier := range profile.Batches[:index] {
			if item.sound("rows") && earlier.Rows == batch.Rows {
				item.problem("rows", "%d is measured twice; allowed: each number of rows once", batch.Rows)
			}
		}
	})
	if f.optional("measured", !profile.Measured.IsZero()) {
		f.date("measured", &profile.Measured)
	}
}

func defaultPool() PoolSpec {
	return PoolSpec{
		Engine:          EngineLocal,
		Mode:            ModeManage,
		CapacityType:    orchestrator.CapacityOnDemand,
		SlotsPerReplica: 1,
		Notice:          15 * time.Second, // of the providers the one that gives least, GKE
		ScaleDownDelay:  30 * time.Second,
		StartTime:       -1, // as the engine has it
	}
}

// usualStart is believed of a replica's start until starts are measured: a process, or a node and an image.
var usualStart = map[Engine]time.Duration{EngineLocal: time.Second, EngineRay: 3 * time.Minute, EngineArgo: 3 * time.Minute}

func poolFields(f visitor, spec *PoolSpec) {
	f.required("replicas")
	choiceOf(f, "engine", &spec.Engine, EngineLocal, EngineRay, EngineArgo)
	localFields(f, spec)
	rayFields(f, spec)
	argoFields(f, spec)
	poolMode(f, spec)
	choiceOf(f, "capacityType", &spec.CapacityType, orchestrator.CapacitySpot, orchestrator.CapacityOnDemand)
	if f.optional("price", spec.Price.Currency != "") {
		moneyFields(f, "price", &spec.Price)
	}
	priceWindows(f, spec)
	f.object("replicas", func(f visitor) {
		f.required("max")
		f.whole("min", &spec.Replicas.Min, 0, 10_000)
		f.whole("max", &spec.Replicas.Max, 0, 10_000)
		if f.sound("min", "max") && spec.Replicas.Min > spec.Replicas.Max {
			f.problem("min", "%d is above max; allowed: at most %d", spec.Replicas.Min, spec.Replicas.Max)
		}
	})
	f.whole("slotsPerReplica", &spec.SlotsPerReplica, 1, 1000)
	if f.sound("slotsPerReplica", "engine") && spec.Engine == EngineArgo && spec.SlotsPerReplica > 1 {
		f.problem("slotsPerReplica", "%d with engine: argo, where a runner has one worker; allowed: 1", spec.SlotsPerReplica)
	}
	f.quantity("memoryPerReplica", &spec.MemoryPerReplica, 0, exbibyte)
	f.duration("notice", &spec.Notice, 0, time.Hour)
	f.duration("scaleDownDelay", &spec.ScaleDownDelay, 0, 24*time.Hour)
	if spec.StartTime < 0 {
		spec.StartTime = usualStart[spec.Engine]
	}
	f.duration("startTime", &spec.StartTime, 0, 24*time.Hour)
	poolInterruptions(f, spec)
}

func defaultQueue() QueueSpec {
	return QueueSpec{
		Source: SourceJobs, Mode: ModeManage, Delivery: DeliveryShards,
		Tenant: "default",
		Input:  Input{MaxObjects: 10_000, MaxUpload: 256 * mebibyte},
		Output: Output{Format: orchestrator.FormatJSONL},
		Drain:  Drain{RollEvery: time.Hour, RollRows: 1_000_000, Order: OrderNone},
		Limits: Limits{MaxOpenJobs: 8, MaxQueuedJobs: 10_000, FinishedJobs: 1000, KeepFinished: 720 * time.Hour, KeepKeys: 90 * 24 * time.Hour},
	}
}

func queueFields(f visitor, spec *QueueSpec) {
	choiceOf(f, "source", &spec.Source, SourceJobs, SourceNATS, SourceKafka)
	queueMode(f, spec)
	deliveryFields(f, spec)
	required := []string{"model", "pools"}
	if spec.Delivery != DeliveryExternal {
		required = append(required, "output")
	}
	if spec.Source == SourceJobs {
		required = append(required, "input")
	}
	f.required(required...)
	natsFields(f, spec)
	kafkaFields(f, spec)
	if spec.Delivery != DeliveryExternal {
		drainFields(f, spec)
	}
	f.text("model", &spec.Model, isAnything)
	f.texts("pools", &spec.Pools, isAnything)
	eachOnce(f, "pools", spec.Pools)
	f.text("tenant", &spec.Tenant, isName)
	switch {
	case spec.Source == SourceJobs:
		f.object("input", func(f visitor) { inputFields(f, &spec.Input) })
	case f.optional("input", false):
		f.problem("input", "given beside source: %s, whose rows are its messages; allowed: with source: jobs", spec.Source)
	}
	outputFields(f, spec, func(f visitor) {
		f.required("root")
		f.text("root", &spec.Output.Root, isLocation)
		choiceOf(f, "format", &spec.Output.Format, orchestrator.FormatJSONL, orchestrator.FormatParquet)
	})
	f.object("limits", func(f visitor) { limitsFields(f, &spec.Limits) })
	f.object("objective", func(f visitor) {
		if f.optional("finishWithin", spec.Objective.FinishWithin != 0) {
			f.duration("finishWithin", &spec.Objective.FinishWithin, time.Second, year)
		}
		dailyFields(f, &spec.Objective)
		if f.optional("cheapest", spec.Objective.Cheapest) {
			f.flag("cheapest", &spec.Objective.Cheapest)
			if f.sound("cheapest", "finishWithin") && spec.Objective.Cheapest && spec.Objective.FinishWithin > 0 {
				f.problem("cheapest", "true beside finishWithin; allowed: one of them")
			}
			if f.sound("cheapest", "finishBy") && spec.Objective.Cheapest && spec.Objective.TimeZone != "" {
				f.problem("cheapest", "true beside finishBy; allowed: one of them")
			}
		}
	})
	calendarFields(f, &spec.Calendar)
	stepsFields(f, spec)
	if f.optional("expireAfter", spec.ExpireAfter != 0) {
		f.duration("expireAfter", &spec.ExpireAfter, time.Second, 10*year)
		if within := spec.Objective.FinishWithin; f.sound("expireAfter") && spec.ExpireAfter < within {
			f.problem("expireAfter", "%s is shorter than objective.finishWithin; allowed: %s or more",
				notation.FormatDuration(spec.ExpireAfter), notation.FormatDuration(within))
		}
	}
}

func inputFields(f visitor, input *Input) {
	f.required("roots")
	f.texts("roots", &input.Roots, isLocation)
	eachOnce(f, "roots", input.Roots)
	f.whole("maxObjects", &input.MaxObjects, 1, megaCount)
	f.text("inbox", &input.Inbox, isLocation)
	f.quantity("maxUpload", &input.MaxUpload, kibibyte, exbibyte)
}

func limitsFields(f visitor, limits *Limits) {
	f.whole("maxOpenJobs", &limits.MaxOpenJobs, 1, 900)
	f.whole("maxQueuedJobs", &limits.MaxQueuedJobs, 1, 100_000)
	f.whole("maxWorkers", &limits.MaxWorkers, 0, megaCount)
	if f.optional("confirmAbove", limits.ConfirmAbove != nil) {
		if limits.ConfirmAbove == nil {
			limits.ConfirmAbove = &orchestrator.Money{}
		}
		moneyFields(f, "confirmAbove", limits.ConfirmAbove)
	}
	f.whole("finishedJobs", &limits.FinishedJobs, 0, 100_000)
	f.duration("keepFinished", &limits.KeepFinished, 0, 10*year)
	f.duration("keepKeys", &limits.KeepKeys, 0, 10*year)
}

func moneyFields(f visitor, key string, money *orchestrator.Money) {
	f.object(key, func(f visitor) {
		f.required("amount", "currency")
		f.amount("amount", &money.Micros)
		f.text("currency", &money.Currency, isCurrency)
	})
}

// choiceOf visits a field that takes one of a few words.
func choiceOf[T ~string](f visitor, key string, value *T, allowed ...T) {
	words := make([]string, len(allowed))
	for i, word := range allowed {
		words[i] = string(word)
	}
	word := string(*value)
	f.choice(key, &word, words)
	*value = T(word)
}

// eachOnce reports the first entry of a list that stands there twice.
func eachOnce(f visitor, key string, values []string) {
	seen := make(map[string]bool, len(values))
	for index, value := range values {
		if seen[value] && f.sound(key) {
			f.problem(indexed(key, index), "%q is named twice; allowed: once", value)
			return
		}
		seen[value] = true
	}
}
