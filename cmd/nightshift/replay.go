package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/document/notation"
	"nightshift.dev/nightshift/orchestrator/record"
	"nightshift.dev/nightshift/orchestrator/replay"
	"nightshift.dev/nightshift/orchestrator/simulate"
	"nightshift.dev/nightshift/orchestrator/state"
)

// replaying is what the flags of replay say.
type replaying struct {
	what     whatIf
	file     string // empty: the service's records
	since    string
	from, to string
	save     string
}

func (p *program) replayCommand() *cobra.Command {
	var r replaying
	var format *printFormat
	command := &cobra.Command{
		Use:   "replay [FILE]",
		Short: "Play a recorded time again: by this version, and under other documents, prices or deadlines",
		Long: `Replay reads what the service recorded of its decisions, by default of the last twelve hours, or a FILE that --save wrote.

It decides again on every recorded observation and says whether this version would have acted otherwise. Then it plays the time in a simulated world, with the jobs,
capacity, losses, start times and speeds that were recorded, under the recorded documents and under changed ones, and shows cost, lateness and changes. How far the
simulation of the recorded documents is from what happened says how far the difference can be trusted; docs/replay.md says what it cannot tell. Reading the records
takes access to JetStream, as nightshift doctor does.

` + whatIfHelp,
		Example: "  nightshift replay --since 12h --what-if price.spot=2x\n  nightshift replay --from 22:00 --to 06:00 --save night.records\n" +
			"  nightshift replay night.records --what-if pool/spot.replicas.max=8 -o json",
		Args: arguments(0, 1, "FILE"),
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) == 1 {
				r.file = args[0]
			}
			comparison, err := p.replay(command.Context(), r)
			if err != nil {
				return err
			}
			if format.machine() {
				return format.print(command.OutOrStdout(), comparison)
			}
			return p.printComparison(p.screen(command.OutOrStdout()), comparison)
		},
	}
	r.what.flags(command)
	flags := command.Flags()
	flags.StringVar(&r.since, "since", "", "begin so long ago, such as 12h or 2d (default: 12h, or the beginning of FILE)")
	flags.StringVar(&r.from, "from", "", "begin at a time, such as 22:00 or 2026-11-20T22:00:00Z")
	flags.StringVar(&r.to, "to", "", "end at a time (default: now)")
	flags.StringVar(&r.save, "save", "", "write the records of that time into a file")
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

const replayedByDefault = 12 * time.Hour

// span reads which time is meant.
func (r replaying) span(now time.Time) (from, to time.Time, err error) {
	to = now
	if r.to != "" {
		at, failed := parsePast(r.to, now)
		to, err = at, named("--to", failed)
	}
	switch {
	case r.since != "" && r.from != "":
		return from, to, errors.Join(err, errors.New("--since and --from both say when to begin; give one of them"))
	case r.from != "":
		at, failed := parsePast(r.from, to)
		from, err = at, errors.Join(err, named("--from", failed))
	case r.since != "":
		ago, failed := notation.ParseDuration(r.since)
		from, err = now.Add(-ago), errors.Join(err, named("--since", failed))
	case r.file == "":
		from = now.Add(-replayedByDefault)
	}
	if err == nil && !from.Before(to) {
		err = fmt.Errorf("the time begins at %s and ends at %s; allowed: a beginning before the end", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return from, to, err
}

func named(flag string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", flag, err)
}

// parsePast reads a time that is over: 22:00 is the last one before now.
func parsePast(text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return at, nil
		}
	}
	at, err := time.Parse("15:04", text)
	if err != nil {
		return at, fmt.Errorf("%q; allowed: a time like 2026-11-20T22:00:00Z, 2026-11-20 22:00 or 22:00 (the last one); times without a zone are local", text)
	}
	last := time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), 0, 0, now.Location())
	if last.After(now) {
		last = last.AddDate(0, 0, -1)
	}
	return last, nil
}

// replay reads the records, saves them if that was asked for, and plays them.
func (p *program) replay(ctx context.Context, r replaying) (comparison replay.Comparison, err error) {
	from, to, err := r.span(p.now())
	if err != nil {
		return comparison, err
	}
	window, save := &replay.Window{}, &saving{}
	if r.save != "" {
		if save.target, err = createTarget(r.save); err != nil {
			return comparison, err
		}
		defer func() {
			if err != nil {
				_ = save.target.Abort(ctx) // the first error says why
			}
		}()
	}
	err = p.readRecords(ctx, r, from, func(documents string, decision record.Decision) error {
		if decision.At.Before(from) || decision.At.After(to) {
			return nil
		}
		return errors.Join(window.Add(documents, decision), save.add(documents, decision))
	})
	if err != nil {
		return comparison, err
	}
	if window.Records == 0 {
		return comparison, fmt.Errorf("%w, %s to %s; a service records while it runs, for seven days at most", replay.ErrEmpty, from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	if err = save.close(ctx); err != nil {
		return comparison, err
	}
	var change func(document.Set) (document.Set, error)
	if r.what.changed() {
		change = r.what.documents
	}
	return window.Compare(change, func(jobs []simulate.Submit) error { return r.what.deadlines(jobs, p.now().Location()) })
}

// readRecords gives every decision of a file, or of the service from a time on.
func (p *program) readRecords(ctx context.Context, r replaying, from time.Time, each func(string, record.Decision) error) error {
	if r.file != "" {
		file, err := os.Open(r.file)
		if err != nil {
			return fmt.Errorf("read the records: %w", err)
		}
		defer func() { _ = file.Close() }() // only read
		if err := record.Read(file, each); err != nil {
			return fmt.Errorf("%s: %w", r.file, err)
		}
		return nil
	}
	client, err := p.client()
	if err != nil {
		return err
	}
	defer client.close()
	return state.ReadRecords(ctx, client.conn, from, func(batch []byte) error { return record.Read(bytes.NewReader(batch), each) })
}

// saving writes decisions into a file, many at a time. Without a target it does nothing.
type saving struct {
	target    *target
	documents string
	lines     [][]byte
	bytes     int
}

const savedTogether = 4 << 20 // bytes, before compression

func (s *saving) add(documents string, decision record.Decision) error {
	if s.target == nil {
		return nil
	}
	if documents != s.documents || s.bytes > savedTogether {
		if err := s.flush(); err != nil {
			return err
		}
	}
	line, err := record.Line(decision)
	s.documents, s.lines, s.bytes = documents, append(s.lines, line), s.bytes+len(line)
	return err
}

func (s *saving) flush() error {
	if len(s.lines) == 0 {
		return nil
	}
	batch, err := record.Pack(s.documents, s.lines)
	if err == nil {
		_, err = s.target.Write(batch)
	}
	s.lines, s.bytes = nil, 0
	return err
}

func (s *saving) close(ctx context.Context) error {
	if s.target == nil {
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	_, err := s.target.Close(ctx)
	return err
}
