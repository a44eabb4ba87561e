// Command cluster runs Kubernetes with KubeRay on this machine, without Docker. In the light size, which needs no root: etcd, the API
// server, its controllers and its scheduler, the KubeRay operator, and nodes with GPUs that KWOK pretends. In the full size nodes are real:
// each runs containerd and kubelet in namespaces of its own, and pods run.
//
//	go run ./e2e/cluster up --size full
//	go run ./e2e/cluster status
//	go run ./e2e/cluster node kill spot-1
//	go run ./e2e/cluster node up spot-1
//	go run ./e2e/cluster down
//
// Exit codes: 0 done, 1 failed (status: something does not run), 2 not understood or not there yet.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"nightshift.dev/nightshift/e2e/cluster/node"
)

const usage = `usage: cluster up|down|status [--size light|full] [--dir DIR]
       cluster node kill|up NAME [--dir DIR]

  up         build what is not built, start a cluster in DIR, write DIR/kubeconfig
  down       end what up started in DIR, and remove DIR
  status     what of it runs
  node kill  end a real node with all that is on it, at once
  node up    start it anew

`

// options of a command.
type options struct {
	dir                      string
	node                     string // of kill and up
	full                     bool
	spotNodes, onDemandNodes int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run carries out one command and returns the program's exit code.
func run(ctx context.Context, arguments []string, out, complaints io.Writer) int {
	if len(arguments) == 0 {
		fmt.Fprint(complaints, usage)
		return 2
	}
	if arguments[0] == runNode && len(arguments) == 2 {
		fmt.Fprintln(complaints, node.Run(arguments[1])) // its end is the end of the node
		return 1
	}
	commands := map[string]func(context.Context, options, io.Writer) error{"up": up, "down": down, "status": status, "node kill": nodeKill, "node up": nodeUp}
	name, rest := arguments[0], arguments[1:]
	if name == "node" && len(rest) > 0 {
		name, rest = name+" "+rest[0], rest[1:]
	}
	command, known := commands[name]
	if !known {
		fmt.Fprintf(complaints, "%q is not a command: up, down, status, node kill and node up are\n\n%s", name, usage)
		return 2
	}
	chosen, err := parse(name, rest, complaints)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(complaints, err)
		return 2
	}
	if err := command(ctx, chosen, out); err != nil {
		fmt.Fprintln(complaints, err)
		return 1
	}
	return 0
}

// parse reads what follows the command's name. The name of a node stands before the flags, or after them.
func parse(command string, arguments []string, complaints io.Writer) (options, error) {
	var chosen options
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(complaints)
	size := flags.String("size", "light", "what the cluster has; light: nodes and pods are pretended; full: they are real, which needs root")
	flags.StringVar(&chosen.dir, "dir", filepath.Join(".nightshift", "cluster"), "folder of the cluster's data, logs and kubeconfig")
	if command == "up" {
		flags.IntVar(&chosen.spotNodes, "spot-nodes", 2, "nodes with nightshift.dev/capacity-type=spot and 8 GPUs each (full size: 1)")
		flags.IntVar(&chosen.onDemandNodes, "on-demand-nodes", 2, "nodes with nightshift.dev/capacity-type=on-demand and 8 GPUs each (full size: 1)")
	}
	ofNode := strings.HasPrefix(command, "node ")
	if ofNode && len(arguments) > 0 && !strings.HasPrefix(arguments[0], "-") {
		chosen.node, arguments = arguments[0], arguments[1:]
	}
	if err := flags.Parse(arguments); err != nil {
		return chosen, err
	}
	rest := flags.Args()
	if ofNode && chosen.node == "" && len(rest) > 0 {
		chosen.node, rest = rest[0], rest[1:]
	}
	chosen.full = *size == "full"
	if chosen.full {
		oneOfEach(flags, &chosen)
	}
	switch {
	case len(rest) > 0:
		return chosen, fmt.Errorf("%q is not understood: %s takes %sflags only", rest[0], command, map[bool]string{true: "the name of one node and "}[ofNode])
	case ofNode && chosen.node == "":
		return chosen, fmt.Errorf("%s which node? status names them", command)
	case *size != "light" && !chosen.full:
		return chosen, fmt.Errorf("--size %q is not a size: light and full are", *size)
	case chosen.spotNodes < 0 || chosen.onDemandNodes < 0:
		return chosen, errors.New("--spot-nodes and --on-demand-nodes are 0 or more")
	case runtime.GOOS != "linux":
		return chosen, fmt.Errorf("this is %s: processes are told apart by /proc, which Linux has", runtime.GOOS)
	}
	var err error
	chosen.dir, err = filepath.Abs(chosen.dir)
	return chosen, err
}

// oneOfEach is what a cluster of real nodes has unless flags say otherwise: each needs memory.
func oneOfEach(flags *flag.FlagSet, chosen *options) {
	said := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { said[f.Name] = true })
	if !said["spot-nodes"] {
		chosen.spotNodes = 1
	}
	if !said["on-demand-nodes"] {
		chosen.onDemandNodes = 1
	}
}
