package workflows

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	corev1 "k8s.io/api/core/v1"
)

// Limit is what the semaphore of a pool shall be (AW10): as many as stay, never below 1.
func Limit(staying int) int { return max(staying, 1) }

// operation is one of a JSON Patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Patch gives the JSON Patch that makes the key of the ConfigMap, as it was read, that limit, or nil where it is that already (AW10).
func Patch(semaphore *corev1.ConfigMap, key string, limit int) []byte {
	text := strconv.Itoa(limit)
	at := "/data/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
	was, there := semaphore.Data[key]
	var patch []operation
	switch {
	case was == text:
		return nil
	case there:
		patch = []operation{{"test", at, was}, {"replace", at, text}}
	case len(semaphore.Data) > 0:
		patch = []operation{{"test", at, nil}, {"add", at, text}}
	default:
		patch = []operation{{"test", "/data", nil}, {"add", "/data", map[string]string{key: text}}}
	}
	encoded, err := json.Marshal(patch)
	if err != nil {
		panic(err) // texts
	}
	return encoded
}

// lockName is how Argo calls the lock of a key.
func lockName(namespace, configMap, key string) string {
	return namespace + "/ConfigMap/" + configMap + "/" + key
}

// Holders counts the workflows, and steps of workflows, that hold a lock.
func Holders(workflows []*wfv1.Workflow, lock string) int {
	holders := map[string]bool{}
	for _, one := range workflows {
		if one.Status.Synchronization == nil || one.Status.Synchronization.Semaphore == nil || one.Status.Phase.Completed() {
			continue
		}
		for _, holding := range one.Status.Synchronization.Semaphore.Holding {
			if holding.Semaphore != lock {
				continue
			}
			for _, holder := range holding.Holders {
				holders[holder] = true
			}
		}
	}
	return len(holders)
}

// trouble says what is wrong between a semaphore and its holders (AW19); empty: nothing. leaving counts the runners that leave and have a pod.
func trouble(runners []Runner, holders, limit, leaving int, now time.Time) string {
	for _, one := range runners {
		switch {
		case one.Phase != PhaseWaiting || now.Sub(one.Created) < grantLimit:
		case !one.Taken:
			return fmt.Sprintf("no controller takes runner %s: does Argo's run, and look after this namespace?", one.Name)
		case holders < limit:
			return fmt.Sprintf("runner %s waits, and %d of %d locks are free: may Argo's controller watch ConfigMaps here, or does a suspended workflow stand first in the queue?", one.Name, limit-holders, limit)
		}
	}
	if holders > limit+leaving {
		return fmt.Sprintf("%d hold a semaphore of %d, and %d of them are runners that leave: others keep theirs until they end", holders, limit, leaving)
	}
	return ""
}
