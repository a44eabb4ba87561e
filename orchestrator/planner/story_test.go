package planner

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// fields are the key=value parts of a line.
type fields struct {
	t    *testing.T
	now  time.Time
	list map[string]string
}

func (f fields) has(key string) bool { _, has := f.list[key]; return has }

func (f fields) text(key, missing string) string {
	if value, has := f.list[key]; has {
		return value
	}
	return missing
}

func (f fields) number(key string, missing float64) float64 {
	value, has := f.list[key]
	if !has {
		return missing
	}
	number, err := strconv.ParseFloat(value, 64)
	if err != nil {
		f.t.Fatalf("%s=%s: %v", key, value, err)
	}
	return number
}

// mebibytes is a size in bytes.
func (f fields) mebibytes(key string) int64 { return int64(f.number(key, 0) * mebibyte) }

func (f fields) duration(key string) time.Duration {
	value, has := f.list[key]
	if !has {
		return 0
	}
	length, err := time.ParseDuration(value)
	if err != nil {
		f.t.Fatalf("%s=%s: %v", key, value, err)
	}
	return length
}

// time is relative to the story's time: deadline=1h, submitted=-5m.
func (f fields) time(key string) time.Time {
	if !f.has(key) {
		return time.Time{}
	}
	return f.now.Add(f.duration(key))
}

func model(name string) orchestrator.ModelRef {
	if name == "" {
		return orchestrator.ModelRef{}
	}
	return orchestrator.ModelRef{Name: name, Digest: name + "-1"}
}

// put replaces the thing with the same name, or adds it.
func put[T any](list []T, thing T, same func(T) bool) []T {
	list = slices.Clone(list)
	if at := slices.IndexFunc(list, same); at >= 0 {
		list[at] = thing
		return list
	}
	return append(list, thing)
}

func (s *story) lines(t *testing.T, text string) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		f := fields{t: t, now: s.now, list: map[string]string{}}
		var names []string
		for _, word := range words[1:] {
			if key, value, is := strings.Cut(word, "="); is {
				f.list[key] = value
			} else {
				names = append(names, word)
				f.list[word] = ""
			}
		}
		s.line(words[0], names, f)
	}
}

func (s *story) line(kind string, names []string, f fields) {
	switch name := names[0]; kind {
	case "pool":
		s.addPool(name, f)
	case "queue":
		q := orchestrator.QueuePolicy{
			Name: name, Tenant: f.text("tenant", "acme"), Pools: strings.Split(f.text("pools", ""), ","),
			MaxOpenJobs: int(f.number("open", 1)), MaxWorkers: int(f.number("most", 0)), Weight: int(f.number("weight", 1)), Cheapest: f.has("cheapest"),
			FinishWithin: f.duration("within"), Daily: f.daily(), External: f.has("external"),
		}
		s.policy.Queues = put(s.policy.Queues, q, func(have orchestrator.QueuePolicy) bool { return have.Name == name })
	case "speed":
		one := orchestrator.Speed{Model: name, Pool: names[1], RowsPerSecond: f.number("rows", 0), LoadSeconds: f.number("load", 0), Basis: basisProfile}
		s.observation.Speeds = append(slices.Clone(s.observation.Speeds), one)
	case "learned":
		one := orchestrator.SpeedMemory{
			Model: name, Pool: names[1], RowsPerSecond: f.number("speed", 0), LoadSeconds: f.number("load", 0), Rows: int64(f.number("rows", 0)),
		}
		s.observation.Memory.Speeds = append(slices.Clone(s.observation.Memory.Speeds), one)
	case "job":
		s.addJob(name, f)
	case "backlog":
		s.addBacklog(name, f)
	case "worker":
		one := orchestrator.WorkerView{
			ID: name, Pool: f.text("pool", ""), Slot: int(f.number("slot", 0)), State: orchestrator.WorkerState(f.text("state", "idle")),
			Model: model(f.text("model", "")), Job: f.text("job", ""), Draining: f.has("draining"), LoadFailures: int(f.number("failures", 0)), Asked: f.time("asked"), Since: f.time("since"), Seen: s.now, Grace: f.duration("grace"),
		}
		if one.Job != "" {
			one.State = orchestrator.WorkerBusy
		}
		if f.has("peak") || f.has("ended") {
			one.Memory = []orchestrator.MemoryUse{{Model: one.Model.Name, Peak: f.mebibytes("peak"), Ended: f.mebibytes("ended"), EndedAt: f.time("at")}}
		}
		s.observation.Workers = put(s.observation.Workers, one, func(have orchestrator.WorkerView) bool { return have.ID == name })
	case "memory":
		one := orchestrator.ModelPolicy{Name: name, Memory: f.mebibytes("profile"), MemoryLimit: f.mebibytes("limit")}
		s.policy.Models = put(s.policy.Models, one, func(have orchestrator.ModelPolicy) bool { return have.Name == name })
	case "peak":
		s.addPeak(name, f)
	case "came":
		s.arrived(name, int64(f.number("rows", 0)))
	case "cap":
		one := orchestrator.Cap{
			Tenant: "acme", Queue: f.text("queue", ""), MaxWorkers: int(f.number("most", 0)), From: f.time("from"), Until: f.time("until"), Identity: name,
		}
		s.observation.Caps = put(s.observation.Caps, one, func(have orchestrator.Cap) bool { return have.Identity == name })
	case "interval":
		length, err := time.ParseDuration(name)
		if err != nil {
			f.t.Fatal(err)
		}
		s.policy.Interval = length
	case "gone":
		s.gone(name, names[1])
	default:
		f.t.Fatalf("no such line: %s", kind)
	}
}

