package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/state"
)

// slotsCommand is how a driver inside a cluster, which has no NATS library, follows the slots of its pool (docs/ray-driver.md).
func (p *program) slotsCommand() *cobra.Command {
	var pool string
	command := &cobra.Command{
		Use: "slots", Short: "Print the slots of a pool, a line of JSON now and with every change (drivers start this)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			p.ignoreDev = true // as workers do
			nc, err := p.dial("nightshift slots " + pool)
			if err != nil {
				return err
			}
			defer nc.Close()
			store, err := state.Open(command.Context(), nc, state.Config{})
			if err != nil {
				return err
			}
			lines := json.NewEncoder(command.OutOrStdout())
			unheard := make(chan error, 1)
			go func() {
				unheard <- store.WatchSlots(command.Context(), pool, func(slots orchestrator.PoolSlots) {
					if err := lines.Encode(slots); err != nil {
						select {
						case unheard <- fmt.Errorf("print the slots of pool %s: %w", pool, err):
						default: // the first is enough
						}
					}
				})
			}()
			return <-unheard
		},
	}
	command.Flags().StringVar(&pool, "pool", "", "pool whose slots are printed")
	if err := command.MarkFlagRequired("pool"); err != nil {
		panic(err) // the flag is declared above
	}
	return command
}
