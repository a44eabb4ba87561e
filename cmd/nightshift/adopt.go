package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/document/notation"
	"nightshift.dev/nightshift/raycluster"
)

// adoptOptions are what no cluster tells.
type adoptOptions struct {
	kube          kubeOptions
	scaledObject  string
	rowsPerSecond float64
	load          time.Duration
	within        time.Duration
	apply         bool
}

func (p *program) adoptCommand() *cobra.Command {
	var o adoptOptions
	command := &cobra.Command{
		Use:   "adopt RAYCLUSTER",
		Short: "Write documents for the worker groups of a RayCluster, and say what has to change for nightshift to size them",
		Long: `Adopt reads a RayCluster as kubectl does and writes documents for its worker groups that only observe (docs/observe.md): nightshift plans beside whoever sizes
them today, and changes nothing. With --scaled-object it writes the queue, too, that the triggers of a KEDA ScaledObject read.

Before the documents, as comments, stand the exact change by which Ray's autoscaler gives the groups up, and what else keeps them from being sized. With --apply that
change is made, guarded by what was read, and no documents are written.`,
		Example: `  kubectl nightshift adopt nightly -n scoring > nightly.yaml
  kubectl nightshift adopt nightly -n scoring --scaled-object scorer --rows-per-second 400 --load 20s > nightly.yaml
  kubectl nightshift adopt nightly -n scoring --apply`,
		Args: arguments(1, 1, "a RayCluster"),
		RunE: func(command *cobra.Command, args []string) error {
			if o.scaledObject != "" && o.rowsPerSecond <= 0 {
				return &usageError{message: "--scaled-object needs --rows-per-second: how many messages one of its consumers takes, which no trigger says and a plan depends on"}
			}
			ctx, cancel := context.WithTimeout(command.Context(), listWithin)
			defer cancel()
			return o.run(ctx, command.OutOrStdout(), args[0])
		},
	}
	o.kube.flags(command)
	flags := command.Flags()
	flags.StringVar(&o.scaledObject, "scaled-object", "", "KEDA ScaledObject in the same namespace whose triggers become a queue")
	flags.Float64Var(&o.rowsPerSecond, "rows-per-second", 0, "how many messages one replica takes in a second")
	flags.DurationVar(&o.load, "load", 30*time.Second, "how long one replica loads its model")
	flags.DurationVar(&o.within, "finish-within", 15*time.Minute, "how old a message may get")
	flags.BoolVar(&o.apply, "apply", false, "make the change")
	return command
}

func (o *adoptOptions) run(ctx context.Context, out io.Writer, name string) error {
	config, namespace, err := o.kube.connect()
	if err != nil {
		return err
	}
	direct, err := raycluster.NewDirect(config, namespace)
	if err != nil {
		return err
	}
	defer direct.Close()
	seen, err := direct.Look(ctx, name)
	if err != nil {
		return fmt.Errorf("read RayCluster %s/%s: %w", namespace, name, err)
	}
	adoption := raycluster.Adopt(seen)
	if o.apply {
		return change(ctx, out, direct, name, adoption)
	}
	set := document.Set{Pools: adoptedPools(o.kube.context, namespace, name, adoption.Groups)}
	var left []string
	if o.scaledObject != "" {
		triggers, err := direct.Triggers(ctx, o.scaledObject)
		if err != nil {
			return err
		}
		if left, err = o.addQueue(&set, triggers); err != nil {
			return err
		}
	}
	text, err := set.Encode()
	if err != nil {
		return err
	}
	if _, err := document.Decode(document.File{Name: "as a document", Data: text}); err != nil {
		return fmt.Errorf("what is there cannot be written as documents: %w", err)
	}
	o.say(out, namespace, name, adoption, left)
	_, err = out.Write(text)
	return err
}

// change makes the change, and says what else is in the way.
func change(ctx context.Context, out io.Writer, direct raycluster.Direct, name string, adoption raycluster.Adoption) error {
	if adoption.Patch == nil {
		fmt.Fprintln(out, "nothing to change")
		return nil
	}
	if err := direct.Apply(ctx, name, adoption.Patch); err != nil {
		return fmt.Errorf("change RayCluster %s: %w", name, err)
	}
	fmt.Fprintf(out, "raycluster.ray.io/%s patched\n", name)
	sayHurdles(out, adoption.Hurdles, "")
	return nil
}

