package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/catalog"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/scorer"
)

// examineDocuments checks documents and everything they name on this machine.
func (p *program) examineDocuments(ctx context.Context, e *examination, files []string) error {
	set, err := catalog.Read(files)
	var problems document.Problems
	switch {
	case errors.As(err, &problems):
		for _, problem := range problems {
			e.say(checkFail, "documents", problem.String(), "")
		}
		return nil
	case err != nil:
		e.say(checkFail, "documents", err.Error(), "")
		return nil
	}
	e.say(checkOK, "documents", inventory(set), "")
	host, forget, err := scorerHost()
	if err != nil {
		return err
	}
	defer forget()
	models := catalog.New(set, host)
	for _, queue := range set.Queues {
		if queue.Spec.External() {
			continue // writes nothing, and is not submitted to
		}
		settings, _ := models.Queue(queue.Spec.Tenant, queue.Name)
		e.report(examineOutput(queue.Name, settings.Output))
		if queue.Spec.Source == document.SourceJobs {
			e.report(examineInput(queue.Name, settings.ReadRoots))
		}
		if queue.Spec.Steps.Namespace != "" {
			examineSteps(ctx, e, queue)
		}
	}
	if err := p.examineSources(ctx, e, set.Queues); err != nil {
		return err
	}
	for _, pool := range set.Pools {
		if pool.Spec.Interruptions != nil {
			e.report(examineInterruptions(pool))
		}
		if pool.Spec.Local != nil {
			e.report(examineCommand(pool))
		}
		if pool.Spec.Ray != nil {
			examineGroup(ctx, e, pool)
		}
		if pool.Spec.Argo != nil {
			examineRunners(ctx, e, pool)
		}
	}
	for _, model := range set.Models {
		if onlyConsumed(set.Queues, model.Name) {
			continue // its scorer is never started
		}
		examineModel(ctx, e, models, model)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

const (
	tightSpace = 5 << 30   // bytes below which to warn
	noSpace    = 256 << 20 // bytes below which nothing useful fits
)

// examineOutput looks at the space where a queue's results go, and whether it can be written.
func examineOutput(queue, output string) finding {
	what := "output"
	path, local := strings.CutPrefix(output, fileScheme)
	if !local {
		return finding{checkOK, what, fmt.Sprintf("queue %s writes to %s, which is not looked at", queue, output), ""}
	}
	folder := existing(path)
	if err := unix.Access(folder, unix.W_OK); err != nil {
		return finding{checkFail, what, fmt.Sprintf("queue %s: %s cannot be written: %v", queue, folder, err), "Change its owner or mode, or the queue's output.root"}
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(folder, &disk); err != nil {
		return finding{checkWarn, what, fmt.Sprintf("queue %s: the space at %s cannot be read: %v", queue, folder, err), ""}
	}
	free := int64(disk.Bavail) * disk.Bsize
	found := fmt.Sprintf("queue %s: %s free at %s", queue, bytesText(free), path)
	next := "Make room or change the queue's output.root: a full output makes jobs wait"
	switch {
	case free < noSpace:
		return finding{checkFail, what, found, next}
	case free < tightSpace:
		return finding{checkWarn, what, found, next}
	}
	return finding{checkOK, what, found, ""}
}

// existing is the path, or the folder nearest above it that is there.
func existing(path string) string {
	path = filepath.Clean(path)
	for {
		if _, err := os.Stat(path); err == nil || path == "/" || path == "." {
			return path
		}
		path = filepath.Dir(path)
	}
}

// examineInput looks for the local folders that jobs may read.
func examineInput(queue string, roots []string) finding {
	for _, root := range roots {
		path, local := strings.CutPrefix(root, fileScheme)
		if _, err := os.Stat(path); local && err != nil {
			return finding{checkWarn, "input", fmt.Sprintf("queue %s: its root %s is not there", queue, path), "Make the folder, or change the queue's input.roots"}
		}
	}
	return finding{checkOK, "input", fmt.Sprintf("queue %s reads below %s", queue, strings.Join(roots, " ")), ""}
}

// examineInterruptions reads the trace that a pool replays.
func examineInterruptions(pool document.Pool) finding {
	if _, err := interruptedBy(pool); err != nil {
		return finding{checkFail, "interruptions", err.Error(), "Put the file there, or change the pool's interruptions"}
	}
	return finding{checkOK, "interruptions", fmt.Sprintf("pool %s: %s", pool.Name, traceText(pool)), ""}
}

// examineCommand looks for the program that a pool runs, as the service does when it is started here.
func examineCommand(pool document.Pool) finding {
	program := pool.Spec.Local.Command[0]
	path, err := exec.LookPath(program)
	if err != nil {
		return finding{checkFail, "command", fmt.Sprintf("pool %s: %v", pool.Name, err), "Install it, or change the pool's local.command"}
	}
	return finding{checkOK, "command", fmt.Sprintf("pool %s runs %s", pool.Name, path), ""}
}

// onlyConsumed says whether all queues of a model, at least one, are worked off by consumers of the user's own.
func onlyConsumed(queues []document.Queue, model string) (only bool) {
	for _, queue := range queues {
		if queue.Spec.Model != model {
			continue
		}
		if !queue.Spec.External() {
			return false
		}
		only = true
	}
	return only
}

// examineModel looks for the interpreter, and starts the scorer, which loads the model.
func examineModel(ctx context.Context, e *examination, models *catalog.Catalog, model document.Model) {
	snapshot, err := models.ModelSnapshot(model.Name, nil)
	if err != nil {
		e.say(checkFail, "model "+model.Name, err.Error(), "Put the file there, or change the model's artifacts")
		return
	}
	if model.Spec.Scorer.Python != "" {
		one := examineInterpreter(ctx, model.Name, snapshot.Command[0])
		e.report(one)
		if one.verdict == checkFail {
			return
		}
	}
	process, err := scorer.Start(ctx, scorerSpec(snapshot, nil))
	if err != nil {
		e.say(checkFail, "scorer", fmt.Sprintf("model %s: %v", model.Name, err), "")
		showStderr(e, err)
		return
	}
	e.say(checkOK, "scorer", fmt.Sprintf("model %s is ready after %.1f s and holds %s", model.Name, process.LoadDuration().Seconds(), bytesText(process.PeakMemory())), "")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), scorer.DefaultStopTimeout)
	defer cancel()
	_ = process.Stop(ctx) // killed when it does not stop by itself
}

// showStderr shows the scorer's last words, where the cause of a failed load usually stands.
func showStderr(e *examination, err error) {
	var load *scorer.LoadError
	if !errors.As(err, &load) {
		return
	}
	for line := range strings.Lines(strings.TrimSpace(load.Stderr)) {
		e.quote(strings.TrimRight(line, "\n"))
	}
}

// examineInterpreter asks the Python that runs a model for its version.
func examineInterpreter(ctx context.Context, model, program string) finding {
	what := "python"
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	output, err := exec.CommandContext(ctx, program, "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])").Output()
	next := "Set the model's scorer.interpreter to a Python with the model's packages, like .venv/bin/python"
	if err != nil {
		return finding{checkFail, what, fmt.Sprintf("model %s: %s does not run: %v", model, program, err), next}
	}
	version := strings.TrimSpace(string(output))
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil || major < 3 || major == 3 && minor < 11 {
		return finding{checkFail, what, fmt.Sprintf("model %s: %s is Python %s; the scorer host needs 3.11", model, program, version), next}
	}
	return finding{checkOK, what, fmt.Sprintf("model %s: %s is Python %s", model, program, version), ""}
}

// scorerSpec is how a model's scorer is started here.
func scorerSpec(model orchestrator.ModelSnapshot, log func(string)) scorer.Spec {
	spec := scorer.Spec{
		Command: model.Command, Dir: model.Dir, Model: model.Name, Parameters: model.Parameters, Columns: model.Columns, Log: log,
		ReadyTimeout: model.ReadyTimeout, BatchTimeout: model.BatchTimeout, MemoryLimit: model.MemoryLimit,
	}
	for name, value := range model.Env {
		spec.Env = append(spec.Env, name+"="+value)
	}
	return spec
}
