package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/api"
)

func (p *program) explainCommand() *cobra.Command {
	var format *printFormat
	command := &cobra.Command{
		Use:   "explain [QUEUE|POOL|JOB]",
		Short: "Say why there are as many workers as there are, and what a job waits for",
		Long: `Explain prints the chains of reasons of the present plan: for each pool, each rule that changed its number of replicas, and for each open job what
is expected of it and why. Of a queue that consumers of your own work off, it lists those that run, and what each does.`,
		Args: arguments(0, 1, "nothing"), ValidArgsFunction: p.completeJob,
		RunE: func(command *cobra.Command, args []string) error {
			client, err := p.client()
			if err != nil {
				return err
			}
			defer client.close()
			var name string
			if len(args) == 1 {
				if name, err = client.identify(command.Context(), args[0]); err != nil {
					return err
				}
			}
			answer, err := request[api.ExplainResponse](command.Context(), client, "explain", api.ExplainRequest{Name: name})
			if err != nil {
				return err
			}
			if format.machine() {
				return format.print(command.OutOrStdout(), answer)
			}
			_, err = fmt.Fprint(command.OutOrStdout(), answer.Text)
			return err
		},
	}
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}