// say writes, as comments, what to do with the documents and with the RayCluster.
func (o *adoptOptions) say(out io.Writer, namespace, name string, adoption raycluster.Adoption, left []string) {
	fmt.Fprintf(out, "# The worker groups of RayCluster %s/%s, observed only: nightshift run -f FILE, then nightshift explain.\n# Prices are not known there: add price to the pools, and what they cost is told, too.\n", namespace, name)
	for _, one := range left {
		fmt.Fprintf(out, "# Not carried over: %s\n", one)
	}
	fmt.Fprintln(out, "#\n# For nightshift to size them:")
	if adoption.Patch != nil {
		fmt.Fprintf(out, "# - Ray's autoscaler gives them up by this change, which adopt --apply makes:\n#     %s\n", raycluster.PatchCommand(namespace, name, adoption.Patch))
	}
	sayHurdles(out, adoption.Hurdles, "# - ")
	fmt.Fprintln(out, "# - take mode: observe away; nightshift doctor -f FILE says what is still in the way.")
}

func sayHurdles(out io.Writer, hurdles []string, before string) {
	for _, one := range hurdles {
		fmt.Fprintf(out, "%s%s\n", before, one)
	}
}

// adoptedPools are a pool for each group, observed only.
func adoptedPools(context, namespace, cluster string, groups []raycluster.AdoptedGroup) (pools []document.Pool) {
	for _, group := range groups {
		pool := document.NewPool(poolName(cluster, group.Name))
		pool.Spec.Mode, pool.Spec.Engine, pool.Spec.StartTime = document.ModeObserve, document.EngineRay, 3*time.Minute
		if group.Spot {
			pool.Spec.CapacityType = "spot"
		}
		pool.Spec.Replicas = document.Replicas{Min: min(group.Min, mostAdopted), Max: min(group.Max, mostAdopted)}
		pool.Spec.Ray = &document.WorkerGroup{
			Context: context, Namespace: namespace, Cluster: cluster, Group: group.Name, Actor: document.Actor{CPUs: 1}, GrantLimit: 30 * time.Second, RetryAfter: 3 * time.Minute, Autoscaler: document.AutoscalerRefuse,
		}
		pools = append(pools, pool)
	}
	return pools
}

// mostAdopted is the most replicas that a document allows: groups without maxReplicas have a bound of 2^31.
const mostAdopted = 10_000

// poolName is the name of a pool for a group: a DNS label.
func poolName(cluster, group string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(cluster+"-"+group))
	return strings.Trim(name[max(0, len(name)-notation.MaxName):], "-")
}

// addQueue makes a queue of the first trigger that is a backlog; left are the others, as sentences.
func (o *adoptOptions) addQueue(set *document.Set, triggers []raycluster.Trigger) (left []string, err error) {
	queue := document.NewQueue(poolName("", o.scaledObject))
	queue.Spec.Mode, queue.Spec.Delivery, queue.Spec.Model = document.ModeObserve, document.DeliveryExternal, "adopted"
	queue.Spec.Objective.FinishWithin = o.within
	for _, pool := range set.Pools {
		queue.Spec.Pools = append(queue.Spec.Pools, pool.Name)
	}
	for _, trigger := range triggers {
		if queue.Spec.Source == document.SourceJobs && takeTrigger(&queue.Spec, trigger) {
			continue
		}
		left = append(left, "trigger "+trigger.Type+" of ScaledObject "+o.scaledObject)
	}
	if queue.Spec.Source == document.SourceJobs {
		return nil, fmt.Errorf("ScaledObject %s has no trigger that is a backlog; allowed: nats-jetstream, kafka, apache-kafka", o.scaledObject)
	}
	model := document.NewModel("adopted")
	model.Spec.Scorer.Command = []string{"true"}
	model.Spec.Profile = &document.Profile{Load: o.load, Batches: []document.BatchSpeed{{Rows: 1, RowsPerSecond: o.rowsPerSecond}}}
	set.Models, set.Queues = []document.Model{model}, []document.Queue{queue}
	return left, nil
}

// takeTrigger says whether the trigger is a backlog (KEDA 2.18, documentation of its scalers).
func takeTrigger(spec *document.QueueSpec, trigger raycluster.Trigger) bool {
	of := trigger.Metadata
	switch trigger.Type {
	case "nats-jetstream":
		spec.Source, spec.NATS = document.SourceNATS, &document.NATSConsumer{Stream: of["stream"], Consumer: of["consumer"]}
	case "kafka", "apache-kafka":
		sasl := map[string]string{"plaintext": "PLAIN", "scram_sha256": "SCRAM-SHA-256", "scram_sha512": "SCRAM-SHA-512"}[of["sasl"]]
		spec.Source, spec.Kafka = document.SourceKafka, &document.KafkaGroup{
			Brokers: strings.Split(of["bootstrapServers"], ","), Topic: of["topic"], Group: of["consumerGroup"], Isolation: "read_committed", Start: cmp.Or(of["offsetResetPolicy"], "latest"),
			TLS: of["tls"] == "enable", SASL: sasl,
		}
	default:
		return false
	}
	return true
}
