package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/api"
)

// completeWithin bounds the request behind a Tab key.
const completeWithin = 2 * time.Second

// completeJob offers the newest jobs of the tenant to the shell.
func (p *program) completeJob(command *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), completeWithin)
	defer cancel()
	if p.readEnvironment(command.Flags()) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	client, err := p.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer client.close()
	answer, err := request[api.ListResponse](ctx, client, "jobs.list", api.ListRequest{Limit: 50})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	offered := []cobra.Completion{cobra.CompletionWithDesc(latest, "the newest job")}
	for _, job := range answer.Jobs {
		offered = append(offered, cobra.CompletionWithDesc(job.ID, words(job.State)+" "+job.Name))
	}
	return offered, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}
