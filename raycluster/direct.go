package raycluster

import (
	"context"
	"fmt"

	"k8s.io/client-go/rest"
)

// Direct asks the API server about a namespace, without watches, for commands that look once.
type Direct struct{ in *Namespace }

// NewDirect prepares it; whoever does so closes it.
func NewDirect(config *rest.Config, namespace string) (Direct, error) {
	in, err := NewNamespace(config, namespace, nil, func(string) {})
	return Direct{in}, err
}

// Close ends what was prepared.
func (d Direct) Close() { d.in.events.Shutdown() }

// Look reads a RayCluster whole, its pods and who scales it.
func (d Direct) Look(ctx context.Context, name string) (Seen, error) {
	d.in.scalers.look(ctx, d.in.kube, d.in.name)
	seen := (clusterOf{d.in, name}).Look(ctx)
	return seen, seen.Err
}

// Apply makes a change of a RayCluster. An error says that nothing was changed, or that nobody knows.
func (d Direct) Apply(ctx context.Context, name string, patch []byte) error {
	_, err := (clusterOf{d.in, name}).Patch(ctx, patch)
	return err
}

// Triggers reads those of a ScaledObject.
func (d Direct) Triggers(ctx context.Context, name string) ([]Trigger, error) {
	data, err := d.in.kube.CoreV1().RESTClient().Get().AbsPath("/apis/keda.sh/v1alpha1/namespaces/" + d.in.name + "/scaledobjects/" + name).DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("read ScaledObject %s/%s: %w", d.in.name, name, err)
	}
	return decodeTriggers(data)
}
