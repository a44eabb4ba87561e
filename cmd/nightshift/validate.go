package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/catalog"
	"nightshift.dev/nightshift/orchestrator/document"
)

// validation is what -o json prints.
type validation struct {
	Valid     bool              `json:"valid"`
	Documents *documentCounts   `json:"documents,omitempty"` // when they are valid
	Problems  []documentProblem `json:"problems"`
}

type documentCounts struct {
	Models    int `json:"models"`
	Pools     int `json:"pools"`
	Queues    int `json:"queues"`
	Schedules int `json:"schedules"`
}

type documentProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

func (p *program) validateCommand() *cobra.Command {
	var files []string
	var format *printFormat
	command := &cobra.Command{
		Use:     "validate",
		Short:   "Check documents and name everything that is wrong with them",
		Example: "  nightshift validate -f nightshift.yaml -f models/",
		Args:    arguments(0, 0, "nothing"),
		RunE: func(command *cobra.Command, _ []string) error {
			set, err := catalog.Read(files)
			var problems document.Problems
			if format.machine() && (err == nil || errors.As(err, &problems)) {
				return printValidation(command.OutOrStdout(), format, set, problems)
			}
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
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

func printValidation(out io.Writer, format *printFormat, set document.Set, problems document.Problems) error {
	result := validation{Valid: len(problems) == 0, Problems: []documentProblem{}}
	if result.Valid {
		result.Documents = &documentCounts{len(set.Models), len(set.Pools), len(set.Queues), len(set.Schedules)}
	}
	for _, problem := range problems {
		result.Problems = append(result.Problems, documentProblem(problem))
	}
	if err := format.print(out, result); err != nil || result.Valid {
		return err
	}
	return silentError{exitFailed}
}

// documentFlag adds -f with the files that are read when it is not given.
func documentFlag(command *cobra.Command, files *[]string, otherwise ...string) {
	command.Flags().StringSliceVarP(files, "file", "f", otherwise, "documents: files or folders of *.yaml")
	_ = command.MarkFlagFilename("file", "yaml", "yml") // the flag is there
}

func inventory(set document.Set) string {
	parts := []string{plural(len(set.Models), "model"), plural(len(set.Pools), "pool"), plural(len(set.Queues), "queue")}
	if len(set.Schedules) > 0 {
		parts = append(parts, plural(len(set.Schedules), "schedule"))
	}
	return strings.Join(parts, ", ")
}
