package raycluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// operation is one of a JSON Patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Change is what a patch makes of a group.
type Change struct {
	Replicas int
	// Delete are the pods that go: those named before that are still there, and those that go with this change. KubeRay deletes them whatever replicas says.
	Delete []string
	// Why is told in the annotation of the group; empty: it stays as it is.
	Why string
	// Annotated says that the RayCluster has annotations.
	Annotated bool
}

// annotation is where the story of a group stands.
func annotation(group string) string { return "nightshift.dev/plan-" + group }

// Patch gives the JSON Patch that makes the change of the group as it was read (RC10, RC11), or nil where there is nothing to change but words.
func (g Group) Patch(name string, change Change) []byte {
	at := fmt.Sprintf("/spec/workerGroupSpecs/%d", g.Place)
	guards := append(g.guards(name), operation{"test", at + "/replicas", g.Written})
	var changes []operation
	if change.Replicas != g.Replicas {
		changes = append(changes, operation{"replace", at + "/replicas", change.Replicas})
	}
	if !slices.Equal(g.Named, change.Delete) {
		if len(g.Named) > 0 {
			guards = append(guards, operation{"test", at + "/scaleStrategy/workersToDelete", g.Named})
		}
		changes = append(changes, operation{"add", at + "/scaleStrategy", map[string][]string{"workersToDelete": append([]string{}, change.Delete...)}})
	}
	if len(changes) == 0 {
		return nil
	}
	return encode(append(append(guards, changes...), told(name, change.Why, change.Annotated)...))
}

// guards test that the group is where it was, and that its mode is the one that was read (MB1).
func (g Group) guards(name string) []operation {
	return []operation{{"test", fmt.Sprintf("/spec/workerGroupSpecs/%d/groupName", g.Place), name}, {"test", "/spec/enableInTreeAutoscaling", g.InTree}}
}

// Told gives the JSON Patch that says why, and changes nothing else (RC9).
func Told(group, why string, annotated bool) []byte { return encode(told(group, why, annotated)) }

func told(group, why string, has bool) []operation {
	if why == "" {
		return nil
	}
	return annotated(map[string]string{annotation(group): why}, has)
}

// annotated writes annotations; has says that there are some already.
func annotated(texts map[string]string, has bool) (patch []operation) {
	if !has {
		return []operation{{"test", "/metadata/annotations", nil}, {"add", "/metadata/annotations", texts}}
	}
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		patch = append(patch, operation{"add", "/metadata/annotations/" + strings.ReplaceAll(key, "/", "~1"), texts[key]})
	}
	return patch
}

func encode(patch []operation) []byte {
	text, err := json.Marshal(patch)
	if err != nil {
		panic(err) // numbers, names and lists of them
	}
	return text
}
