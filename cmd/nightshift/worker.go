package main

import (
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/state"
	"nightshift.dev/nightshift/orchestrator/worker"
)

// garbagePercent makes the collector wait until a worker's memory has grown fivefold: it holds some 10 MB, is given several times as much garbage in
// every second of scoring, and shares its cores with the scorer. A tenth of a worker's time went into collections. GOGC overrides it.
const garbagePercent = 400

// collectLess applies garbagePercent and gives the way back.
func collectLess() (restore func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(garbagePercent)
	return func() { debug.SetGCPercent(before) }
}

// heartbeat is the time between two words of a worker's presence.
const heartbeat = 2 * time.Second

func (p *program) workerCommand() *cobra.Command {
	var config worker.Config
	var ackWait time.Duration
	command := &cobra.Command{
		Use:   "worker",
		Short: "Run one worker: pull shards, score them, commit them (engines start this)",
		Long: `Run one worker: pull shards, score them, commit them. Engines start this. It connects to --nats or --context, else ` + defaultAddress + `; engines say
where by NIGHTSHIFT_NATS or NIGHTSHIFT_CONTEXT, because everybody on a machine can read command lines.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			defer collectLess()()
			config.Log = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("worker", config.ID)
			config.Heartbeat = heartbeat
			config.Host, _ = os.Hostname()                        // only shown
			config.ProgressFile = os.Getenv("ARGO_PROGRESS_FILE") // which Argo's controller sets in the pods of runners
			p.ignoreDev = true                                    // the service says where its server is
			nc, err := p.dial("nightshift worker " + config.ID)
			if err != nil {
				return err
			}
			defer nc.Close()
			if err := os.Unsetenv(addressVariable); err != nil { // scorers have no use for its password
				return fmt.Errorf("keep %s from scorers: %w", addressVariable, err)
			}
			messages, err := newRanges(nc)
			if err != nil {
				return err
			}
			defer messages.close()
			config.Messages = messages
			for _, secret := range []string{kafkaUserVariable, kafkaPasswordVariable, kafkaSecretVariable} { // as above
				if err := os.Unsetenv(secret); err != nil {
					return fmt.Errorf("keep %s from scorers: %w", secret, err)
				}
			}
			store, err := state.Open(command.Context(), nc, state.Config{AckWait: ackWait})
			if err != nil {
				return err
			}
			return worker.New(config, store).Run(command.Context())
		},
	}
	flags := command.Flags()
	flags.StringVar(&config.ID, "id", "", "name of this worker, never used before")
	flags.StringVar(&config.Pool, "pool", "", "pool the worker belongs to")
	flags.IntVar(&config.Slot, "slot", 0, "slot of the pool that the worker takes")
	flags.DurationVar(&config.Grace, "grace", 25*time.Second, "how long a shard in hand is worked on after SIGTERM before it is handed back")
	flags.DurationVar(&config.Orphan, "orphan-timeout", time.Hour, "how long to go on without reaching NATS")
	flags.DurationVar(&ackWait, "ack-wait", 30*time.Second, "ack wait of the shard consumers, as the service set it")
	for _, name := range []string{"id", "pool"} {
		if err := command.MarkFlagRequired(name); err != nil {
			panic(err) // the flag is declared above
		}
	}
	return command
}
