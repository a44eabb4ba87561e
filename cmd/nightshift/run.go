package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// serviceFlags adds the flags that `dev` and `run` share.
func serviceFlags(command *cobra.Command, options *serviceOptions) {
	flags := command.Flags()
	flags.StringSliceVarP(&options.documents, "file", "f", []string{"nightshift.yaml"}, "documents: files or folders of *.yaml")
	flags.StringVar(&options.dir, "dir", ".nightshift", "folder for everything that has to survive a restart")
	flags.DurationVar(&options.ackWait, "ack-wait", 30*time.Second, "silence after which a shard is given to another worker")
	flags.DurationVar(&options.grace, "grace", 25*time.Second, "how long a worker may finish its shard when it is told to end")
	flags.Int64Var(&options.maxStore, "max-store", 1<<30, "bytes that each of the streams may hold; a full one refuses submits")
}

func (p *program) runCommand() *cobra.Command {
	var options serviceOptions
	var lease string
	command := &cobra.Command{
		Use:   "run",
		Short: "Run the service against an existing NATS server",
		Long: `Run the service against an existing NATS server: that of --nats or --context, else ` + defaultAddress + `. Its local workers connect in the same way;
credentials and certificates are those of the context.

With --lease it serves only while it holds that Lease of the Kubernetes API, and others with the same flag stand by; one that has lost it ends with exit code 1.
Two that serve at once for a moment do no harm, since every write is guarded by what was read.`,
		Example: "  nightshift run --context production --replicas 3 -f documents/",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			log := slog.New(slog.NewTextHandler(os.Stderr, nil))
			p.ignoreDev = true // it has a service of its own
			options.orphanTimeout = time.Hour
			serve := func(ctx context.Context) error { return p.serve(ctx, options, log) }
			if lease != "" {
				return lead(command.Context(), lease, log, serve)
			}
			return serve(command.Context())
		},
	}
	serviceFlags(command, &options)
	command.Flags().IntVar(&options.replicas, "replicas", 1, "replicas of every stream; 3 in production")
	command.Flags().BoolVar(&options.keepWorkers, "keep-workers", false, "leave local workers running when the service ends")
	command.Flags().StringVar(&options.metrics, "metrics", "", "address at which Prometheus finds /metrics: HOST:PORT, or :PORT for this machine only (default: none)")
	command.Flags().StringVar(&lease, "lease", "", "serve only while holding this Lease of the Kubernetes API: [NAMESPACE/]NAME (default: none)")
	return command
}

// serve runs the service until ctx ends or a part of it fails.
func (p *program) serve(ctx context.Context, options serviceOptions, log *slog.Logger) error {
	nc, err := p.dial("nightshift service")
	if err != nil {
		return err
	}
	defer nc.Close()
	in, err := startService(ctx, nc, p.reach(), options, log)
	if err != nil {
		return err
	}
	log.Info("serving", "nats", redacted(nc.ConnectedUrl()), "dir", options.dir)
	if in.metrics != nil {
		log.Info("serving metrics", "address", "http://"+in.metrics.Address()+"/metrics")
	}
	return in.wait(ctx)
}

// wait serves until ctx ends or a part fails, and then stops in order.
func (in *installation) wait(ctx context.Context) error {
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-in.failed:
	}
	if err := in.stop(); err != nil && failed == nil {
		failed = err
	}
	return failed
}
