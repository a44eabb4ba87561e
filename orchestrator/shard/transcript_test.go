package shard

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"nightshift.dev/nightshift/orchestrator"
)

// TestTranscripts runs the incident reports in testdata. Record them anew with -rewrite, and commit only what you understand.
//
//	input                     the job's objects, one a line: NAME SIZE FORMAT [gzip] [finds=N,N,...]; everything below counts a unit as a row
//	start NAME                a dispatcher comes up: it reads the journal, the commits and the stream
//	demand NAME rows= ahead=  the planner's wish
//	step NAME [silent]        performs the next pending effect; silent: it dies before it learns the result
//	run NAME                  performs effects until none is pending
//	read NAME                 reads new commits
//	crash NAME                the process is gone
//	work [shard=] [bad=] [fails] [keep]  a worker takes a message (the first, or this shard's); keep: the acknowledgement is lost
//	cancel [NAME...]          the job is closed, its messages purged; those named hear of it
//	retry                     the next epoch begins
//	late epoch= shard= bad=   a zombie's commit
//	status NAME               what the machine says
func TestTranscripts(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/machine", func(t *testing.T, path string) {
		w := newWorld(input{})
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			text := w.command(t, d)
			for _, fault := range w.broken {
				t.Errorf("%s: %s", d.Pos, fault)
			}
			w.broken = nil
			if text == "" {
				text = "ok"
			}
			return strings.TrimSuffix(text, "\n") + "\n"
		})
	})
}

func (w *world) command(t *testing.T, d *datadriven.TestData) string {
	name := ""
	if len(d.CmdArgs) > 0 {
		name = d.CmdArgs[0].Key
	}
	switch d.Cmd {
	case "input":
		*w = *newWorld(parseInput(t, d.Input))
		w.submit()
		return ""
	case "start":
		w.start(name)
		return w.show(w.dispatchers[name])
	case "demand":
		var rows, ahead int
		d.ScanArgs(t, "rows", &rows)
		d.ScanArgs(t, "ahead", &ahead)
		w.demand(w.dispatchers[name], int64(rows), ahead)
		return w.show(w.dispatchers[name])
	case "step":
		text := "did " + describe(w.perform(w.dispatchers[name], !d.HasArg("silent"))) + "\n"
		if d.HasArg("silent") {
			return text
		}
		return text + w.show(w.dispatchers[name])
	case "run":
		return w.runShown(w.dispatchers[name])
	case "read":
		w.read(w.dispatchers[name])
		return w.show(w.dispatchers[name])
	case "crash":
		delete(w.dispatchers, name)
		return ""
	case "work":
		return w.workCommand(t, d)
	case "cancel":
		w.close(names(d)...)
		return fmt.Sprintf("epoch %d is closed at commit sequence %d", w.epoch, w.closed[w.epoch])
	case "retry":
		w.retry()
		return fmt.Sprintf("epoch %d", w.epoch)
	case "late":
		var epoch, number, bad int
		d.ScanArgs(t, "epoch", &epoch)
		d.ScanArgs(t, "shard", &number)
		d.MaybeScanArgs(t, "bad", &bad)
		cut := w.cuts(len(w.journal))[number]
		one := orchestrator.Shard{Epoch: epoch, Number: number, Kind: cut.Kind, Range: cut.Range}
		return w.stored(w.commit(w.score(one, "zombie", int64(bad))))
	case "status":
		return w.status(w.dispatchers[name])
	}
	t.Fatalf("%s: no such command %q", d.Pos, d.Cmd)
	return ""
}

func parseInput(t *testing.T, text string) input {
	in := input{found: map[int][]int64{}}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		size, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		end := size
		for _, field := range fields[3:] {
			if list, is := strings.CutPrefix(field, "finds="); is {
				var found []int64
				for _, one := range strings.Split(list, ",") {
					offset, err := strconv.ParseInt(one, 10, 64)
					if err != nil {
						t.Fatal(err)
					}
					found = append(found, offset)
				}
				in.found[len(in.objects)] = found
				if fields[2] == "parquet" {
					end = found[len(found)-1]
				}
			}
		}
		o := orchestrator.Object{URI: "file:///in/" + fields[0], Size: size, Format: orchestrator.Format(fields[2])}
		if strings.HasSuffix(line, " gzip\n") || strings.HasSuffix(line, " gzip") {
			o.Compression = orchestrator.CompressionGzip
		}
		in.objects, in.ends = append(in.objects, o), append(in.ends, end)
	}
	return in
}

