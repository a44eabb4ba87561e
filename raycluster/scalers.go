package raycluster

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// scalersEvery is how often it is looked who else scales: nobody begins to within seconds.
	scalersEvery   = 10 * time.Second
	scalersTimeout = 5 * time.Second
)

// scalers knows the objects of a namespace that size others.
type scalers struct {
	mu   sync.Mutex
	hpas []Scaler
	keda []Scaler
}

func (s *scalers) all() []Scaler {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(append([]Scaler{}, s.hpas...), s.keda...)
}

// run looks again and again until ctx ends. What cannot be listed, for want of a right or of the kind, stays as it was.
func (s *scalers) run(ctx context.Context, kube kubernetes.Interface, namespace string) {
	ticker := time.NewTicker(scalersEvery)
	defer ticker.Stop()
	for {
		s.look(ctx, kube, namespace)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *scalers) look(ctx context.Context, kube kubernetes.Interface, namespace string) {
	ctx, cancel := context.WithTimeout(ctx, scalersTimeout)
	defer cancel()
	if list, err := kube.AutoscalingV2().HorizontalPodAutoscalers(namespace).List(ctx, metav1.ListOptions{}); err == nil {
		var found []Scaler
		for _, one := range list.Items {
			found = append(found, Scaler{"HorizontalPodAutoscaler", one.Name, one.Spec.ScaleTargetRef.Kind, one.Spec.ScaleTargetRef.Name})
		}
		s.mu.Lock()
		s.hpas = found
		s.mu.Unlock()
	}
	if data, err := kube.CoreV1().RESTClient().Get().AbsPath("/apis/keda.sh/v1alpha1/namespaces/" + namespace + "/scaledobjects").DoRaw(ctx); err == nil {
		found, err := scaledObjects(data)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.keda = found
		s.mu.Unlock()
	}
}

// scaledObjects reads a list of KEDA's ScaledObjects, of which no Go type is at hand.
func scaledObjects(data []byte) (found []Scaler, err error) {
	var list struct {
		Items []struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
			Spec struct {
				Target struct {
					Kind string `json:"kind"`
					Name string `json:"name"`
				} `json:"scaleTargetRef"`
			} `json:"spec"`
		} `json:"items"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, err
	}
	for _, one := range list.Items {
		found = append(found, Scaler{"ScaledObject", one.Metadata.Name, one.Spec.Target.Kind, one.Spec.Target.Name})
	}
	return found, nil
}
