package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/catalog"
	"nightshift.dev/nightshift/orchestrator/document"
)

func (p *program) validateCommand() *cobra.Command {
	var files []string
	command := &cobra.Command{
		Use:     "validate",
		Short:   "Check documents and name everything that is wrong with them",
		Example: "  nightshift validate -f nightshift.yaml -f models/",
		Args:    arguments(0, 0, "nothing"),
		RunE: func(command *cobra.Command, _ []string) error {
			set, err := catalog.Read(files)
			var problems document.Problems
			if errors.As(err, &problems) {
				out := p.screen(command.OutOrStdout())
				for _, problem := range problems {
					fmt.Fprintln(out, problem)
				}
				fmt.Fprintf(out, "%s\n", out.paint(plural(len(problems), "problem"), red))
				return silentError{exitFailed}
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), "valid:", inventory(set))
			return err
		},
	}
	documentFlag(command, &files, "nightshift.yaml")
	return command
}

// documentFlag adds -f with the files that are read when it is not given.
func documentFlag(command *cobra.Command, files *[]string, otherwise ...string) {
	command.Flags().StringSliceVarP(files, "file", "f", otherwise, "documents: files or folders of *.yaml")
	_ = command.MarkFlagFilename("file", "yaml", "yml") // the flag is there
}

func inventory(set document.Set) string {
	return strings.Join([]string{plural(len(set.Models), "model"), plural(len(set.Pools), "pool"), plural(len(set.Queues), "queue")}, ", ")
}
