package raycluster

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"nightshift.dev/nightshift/e2e/clustertest"
)

// kube is the program under test and a namespace of the test's own.
type kube struct{ *clustertest.Service }

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// group is the worker group of the test's RayCluster.
type group struct {
	Replicas      int `json:"replicas"`
	ScaleStrategy struct {
		WorkersToDelete []string `json:"workersToDelete"`
	} `json:"scaleStrategy"`
}

type rayCluster struct {
	Metadata struct {
		Annotations     map[string]string `json:"annotations"`
		ResourceVersion string            `json:"resourceVersion"`
	} `json:"metadata"`
	Spec struct {
		Groups []group `json:"workerGroupSpecs"`
	} `json:"spec"`
}

func (k *kube) cluster() (of rayCluster) {
	k.Helper()
	if err := json.Unmarshal([]byte(k.Must("get", "raycluster", "scoring", "-o", "json")), &of); err != nil {
		k.Fatal(err)
	}
	return of
}

// group is the spot group, the first.
func (k *kube) group() group {
	k.Helper()
	return k.cluster().Spec.Groups[0]
}

type pod struct {
	Metadata struct {
		Name     string `json:"name"`
		Deletion string `json:"deletionTimestamp"`
	} `json:"metadata"`
	Status struct {
		Conditions []struct{ Type, Status string } `json:"conditions"`
	} `json:"status"`
}

func (p pod) ready() bool {
	for _, one := range p.Status.Conditions {
		if one.Type == "Ready" {
			return one.Status == "True" && p.Metadata.Deletion == ""
		}
	}
	return false
}

func (k *kube) pods(ctx context.Context) map[string]pod {
	text, err := k.Try(ctx, "get", "pods", "-l", "ray.io/node-type=worker", "-o", "json")
	var list struct {
		Items []pod `json:"items"`
	}
	if err != nil || json.Unmarshal([]byte(text), &list) != nil {
		return nil
	}
	pods := map[string]pod{}
	for _, one := range list.Items {
		pods[one.Metadata.Name] = one
	}
	return pods
}

// until waits for a condition of the cluster.
func (k *kube) until(what string, holds func() bool) {
	k.Helper()
	k.Until(what, "raycluster,pods", holds)
}
