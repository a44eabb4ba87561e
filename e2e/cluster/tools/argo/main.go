// Command argo runs the controller of Argo Workflows as its own command does (cmd/workflow-controller), without the server of its health, which
// listens on all addresses of a machine at a fixed port, and without the election of a leader.
//
// It takes the kubeconfig and a namespace: there it reads its settings, the ConfigMap workflow-controller-configmap.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	wfclientset "github.com/argoproj/argo-workflows/v3/pkg/client/clientset/versioned"
	"github.com/argoproj/argo-workflows/v3/util/logs"
	"github.com/argoproj/argo-workflows/v3/workflow/common"
	"github.com/argoproj/argo-workflows/v3/workflow/controller"
	"github.com/argoproj/argo-workflows/v3/workflow/metrics"
	"k8s.io/client-go/kubernetes"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // as the command has
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run has the numbers of the command's own flags.
func run(ctx context.Context, kubeconfig, namespace string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 20, 30
	logs.AddK8SLogTransportWrapper(config)
	metrics.AddMetricsTransportWrapper(ctx, config)
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	workflows, err := wfclientset.NewForConfig(config)
	if err != nil {
		return err
	}
	c, err := controller.NewWorkflowController(ctx, config, kube, workflows, namespace, "", "argoexec", "", "text", common.ConfigMapName, false)
	if err != nil {
		return err
	}
	c.Run(ctx, 32, 4, 4, 8, 8)
	return nil
}
