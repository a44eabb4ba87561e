package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// verdict is how a check ended.
type verdict string

const (
	checkOK   verdict = "ok"
	checkWarn verdict = "warn"
	checkFail verdict = "fail"
)

// gravity puts verdicts in order.
var gravity = map[verdict]int{checkOK: 0, checkWarn: 1, checkFail: 2}

var verdictColour = map[verdict]colour{checkOK: green, checkWarn: yellow, checkFail: red}

// finding is one line of doctor.
type finding struct {
	verdict verdict
	what    string // looked at
	found   string
	next    string // what to do; empty when it is well
}

// examination prints findings as they come, or keeps them for a program, and remembers the worst.
type examination struct {
	out    screen
	kept   *[]checkReport // nil: findings are printed
	failed bool
}

// doctorReport is what -o json prints.
type doctorReport struct {
	Healthy bool          `json:"healthy"` // no check failed
	Checks  []checkReport `json:"checks"`
}

type checkReport struct {
	Check   string   `json:"check"`
	Verdict verdict  `json:"verdict"`
	Found   string   `json:"found"`
	Next    string   `json:"next,omitempty"` // what to do
	Stderr  []string `json:"stderr,omitempty"`
}

func (e *examination) say(verdict verdict, what, found, next string) {
	e.report(finding{verdict, what, found, next})
}

func (e *examination) report(f finding) {
	e.failed = e.failed || f.verdict == checkFail
	if e.kept != nil {
		*e.kept = append(*e.kept, checkReport{Check: f.what, Verdict: f.verdict, Found: f.found, Next: f.next})
		return
	}
	text := fmt.Sprintf("%s  %-16s  %s", e.out.paint(fmt.Sprintf("%-4s", f.verdict), verdictColour[f.verdict]), f.what, visible(f.found))
	if f.next != "" {
		text += ". " + f.next
	}
	fmt.Fprintln(e.out, text)
}

// quote shows a line that belongs to the last finding.
func (e *examination) quote(line string) {
	if e.kept != nil {
		last := &(*e.kept)[len(*e.kept)-1]
		last.Stderr = append(last.Stderr, line)
		return
	}
	fmt.Fprintf(e.out, "      | %s\n", visible(line))
}

func (p *program) doctorCommand() *cobra.Command {
	var files []string
	var format *printFormat
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Check NATS, JetStream, the service and, with -f, everything that documents name",
		Long: `Doctor prints a line for each check, with ok, warn or fail, and what to do. With -f it also checks the documents, the space where results go, the streams and topics
that queues drain or size a pool of consumers by, with the rights that it has itself (nothing in them is changed), and starts the scorer of each model, which loads it. The exit code is 1 when a check fails.`,
		Example: "  nightshift doctor\n  nightshift doctor -f nightshift.yaml",
		Args:    arguments(0, 0, "nothing"),
		RunE: func(command *cobra.Command, _ []string) error {
			e := &examination{out: p.screen(command.OutOrStdout())}
			report := doctorReport{Checks: []checkReport{}}
			if format.machine() {
				e.kept = &report.Checks
			}
			if err := p.examineNATS(command.Context(), e); err != nil {
				return err
			}
			if len(files) > 0 {
				if err := p.examineDocuments(command.Context(), e, files); err != nil {
					return err
				}
			}
			if report.Healthy = !e.failed; format.machine() {
				if err := format.print(e.out, report); err != nil {
					return err
				}
			}
			if e.failed {
				return silentError{exitFailed}
			}
			return nil
		},
	}
	documentFlag(command, &files)
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

// examineNATS checks everything that lies behind the connection.
func (p *program) examineNATS(ctx context.Context, e *examination) error {
	client, err := p.client()
	if err != nil {
		e.say(checkFail, "NATS", err.Error(), "")
		return nil
	}
	defer client.close()
	ctx, cancel := context.WithTimeout(ctx, p.within)
	defer cancel()
	const tick = 100 * time.Microsecond // never 0, however fast
	began := time.Now()
	if err := client.conn.FlushWithContext(ctx); err != nil {
		e.say(checkFail, "NATS", fmt.Sprintf("%s does not answer: %v", client.address, err), "")
		return context.Cause(ctx)
	}
	e.say(checkOK, "NATS", fmt.Sprintf("%s answers within %s", client.address, time.Since(began).Truncate(tick)+tick), "")
	examineServer(e, client.conn.ConnectedServerVersion())
	about := askService(ctx, client.conn)
	if examineJetStream(ctx, e, client.conn, about) {
		examineWorkers(ctx, e, client.conn)
	}
	examineService(ctx, e, client, about)
	return nil
}

// leastServer is the oldest server without the known data loss on a full or killed store.
var leastServer = [3]int{2, 12, 3}

func examineServer(e *examination, version string) {
	var found [3]int
	number, _, _ := strings.Cut(version, "-")
	if _, err := fmt.Sscanf(number, "%d.%d.%d", &found[0], &found[1], &found[2]); err != nil {
		e.say(checkWarn, "server version", fmt.Sprintf("%q is not understood", version), "")
		return
	}
	for i := range found {
		switch {
		case found[i] < leastServer[i]:
			e.say(checkWarn, "server version", "nats-server "+version+" can lose acknowledged messages", "Upgrade to 2.12.3 or later")
			return
		case found[i] > leastServer[i]:
			e.say(checkOK, "server version", "nats-server "+version, "")
			return
		}
	}
	e.say(checkOK, "server version", "nats-server "+version, "")
}
