package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// versionInfo is what -o json prints.
type versionInfo struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (p *program) versionCommand() *cobra.Command {
	var format *printFormat
	command := &cobra.Command{
		Use: "version", Short: "Show the version of this program", Args: arguments(0, 0, "nothing"),
		RunE: func(command *cobra.Command, _ []string) error {
			info := versionInfo{version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			if format.machine() {
				return format.print(command.OutOrStdout(), info)
			}
			_, err := fmt.Fprintf(command.OutOrStdout(), "nightshift %s (%s, %s)\n", info.Version, info.Go, info.Platform)
			return err
		},
	}
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}