// addPeak keeps the times of a peak that is known already.
func (s *story) addPeak(name string, f fields) {
	one := orchestrator.Peak{
		Tenant: "acme", Queue: f.text("queue", ""), Model: model(f.text("model", "")), Identity: name, Forecast: f.has("forecast"), From: f.time("in"),
		Rows: int64(f.number("rows", -1)), RowsHigh: int64(f.number("high", f.number("rows", -1))), Arrived: int64(f.number("arrived", 0)), Finish: f.time("finish"),
	}
	one.Until = one.From.Add(f.duration("over"))
	s.observation.Peaks = put(s.observation.Peaks, one, func(have orchestrator.Peak) bool { return have.Identity == name })
}

// arrived changes how much of a peak has come.
func (s *story) arrived(name string, rows int64) {
	s.observation.Peaks = slices.Clone(s.observation.Peaks)
	for i := range s.observation.Peaks {
		if s.observation.Peaks[i].Identity == name {
			s.observation.Peaks[i].Arrived = rows
		}
	}
}

func (s *story) addPool(name string, f fields) {
	if f.has("max") {
		price, err := orchestrator.ParseMoney(f.text("price", "3.60"), "EUR")
		if err != nil {
			f.t.Fatal(err)
		}
		capacityType := orchestrator.CapacityOnDemand
		if f.has("spot") {
			capacityType = orchestrator.CapacitySpot
		}
		one := orchestrator.PoolPolicy{
			Name: name, CapacityType: capacityType, Price: price, Min: int(f.number("min", 0)), Max: int(f.number("max", 0)),
			SlotsPerReplica: int(f.number("slots", 1)), ScaleDownDelay: f.duration("delay"), StartSeconds: f.duration("start").Seconds(), Notice: f.duration("notice"),
			TimeScale: f.number("faster", 0), MemoryPerReplica: f.mebibytes("memory"), Windows: f.windows(), Observe: f.has("observe"),
		}
		s.policy.Pools = put(s.policy.Pools, one, func(have orchestrator.PoolPolicy) bool { return have.Name == name })
	}
	if f.has("replicas") {
		one := orchestrator.PoolView{
			Name: name, Replicas: int(f.number("replicas", 0)),
			Reading: orchestrator.Reading{At: s.now.Add(-f.duration("age")), Source: "test", Err: strings.ReplaceAll(f.text("err", ""), "_", " ")},
		}
		if f.has("billed") {
			one.Ledger = orchestrator.Ledger{
				Since: midnight, Seconds: f.number("billed", 0), Taken: int(f.number("taken", 0)), Killed: int(f.number("killed", 0)), Refused: int(f.number("refused", 0)),
			}
		}
		if f.has("avail") {
			available := int(f.number("avail", 0))
			one.Available = &available
		}
		if f.has("atmost") {
			most := int(f.number("atmost", 0))
			one.Most = &most
		}
		one.Least = int(f.number("atleast", 0))
		for slot := range strings.SplitSeq(f.text("leaving", ""), ",") {
			if number, err := strconv.Atoi(slot); err == nil {
				one.Leaving = append(one.Leaving, number)
			}
		}
		if f.has("node") {
			one.Phases = []orchestrator.StartPhase{{Phase: "node", Starts: 9, Median: f.number("node", 0), P95: 2 * f.number("node", 0)}, {Phase: "image", Starts: 8, Median: 5, P95: 6}}
		}
		s.observation.Pools = put(s.observation.Pools, one, func(have orchestrator.PoolView) bool { return have.Name == name })
	}
}

