// Command cluster runs a Kubernetes control plane on this machine, without containers and without root: etcd, the API server, its
// controllers and its scheduler, the KubeRay operator, and nodes with GPUs that KWOK pretends.
//
//	go run ./e2e/cluster up
//	go run ./e2e/cluster status
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
)

const usage = `usage: cluster up|down|status [--size light] [--dir DIR]

  up      build what is not built, start a cluster in DIR, write DIR/kubeconfig
  down    end what up started in DIR, and remove DIR
  status  what of it runs

`

// options of a command.
type options struct {
	dir                      string
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
	commands := map[string]func(context.Context, options, io.Writer) error{"up": up, "down": down, "status": status}
	command, known := commands[arguments[0]]
	if !known {
		fmt.Fprintf(complaints, "%q is not a command: up, down and status are\n\n%s", arguments[0], usage)
		return 2
	}
	chosen, err := parse(arguments, complaints)
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

func parse(arguments []string, complaints io.Writer) (options, error) {
	var chosen options
	flags := flag.NewFlagSet(arguments[0], flag.ContinueOnError)
	flags.SetOutput(complaints)
	size := flags.String("size", "light", "what the cluster has; light: nodes and pods are pretended")
	flags.StringVar(&chosen.dir, "dir", filepath.Join(".nightshift", "cluster"), "folder of the cluster's data, logs and kubeconfig")
	if arguments[0] == "up" {
		flags.IntVar(&chosen.spotNodes, "spot-nodes", 2, "fake nodes with nightshift.dev/capacity-type=spot and 8 GPUs each")
		flags.IntVar(&chosen.onDemandNodes, "on-demand-nodes", 2, "fake nodes with nightshift.dev/capacity-type=on-demand and 8 GPUs each")
	}
	if err := flags.Parse(arguments[1:]); err != nil {
		return chosen, err
	}
	switch {
	case flags.NArg() > 0:
		return chosen, fmt.Errorf("%q is not understood: %s takes flags only", flags.Arg(0), arguments[0])
	case *size == "full":
		return chosen, fullSize(thisMachine())
	case *size != "light":
		return chosen, fmt.Errorf("--size %q is not a size: light is", *size)
	case chosen.spotNodes < 0 || chosen.onDemandNodes < 0:
		return chosen, errors.New("--spot-nodes and --on-demand-nodes are 0 or more")
	case runtime.GOOS != "linux":
		return chosen, fmt.Errorf("this is %s: processes are told apart by /proc, which Linux has", runtime.GOOS)
	}
	var err error
	chosen.dir, err = filepath.Abs(chosen.dir)
	return chosen, err
}

// fullSize says what a machine lacks for the size that is to come, all at once: it can be made ready for it.
func fullSize(m machine) error {
	const notYet = "--size full, with kubelets and real pods: not built yet; --size light is there"
	all := m.lacks()
	if len(all) == 0 {
		return errors.New(notYet + ". This machine has all that it will need")
	}
	return fmt.Errorf("%s. This machine would lack for it:\n  %s", notYet, strings.Join(all, "\n  "))
}
