package raycluster

import (
	"encoding/json"
	"fmt"
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
	guards := []operation{{"test", at + "/groupName", name}, {"test", at + "/replicas", g.Written}}
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

// Told gives the JSON Patch that says why, and changes nothing else (RC9).
func Told(group, why string, annotated bool) []byte { return encode(told(group, why, annotated)) }

func told(group, why string, annotated bool) []operation {
	switch key := annotation(group); {
	case why == "":
		return nil
	case annotated:
		return []operation{{"add", "/metadata/annotations/" + strings.ReplaceAll(key, "/", "~1"), why}}
	default:
		return []operation{{"test", "/metadata/annotations", nil}, {"add", "/metadata/annotations", map[string]string{key: why}}}
	}
}

func encode(patch []operation) []byte {
	text, err := json.Marshal(patch)
	if err != nil {
		panic(err) // numbers, names and lists of them
	}
	return text
}