func (s *story) addJob(name string, f fields) {
	one := orchestrator.JobView{
		JobKey: orchestrator.JobKey{Tenant: f.text("tenant", "acme"), Queue: f.text("queue", ""), ID: name}, Epoch: int(f.number("epoch", 0)),
		State: orchestrator.JobState(f.text("state", "queued")), Model: model(f.text("model", "")), Submitted: midnight.Add(f.duration("submitted")),
		Deadline: f.time("deadline"), RowsLeft: int64(f.number("left", -1)), RowBytes: f.number("rowbytes", 100), BatchRows: int(f.number("batch", 64)),
		ShardsLeft: int(f.number("shards", 0)), CutAll: f.has("cut"), Prepares: f.has("prepares"), RowsTotal: int64(f.number("total", 0)),
	}
	one.RowsUncut = int64(f.number("uncut", float64(one.RowsLeft)))
	s.observation.Jobs = put(s.observation.Jobs, one, func(have orchestrator.JobView) bool { return have.ID == name })
}

// daily reads by=06:00 arrived=22:00, in UTC.
func (f fields) daily() orchestrator.DailyDeadline {
	if !f.has("by") {
		return orchestrator.DailyDeadline{}
	}
	return orchestrator.DailyDeadline{FinishBy: f.timeOfDay(f.text("by", "")), ArrivedBy: f.timeOfDay(f.text("arrived", "")), Zone: time.UTC}
}

func (f fields) timeOfDay(text string) orchestrator.TimeOfDay {
	of, err := orchestrator.ParseTimeOfDay(text)
	if err != nil {
		f.t.Fatal(err)
	}
	return of
}

// windows reads windows=FROM-TO:PRICE, in UTC.
func (f fields) windows() []orchestrator.PriceWindow {
	if !f.has("windows") {
		return nil
	}
	text := f.text("windows", "")
	price, err := orchestrator.ParseMoney(text[len("00:00-00:00:"):], "EUR")
	if err != nil {
		f.t.Fatal(err)
	}
	return []orchestrator.PriceWindow{{From: f.timeOfDay(text[:5]), To: f.timeOfDay(text[6:11]), Zone: time.UTC, Price: price}}
}

// addBacklog reads waiting=AGE:ROWS,AGE:ROWS, oldest first.
func (s *story) addBacklog(queue string, f fields) {
	one := orchestrator.BacklogView{
		Tenant: f.text("tenant", "acme"), Queue: queue, Model: model(f.text("model", "")), Held: int64(f.number("held", 0)), BatchRows: int(f.number("batch", 0)),
		RecentRate: f.number("rate", 0), DailyRate: f.number("daily", 0), MostWorkers: int(f.number("useful", 0)),
		Reading: orchestrator.Reading{At: s.now.Add(-f.duration("age")), Source: "test", Err: strings.ReplaceAll(f.text("err", ""), "_", " ")},
	}
	for part := range strings.SplitSeq(f.text("waiting", ""), ",") {
		if age, rows, is := strings.Cut(part, ":"); is {
			part := fields{t: f.t, now: s.now, list: map[string]string{"age": age, "rows": rows}}
			one.Waiting = append(one.Waiting, orchestrator.Arrival{At: s.now.Add(-part.duration("age")), Rows: int64(part.number("rows", 0))})
		}
	}
	s.observation.Backlogs = put(s.observation.Backlogs, one, func(have orchestrator.BacklogView) bool { return have.Queue == queue })
}

func (s *story) gone(kind, name string) {
	switch kind {
	case "job":
		s.observation.Jobs = slices.DeleteFunc(slices.Clone(s.observation.Jobs), func(j orchestrator.JobView) bool { return j.ID == name })
	case "worker":
		s.observation.Workers = slices.DeleteFunc(slices.Clone(s.observation.Workers), func(w orchestrator.WorkerView) bool { return w.ID == name })
	case "queue":
		s.policy.Queues = slices.DeleteFunc(slices.Clone(s.policy.Queues), func(q orchestrator.QueuePolicy) bool { return q.Name == name })
	case "pool":
		s.policy.Pools = slices.DeleteFunc(slices.Clone(s.policy.Pools), func(p orchestrator.PoolPolicy) bool { return p.Name == name })
	}
}
