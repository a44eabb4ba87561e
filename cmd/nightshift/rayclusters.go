package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/apiserver"
	"nightshift.dev/nightshift/raycluster"
)

const (
	// listWithin bounds the reading of RayClusters and pods.
	listWithin = 30 * time.Second
	// askWithin bounds the question to the service: without it the table has less in it.
	askWithin = 3 * time.Second
)

// kubeOptions say which API server and namespace, as kubectl's flags do. --context is that of NATS.
type kubeOptions struct{ context, namespace string }

func (o *kubeOptions) flags(command *cobra.Command) {
	command.Flags().StringVar(&o.context, "kube-context", "", "context of the kubeconfig (default: its current one)")
	command.Flags().StringVarP(&o.namespace, "namespace", "n", "", "namespace (default: that of the context)")
}

// connect gives the API server, and the namespace.
func (o *kubeOptions) connect() (*rest.Config, string, error) {
	config, namespace, err := apiserver.ConnectIn(o.context)
	if o.namespace != "" {
		namespace = o.namespace
	}
	return config, namespace, err
}

func (p *program) rayClustersCommand() *cobra.Command {
	var kube kubeOptions
	var everywhere bool
	var format *printFormat
	command := &cobra.Command{
		Use:     "rayclusters [NAME]",
		Aliases: []string{"raycluster"},
		Short:   "Show the worker groups of RayClusters: wanted, ready, warm, draining, model and why",
		Long: `Rayclusters reads RayClusters and their pods as kubectl does, and asks the service for what Kubernetes does not know: which workers are warm, with which
model, which drain, and why. Where the service cannot be reached these are dashes, and why is what stands on the RayCluster.

A file or link with the name kubectl-nightshift in PATH makes it "kubectl nightshift".`,
		Example: `  nightshift rayclusters -n scoring
  kubectl nightshift -A
  kubectl nightshift rayclusters nightly -n scoring -o json`,
		Args: arguments(0, 1, "a RayCluster"),
		RunE: func(command *cobra.Command, args []string) error {
			config, namespace, err := kube.connect()
			if err != nil {
				return err
			}
			if everywhere {
				namespace = ""
			}
			ctx, cancel := context.WithTimeout(command.Context(), listWithin)
			defer cancel()
			direct, err := raycluster.NewDirect(config, namespace)
			if err != nil {
				return err
			}
			defer direct.Close()
			groups, err := direct.Groups(ctx, strings.Join(args, ""))
			if err != nil {
				return err
			}
			if len(groups) == 0 && len(args) == 1 {
				return fmt.Errorf("there is no RayCluster %s in %s", args[0], inNamespace(namespace))
			}
			pools, unreachable := p.pools(command.Context())
			rows := joinGroups(groups, pools)
			if format.machine() {
				return format.print(command.OutOrStdout(), rows)
			}
			if len(groups) == 0 {
				fmt.Fprintf(command.ErrOrStderr(), "there are no RayClusters in %s\n", inNamespace(namespace))
				return nil
			}
			if unreachable != nil {
				fmt.Fprintf(command.ErrOrStderr(), "warm, draining and model are not known: %v\n", unreachable)
			}
			return p.screen(command.OutOrStdout()).table(groupTable(rows, everywhere))
		},
	}
	kube.flags(command)
	command.Flags().BoolVarP(&everywhere, "all-namespaces", "A", false, "those of all namespaces")
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

func inNamespace(namespace string) string {
	if namespace == "" {
		return "any namespace"
	}
	return "namespace " + namespace
}

// pools asks the service how its pools stand.
func (p *program) pools(ctx context.Context) ([]orchestrator.PoolStatus, error) {
	client, err := p.client()
	if err != nil {
		return nil, err
	}
	defer client.close()
	client.within = min(client.within, askWithin)
	answer, err := request[api.PoolsResponse](ctx, client, "pools", api.PoolsRequest{})
	var refused *api.Error
	if errors.As(err, &refused) {
		err = fmt.Errorf("the service refuses: %s", refused.Message)
	}
	return answer.Pools, err
}

// groupRow is a worker group, and the pool that it is; nil: none of this service, or the service was not reached.
type groupRow struct {
	raycluster.GroupStatus
	Pool *orchestrator.PoolStatus `json:"pool,omitempty"`
}

func joinGroups(groups []raycluster.GroupStatus, pools []orchestrator.PoolStatus) []groupRow {
	rows := make([]groupRow, 0, len(groups))
	for _, group := range groups {
		row := groupRow{GroupStatus: group}
		if at := slices.IndexFunc(pools, func(pool orchestrator.PoolStatus) bool {
			return pool.RayCluster == group.Namespace+"/"+group.RayCluster && pool.Group == group.Group
		}); at >= 0 {
			row.Pool = &pools[at]
		}
		rows = append(rows, row)
	}
	return rows
}

func groupTable(rows []groupRow, everywhere bool) [][]cell {
	head := []string{"RAYCLUSTER", "GROUP", "WANTED", "READY", "STARTING", "WARM", "DRAINING", "MODEL", "WHY"}
	if everywhere {
		head = append([]string{"NAMESPACE"}, head...)
	}
	table := [][]cell{cells(head...)}
	for _, row := range rows {
		wanted, warm, draining, model := fmt.Sprint(row.Wanted), "-", "-", "-"
		if pool := row.Pool; pool != nil {
			warm, draining, model = fmt.Sprint(pool.Warm), fmt.Sprint(pool.Draining), models(pool.Models)
			if !pool.Observe {
				wanted = fmt.Sprint(pool.Planned)
			}
		}
		texts := []string{row.RayCluster, row.Group, wanted, fmt.Sprint(row.Ready), starting(row.GroupStatus), warm, draining, model, why(row)}
		if everywhere {
			texts = append([]string{row.Namespace}, texts...)
		}
		table = append(table, cells(texts...))
	}
	return table
}

// starting says how far those have come that are not ready.
func starting(group raycluster.GroupStatus) string {
	var parts []string
	for _, part := range []struct {
		count int
		phase string
	}{{group.Gated, "gated"}, {group.Pending, "pending"}, {group.Starting, "starting"}} {
		if part.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.count, part.phase))
		}
	}
	if len(parts) == 0 {
		return "0"
	}
	return strings.Join(parts, ", ")
}

// models names those that warm workers hold, with the number of workers where they are several.
func models(list []orchestrator.ModelCount) string {
	var parts []string
	for _, one := range list {
		if len(list) == 1 {
			return one.Model
		}
		parts = append(parts, fmt.Sprintf("%s (%d)", one.Model, one.Workers))
	}
	return dash(strings.Join(parts, ", "))
}

// why is what the service says, or else what stands on the RayCluster, or who else sizes the group.
func why(row groupRow) string {
	switch {
	case row.Pool != nil && row.Pool.Observe:
		return fmt.Sprintf("observed only, %d planned: %s", row.Pool.Planned, row.Pool.Why)
	case row.Pool != nil && row.Pool.Why != "":
		return row.Pool.Why
	case row.Told != "":
		return row.Told
	case row.Sizer != "":
		return "not sized by nightshift: " + row.Sizer
	}
	return "-"
}
