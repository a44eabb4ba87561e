package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nightshift.dev/nightshift/orchestrator/document/notation"
)

// The exit codes of every command.
const (
	exitDone        = 0   // done; a job that was waited for has succeeded
	exitFailed      = 1   // a job did not succeed, or the request was refused or could not be made
	exitUsage       = 2   // the command line is wrong
	exitInterrupted = 130 // Ctrl-C
)

// program is what the commands share: the world outside, and the global flags.
type program struct {
	lookup func(name string) (string, bool) // environment variables
	now    func() time.Time                 // its zone is the one that times are read and shown in
	nats   string
	saved  string // name of a NATS context
	tenant string
	within time.Duration // bound of one request
	// ignoreDev is for what does not look for a running nightshift dev.
	ignoreDev bool
}

// execute runs one command line and gives its exit code.
func execute(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	p := &program{lookup: os.LookupEnv, now: time.Now}
	return p.execute(ctx, args, in, out, errs)
}

func (p *program) execute(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	root := p.rootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	return exitCode(errs, root.ExecuteContext(ctx))
}

const rootHelp = `nightshift drains batch-inference backlogs by their deadlines at the lowest GPU cost.

JOB is an identifier as submit prints it, or @latest, the newest job of the tenant.

Each global flag can be set by a variable instead: NIGHTSHIFT_NATS, NIGHTSHIFT_CONTEXT, NIGHTSHIFT_TENANT, NIGHTSHIFT_REQUEST_TIMEOUT; and -o by
NIGHTSHIFT_OUTPUT. NO_COLOR switches colours off.

The exit code is 0 when all went well, 1 when a job did not succeed or a request was refused, 2 when the command line is wrong, and 130 after
Ctrl-C.`

// rootCommand is the whole command line.
func (p *program) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use: "nightshift", Short: "Drain batch-inference backlogs by their deadlines at the lowest GPU cost", Long: rootHelp,
		SilenceErrors: true, SilenceUsage: true, Args: cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) == 0 {
				return command.Help()
			}
			return unknownCommand(command, args[0])
		},
		PersistentPreRunE: func(command *cobra.Command, _ []string) error { return p.readEnvironment(command.Flags()) },
	}
	root.SetFlagErrorFunc(wrongFlag)
	flags := root.PersistentFlags()
	flags.StringVar(&p.nats, "nats", "", "address of the NATS server (default: that of a running nightshift dev, else "+defaultAddress+")")
	flags.StringVar(&p.saved, "context", "", "NATS context to connect with, as the nats tool keeps them")
	flags.StringVar(&p.tenant, "tenant", "default", "tenant that the jobs belong to")
	flags.DurationVar(&p.within, "request-timeout", 35*time.Second, "how long to wait for the answer to one request")
	root.AddGroup(&cobra.Group{ID: groupJobs, Title: "Jobs:"}, &cobra.Group{ID: groupService, Title: "The service:"}, &cobra.Group{ID: groupDocuments, Title: "Documents:"})
	grouped(root, groupJobs, p.submitCommand(), p.listCommand(), p.getCommand(), p.watchCommand(), p.logsCommand(), p.resultsCommand(), p.errorsCommand(),
		p.cancelCommand(), p.retryCommand(), p.deleteCommand())
	grouped(root, groupService, devCommand(), p.runCommand(), p.workerCommand(), p.backlogCommand(), p.forecastCommand(), p.explainCommand(), p.rayClustersCommand(), p.adoptCommand(), p.planCommand(), p.replayCommand(), p.doctorCommand())
	grouped(root, groupDocuments, p.validateCommand(), p.schedulesCommand(), p.profileCommand(), p.simulateCommand())
	root.AddCommand(p.versionCommand())
	root.AddCommand(p.benchCommand())
	root.AddCommand(p.slotsCommand())
	return root
}

const (
	groupJobs      = "jobs"
	groupService   = "service"
	groupDocuments = "documents"
)

func grouped(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, command := range commands {
		command.GroupID = group
		root.AddCommand(command)
	}
}

