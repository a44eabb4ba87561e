package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

const referenceFile = "../../docs/cli.md"

// TestReference: docs/cli.md is what the commands say of themselves. `go test ./cmd/nightshift -run TestReference -update` writes it.
func TestReference(t *testing.T) {
	t.Parallel()
	p := &program{now: time.Now, lookup: func(string) (string, bool) { return "", false }}
	want := reference(p.rootCommand())
	if *update {
		if err := os.WriteFile(referenceFile, []byte(want), 0o644); err != nil { // a page of documentation
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/cli.md is not up to date; -update writes it (-want +got):\n%s", diff)
	}
}

// reference is the page of the whole command line.
func reference(root *cobra.Command) string {
	root.InitDefaultHelpFlag()
	var page strings.Builder
	fmt.Fprintf(&page, "# The command line\n\nGenerated from the program's own help by `go test ./cmd/nightshift -run TestReference -update`.\n\n%s\n\n", root.Long)
	fmt.Fprintf(&page, "| command | what it does |\n|---|---|\n")
	var commands []*cobra.Command
	for _, command := range root.Commands() {
		if command.IsAvailableCommand() && command.Name() != "help" && command.Name() != "completion" {
			commands = append(commands, command)
			fmt.Fprintf(&page, "| [%[1]s](#nightshift-%[1]s) | %s |\n", command.Name(), command.Short)
		}
	}
	page.WriteString("\n`nightshift completion bash|zsh|fish|powershell` prints a script that completes commands, flags and jobs.\n\n## Global flags\n\n")
	page.WriteString(flagTable(root.PersistentFlags()))
	for _, command := range commands {
		fmt.Fprintf(&page, "\n## nightshift %s\n\n%s\n\n```\n%s\n```\n", command.Name(), sentences(command), command.UseLine())
		if command.Example != "" {
			fmt.Fprintf(&page, "\n```\n%s\n```\n", strings.ReplaceAll(strings.TrimPrefix(command.Example, "  "), "\n  ", "\n"))
		}
		if command.LocalNonPersistentFlags().HasAvailableFlags() {
			page.WriteString("\n" + flagTable(command.LocalNonPersistentFlags()))
		}
		for _, inner := range command.Commands() {
			fmt.Fprintf(&page, "\n### %s\n\n%s\n\n```\n%s\n```\n", inner.CommandPath(), sentences(inner), inner.UseLine())
			if inner.LocalNonPersistentFlags().HasAvailableFlags() {
				page.WriteString("\n" + flagTable(inner.LocalNonPersistentFlags()))
			}
		}
	}
	return page.String()
}

func sentences(command *cobra.Command) string {
	if command.Long != "" {
		return command.Long
	}
	return command.Short + "."
}

func flagTable(flags *pflag.FlagSet) string {
	text := "| flag | | default |\n|---|---|---|\n"
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden || flag.Name == "help" {
			return
		}
		name := "`--" + flag.Name + "`"
		if flag.Shorthand != "" {
			name = "`-" + flag.Shorthand + "`, " + name
		}
		standard := ""
		if flag.DefValue != "" && flag.DefValue != "[]" && flag.DefValue != "false" {
			standard = "`" + flag.DefValue + "`"
		}
		text += fmt.Sprintf("| %s | %s | %s |\n", name, strings.ReplaceAll(flag.Usage, "|", "\\|"), standard)
	})
	return text
}