func (w *world) workCommand(t *testing.T, d *datadriven.TestData) string {
	at, number, bad := 0, -1, 0
	d.MaybeScanArgs(t, "shard", &number)
	d.MaybeScanArgs(t, "bad", &bad)
	for number >= 0 && at < len(w.stream) && w.stream[at].shard.Number != number {
		at++
	}
	if at >= len(w.stream) {
		return "no such message"
	}
	one := w.stream[at].shard
	text := fmt.Sprintf("%s %s: ", one.ID(), one.Kind)
	if one.Base != nil {
		text += fmt.Sprintf("only the %d failed rows of %s: ", one.Base.Failed, one.Base.Attempt)
	}
	text += w.stored(w.work(at, fmt.Sprintf("attempt-%d", len(w.commits)), int64(bad), d.HasArg("fails")))
	if !d.HasArg("keep") {
		w.ack(at)
	}
	return text
}

func (w *world) stored(won bool) string {
	if !won {
		return "refused, another commit is there"
	}
	last := w.commits[len(w.commits)-1]
	return fmt.Sprintf("commit %d %s ok=%d failed=%d", last.Seq, last.Commit.Outcome, last.Commit.RowsOK, last.Commit.Failed)
}

func (w *world) runShown(d *dispatcher) string {
	var text strings.Builder
	for len(d.pending) > 0 {
		text.WriteString("did " + describe(w.perform(d, true)) + "\n")
	}
	return text.String()
}

// show lists what is pending and has not been shown.
func (w *world) show(d *dispatcher) string {
	var text strings.Builder
	for _, effect := range d.pending[d.shown:] {
		text.WriteString("due " + describe(effect) + "\n")
	}
	d.shown = len(d.pending)
	return text.String()
}

func names(d *datadriven.TestData) []string {
	var list []string
	for _, argument := range d.CmdArgs {
		list = append(list, argument.Key)
	}
	return list
}

func describe(effect Effect) string {
	switch effect := effect.(type) {
	case AppendJournal:
		text := fmt.Sprintf("append after %d:", effect.Expected)
		for _, cut := range cutsText(effect.Entry.Cuts) {
			text += " {" + cut + "}"
		}
		if effect.Entry.CutsDone {
			text += " end"
		}
		return text
	case ReadJournal:
		return fmt.Sprintf("read the journal after %d", effect.From)
	case Publish:
		text := "publish"
		for _, one := range effect.Shards {
			text += " " + one.ID()
			if one.Base != nil {
				text += fmt.Sprintf(" (base %s)", one.Base.Attempt)
			}
		}
		return text
	case Progress:
		c := effect.Counts
		return fmt.Sprintf("progress: %d of %s rows, %d failed; %d of %s shards, %d failed",
			c.RowsDone, about(c.RowsTotal, c.RowsExact), c.RowsFailed, c.ShardsDone, about(int64(c.ShardsTotal), c.CutAll), c.ShardsFailed)
	case Fail:
		return fmt.Sprintf("fail: %s: %s", effect.Failure.Code, effect.Failure.Message)
	}
	return "all settled"
}

func about(number int64, exact bool) string {
	if exact {
		return fmt.Sprint(number)
	}
	return fmt.Sprintf("about %d", number)
}

func (w *world) status(d *dispatcher) string {
	w.checkMachine(d)
	m := d.machine
	text := fmt.Sprintf("epoch %d, journal %d, %d unsettled, %d rows left, %d rows uncut\n", d.epoch, m.Journal(), m.Unsettled(), m.RowsLeft(), m.RowsUncut())
	for number := range m.Len() {
		cut := m.Cut(number)
		text += fmt.Sprintf("%d %s %d[%d,%d)", number, cut.Kind, cut.Range.Object, cut.Range.Start, cut.Range.End)
		if cut.Kind == orchestrator.ShardScore && m.CommitSeq(number) > 0 {
			text += fmt.Sprintf(" commit %d", m.CommitSeq(number))
		}
		if m.Settled(number) {
			text += " settled"
		}
		text += "\n"
	}
	return text
}
