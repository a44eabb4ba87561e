package apiserver

import (
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Requests that a client may have on their way to one API server: a burst of backlogs resizes many groups at once.
const (
	queriesPerSecond = 100
	queriesAtOnce    = 200
)

// Connect finds the API server as kubectl does: by KUBECONFIG, ~/.kube/config, or the service account of this pod. name is a context of the file; empty: the current one.
func Connect(name string) (*rest.Config, error) {
	config, _, err := ConnectIn(name)
	return config, err
}

// ConnectIn gives the namespace of the context, too.
func ConnectIn(name string) (config *rest.Config, namespace string, err error) {
	found := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{CurrentContext: name})
	if config, err = found.ClientConfig(); err == nil {
		namespace, _, err = found.Namespace()
	}
	if err != nil {
		return nil, "", fmt.Errorf("find the Kubernetes API server (KUBECONFIG, ~/.kube/config, or a service account): %w", err)
	}
	config.QPS, config.Burst, config.UserAgent = queriesPerSecond, queriesAtOnce, "nightshift"
	return config, namespace, nil
}
