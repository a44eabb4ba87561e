package catalog

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// An artifact is named by a path beside its document or by an absolute one; its content is part of the model's digest either way.
func TestArtifactsAreFoundByTheirPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	weights := write("weights.bin", "one")
	digest := func(artifact string) string {
		documents := write("docs.yaml", fmt.Sprintf("apiVersion: nightshift.dev/v1alpha1\nkind: Model\nmetadata: {name: m}\nspec: {scorer: {command: [x]}, artifacts: [%s]}\n", artifact))
		set, err := Read([]string{documents})
		if err != nil {
			t.Fatal(err)
		}
		snapshot, err := New(set, "").ModelSnapshot("m", nil)
		if err != nil {
			t.Fatal(err)
		}
		return snapshot.Digest
	}
	for _, artifact := range []string{"weights.bin", weights} {
		write("weights.bin", "one")
		before := digest(artifact)
		write("weights.bin", "another")
		if digest(artifact) == before {
			t.Errorf("%s: another content gives the same digest", artifact)
		}
	}
}
