// Command nightshift is the whole program: the service, its workers, and the command line that talks to it. This package alone reads flags and the
// environment and puts the others together; a file holds one command, which is why the package is a large one.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	_ "golang.org/x/crypto/x509roots/fallback" // where the machine or the image has no certificates of authorities
)

// version is set by the linker for a release.
var version = "0.1.0-dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, commandLine(os.Args), os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// plugin is the name under which kubectl finds a program for "kubectl nightshift".
const plugin = "kubectl-nightshift"

// commandLine are the arguments. As a plugin of kubectl the program shows worker groups when no command is given.
func commandLine(args []string) []string {
	name, given := filepath.Base(args[0]), args[1:]
	bare := len(given) == 0 || strings.HasPrefix(given[0], "-") && given[0] != "-h" && given[0] != "--help"
	if name == plugin && bare {
		return append([]string{"rayclusters"}, given...)
	}
	return given
}