// fromEnvironment are the flags that take their value from a variable when they are not given.
var fromEnvironment = []struct{ flag, variable string }{
	{"nats", addressVariable}, {"context", contextVariable}, {"tenant", "NIGHTSHIFT_TENANT"}, {"request-timeout", "NIGHTSHIFT_REQUEST_TIMEOUT"},
}

// outputVariable is the -o of commands that have one and know the format it names.
const outputVariable = "NIGHTSHIFT_OUTPUT"

// readEnvironment sets the flags that were not given. An address that was given on the command line hides both variables that name one.
func (p *program) readEnvironment(flags *pflag.FlagSet) error {
	given := func(name string) bool { flag := flags.Lookup(name); return flag != nil && flag.Changed }
	if given("nats") && given("context") {
		return &usageError{message: "--nats and --context both say where to connect; give one of them"}
	}
	hidden := map[string]bool{"nats": given("context"), "context": given("nats")}
	for _, from := range fromEnvironment {
		value, set := p.lookup(from.variable)
		if flags.Lookup(from.flag) == nil || given(from.flag) || hidden[from.flag] || !set || value == "" {
			continue
		}
		if err := flags.Set(from.flag, value); err != nil {
			return &usageError{message: fmt.Sprintf("%s: %q: %v", from.variable, value, errors.Unwrap(err))}
		}
	}
	return p.readFormat(flags)
}

func (p *program) readFormat(flags *pflag.FlagSet) error {
	flag := flags.ShorthandLookup("o")
	value, _ := p.lookup(outputVariable)
	if flag == nil || flag.Changed || value == "" {
		return nil
	}
	format, ok := flag.Value.(*printFormat)
	switch {
	case !ok: // -o names a file
		return nil
	case slices.Contains(format.allowed, value):
		format.name = value
	case !slices.Contains(allFormats, value):
		return &usageError{message: fmt.Sprintf("%s: %q; allowed: %s", outputVariable, value, strings.Join(allFormats, ", "))}
	}
	return nil
}

func unknownCommand(root *cobra.Command, name string) error {
	message := fmt.Sprintf("there is no command %q", name)
	root.SuggestionsMinimumDistance = 2
	if meant := root.SuggestionsFor(name); len(meant) > 0 {
		message += "; did you mean " + strings.Join(meant, " or ") + "?"
	}
	return usage(root, "%s", message)
}

// wrongFlag says what is wrong with a flag, and which one was probably meant.
func wrongFlag(command *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usage(command, "%v", err)
	}
	var names []string
	command.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	if meant := notation.Closest(unknown.GetSpecifiedName(), names); meant != "" {
		return usage(command, "%v; did you mean --%s?", err, meant)
	}
	return usage(command, "%v", err)
}

// usageError says that the command line is wrong.
type usageError struct {
	message string
	command string // whose help says more
}

func (e *usageError) Error() string { return e.message }

func usage(command *cobra.Command, format string, values ...any) error {
	return &usageError{message: fmt.Sprintf(format, values...), command: command.CommandPath()}
}

// silentError ends the program with a code when everything was said already.
type silentError struct{ code int }

func (e silentError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// codedError ends the program with a code of its command.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// exitCode says what went wrong, if anything did, and gives the program's exit code.
func exitCode(errs io.Writer, err error) int {
	var silent silentError
	var wrong *usageError
	var coded *codedError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &silent):
		return silent.code
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &wrong):
		fmt.Fprintln(errs, "error:", wrong.message)
		if wrong.command != "" {
			fmt.Fprintf(errs, "%s --help says more\n", wrong.command)
		}
		return exitUsage
	case errors.As(err, &coded):
		fmt.Fprintln(errs, "error:", explained(err))
		return coded.code
	}
	fmt.Fprintln(errs, "error:", explained(err))
	return exitFailed
}

// arguments checks how many arguments there are; the texts say what each is.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usage(command, "%s is missing: %s", what, command.UseLine())
		case most >= 0 && len(args) > most:
			return usage(command, "%q is too much: %s", args[most], command.UseLine())
		}
		return nil
	}
}
