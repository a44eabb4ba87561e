package faults

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator/api"
)

// interruptions of a pool of three, a tick every one and a half seconds: three times what a shard takes.
const interruptions = `{"metadata": {"gap_seconds": 150}, "granted": [3, 1, 3, 0, 2, 3, 0, 3, 2, 0, 1, 3]}`

// W1 to W5, W8, W9, W12, W13: a provider takes spot workers away again and again, without notice and with too short a one, and refuses others; nothing is
// lost, nothing doubled.
func TestInterruptedSpotWorkersLoseAndDoubleNothing(t *testing.T) {
	for _, notice := range []string{"0s", "300ms"} {
		t.Run(notice, func(t *testing.T) {
			in := install(t, setting{rows: 30_000, objects: 30, pause: .1, ack: time.Second, before: func(dir string) {
				docs := filepath.Join(dir, "docs.yaml")
				text, err := os.ReadFile(docs)
				if err != nil {
					t.Fatal(err)
				}
				spot := strings.Replace(string(text), "capacityType: on-demand", "capacityType: spot, notice: "+notice+", interruptions: {trace: trace.json, speed: 100}", 1)
				for file, content := range map[string]string{docs: spot, filepath.Join(dir, "trace.json"): interruptions} {
					if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}})
			job := in.submit("k")
			in.check(in.finish(job.ID, 120*time.Second), 30_000)
			explained, err := request[api.ExplainResponse](in, "explain", map[string]any{})
			if err != nil || len(explained.Pools) != 1 {
				t.Fatalf("explain: %v, %d pools", err, len(explained.Pools))
			}
			ledger := explained.Pools[0].Ledger
			t.Logf("%d workers taken away, %d killed, %d requests refused", ledger.Taken, ledger.Killed, ledger.Refused)
			if ledger.Taken < 3 || ledger.Refused < 1 || notice == "0s" && ledger.Killed != ledger.Taken {
				t.Errorf("the provider did too little: the test has shown nothing (%+v)", ledger)
			}
			if notice != "0s" && ledger.Killed == ledger.Taken {
				t.Errorf("none of %d workers handed its shard back within the notice", ledger.Taken)
			}
		})
	}
}
