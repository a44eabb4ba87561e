package argo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"nightshift.dev/nightshift/e2e/clustertest"
)

// kubelet starts what pods of runners, and of steps, are to run.
type kubelet struct {
	*clustertest.Service

	mu        sync.Mutex
	processes map[string]*exec.Cmd // by the pod's uid
	started   map[string]bool      // pods, by uid
	cut       int                  // workers that ran when their pod went
}

type pod struct {
	Metadata struct {
		Name, UID         string
		DeletionTimestamp string
	}
	Spec struct {
		ActiveDeadlineSeconds int
		Containers            []container
	}
	Status struct{ Phase string }
}

type container struct {
	Name          string
	Command, Args []string
}

// look looks again and again, until ctx ends.
func (k *kubelet) look(ctx context.Context) {
	for ctx.Err() == nil {
		if pods := k.pods(ctx); pods != nil {
			for _, one := range pods {
				if one.Status.Phase == "Running" && one.Metadata.DeletionTimestamp == "" {
					k.start(ctx, one)
				}
			}
			k.sweep(pods)
		}
		select {
		case <-time.After(150 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// pods are those of workflows, by uid; nil: kubectl did not say.
func (k *kubelet) pods(ctx context.Context) map[string]pod {
	text, err := k.Try(ctx, "get", "pods", "-l", "workflows.argoproj.io/workflow", "-o", "json")
	var list struct{ Items []pod }
	if err != nil || json.Unmarshal([]byte(text), &list) != nil {
		return nil
	}
	pods := map[string]pod{}
	for _, one := range list.Items {
		pods[one.Metadata.UID] = one
	}
	return pods
}

// start starts the command of the pod's main container, which Argo has put behind its executor.
func (k *kubelet) start(ctx context.Context, of pod) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.started[of.Metadata.UID] {
		return
	}
	k.started[of.Metadata.UID] = true
	at := slices.IndexFunc(of.Spec.Containers, func(one container) bool { return one.Name == "main" })
	main := of.Spec.Containers[at]
	command := k.command(main, of)
	if command == nil {
		return // a user's own, which nobody waits for
	}
	log, err := os.Create(filepath.Join(k.Dir, of.Metadata.Name+".log"))
	if err != nil {
		k.Error(err)
		return
	}
	defer func() { _ = log.Close() }()
	command.Stderr, command.Env, command.Dir, command.SysProcAttr = log, append(os.Environ(), "NIGHTSHIFT_NATS="+k.Server.URL(), "ARGO_PROGRESS_FILE="+filepath.Join(k.Dir, of.Metadata.Name+".progress")), k.Dir, &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		k.Error(err)
		return
	}
	k.processes[of.Metadata.UID] = command
	bound := time.Duration(of.Spec.ActiveDeadlineSeconds) * time.Second
	if bound == 0 {
		bound = time.Hour
	}
	life := time.AfterFunc(bound, func() { _ = command.Process.Signal(syscall.SIGTERM) })
	go func() {
		failed := command.Wait()
		k.mu.Lock()
		delete(k.processes, of.Metadata.UID)
		k.mu.Unlock()
		k.end(ctx, of, failed, !life.Stop())
	}()
}

// command is that of a runner, or the program of a step in the test's folder; nil: it is neither.
func (k *kubelet) command(main container, of pod) *exec.Cmd {
	end := main.Command[len(main.Command)-2:]
	if end[0] != "--" {
		k.Errorf("the command is %q", main.Command)
		return nil
	}
	arguments := strings.Split(strings.ReplaceAll(strings.Join(main.Args, "\n"), "$(POD_UID)", of.Metadata.UID), "\n")
	if end[1] == "nightshift" {
		return exec.Command(clustertest.Program, append(arguments, "--ack-wait", clustertest.AckWait, "--grace", clustertest.Grace)...)
	}
	if program := filepath.Join(k.Dir, end[1]+".py"); exists(program) {
		return exec.Command("python3", append([]string{program}, arguments...)...)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// end says how the pod has ended; late: at the end of its life, with the words of a kubelet.
func (k *kubelet) end(ctx context.Context, of pod, failed error, late bool) {
	phase, code, message := "Succeeded", 0, ""
	if late {
		phase, message = "Failed", "Pod was active on the node longer than the specified deadline"
	}
	var exit *exec.ExitError
	if errors.As(failed, &exit) {
		phase, code = "Failed", exit.ExitCode()
	}
	var containers []string
	for _, one := range of.Spec.Containers {
		containers = append(containers, fmt.Sprintf(`{"name":%q,"image":"i","imageID":"i","ready":false,"restartCount":0,"state":{"terminated":{"exitCode":%d,"reason":"Ended"}}}`, one.Name, code))
	}
	patch := fmt.Sprintf(`{"metadata":{"uid":%q},"status":{"phase":%q,"message":%q,"containerStatuses":[%s]}}`, of.Metadata.UID, phase, message, strings.Join(containers, ","))
	_, _ = k.Try(ctx, "patch", "pod", of.Metadata.Name, "--subresource=status", "--type=merge", "-p", patch) // it may be gone
}

// sweep ends the workers whose pods are gone, as when a machine is lost.
func (k *kubelet) sweep(pods map[string]pod) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for uid, worker := range k.processes {
		if one, there := pods[uid]; !there || one.Metadata.DeletionTimestamp != "" {
			k.cut++
			_ = syscall.Kill(-worker.Process.Pid, syscall.SIGKILL)
		}
	}
}

func (k *kubelet) working() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.processes)
}

func (k *kubelet) endAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, worker := range k.processes {
		_ = syscall.Kill(-worker.Process.Pid, syscall.SIGKILL)
	}
}
