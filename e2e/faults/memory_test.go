package faults

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator/api"
)

// H2, H3, H4, H5, H7, H8, H9: three workers share 600 MiB, and the profile says that this is enough. Some batches need more than a third: the scorers are ended, fewer workers share, and the
// plan says so. No row is blamed for that, only the one that needs more than there is.
func TestScorersGetTheMemoryTheyNeed(t *testing.T) {
	marks := map[int]string{700: "swell 800"}
	for i := 50; i < 1000; i += 400 {
		marks[i] = "swell 250"
	}
	in := install(t, setting{rows: 1000, ack: 5 * time.Second, row: marked(marks), before: shareMemory(t)})
	id := in.submit("k").ID
	needs := regexp.MustCompile(`1 worker has a replica of 600 MiB, not 3: a worker with model echo needs \d+ MiB`)
	said := regexp.MustCompile(`memory +its scorer was ended for want of memory at \d+ MiB: half as much again`)
	in.eventually("the plan says why a worker needs more", 30*time.Second, func() bool { return said.MatchString(in.explain()) })
	in.eventually("the plan says that fewer share", 30*time.Second, func() bool { return needs.MatchString(in.explain()) })
	job := in.finish(id, 90*time.Second)
	in.check(job, 1000, 700)
	lines, err := os.ReadFile(strings.TrimPrefix(job.Errors, "file://"))
	if err != nil || !bytes.Contains(lines, []byte(`"code":"memory_limit"`)) || !bytes.Contains(lines, []byte("more than its limit of 600 MiB")) {
		t.Errorf("errors: %v\n%s", err, lines)
	}
}

// shareMemory lets the three workers be one replica.
func shareMemory(t *testing.T) func(dir string) {
	return func(dir string) {
		path := filepath.Join(dir, "docs.yaml")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.NewReplacer(
			"  memoryLimit: 256Mi", "  profile: {load: 1s, memory: 100Mi, batches: [{rows: 200, rowsPerSecond: 1000}]}",
			"replicas: {max: 3}", "replicas: {max: 1}, slotsPerReplica: 3, memoryPerReplica: 600Mi",
		).Replace(string(text))
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (in *installation) explain() string {
	in.t.Helper()
	answer, err := request[api.ExplainResponse](in, "explain", map[string]any{})
	if err != nil {
		in.t.Fatalf("explain: %v", err)
	}
	return answer.Text
}
