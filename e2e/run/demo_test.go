package run

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestInterruptedDemo: make demo-spot ends with everything it has started, at Ctrl-C too, whenever that is; the next one begins anew and tells what it came to.
func TestInterruptedDemo(t *testing.T) {
	x := newTree(t)
	x.must(os.CopyFS(filepath.Join(x.dir, "examples", "spot"), os.DirFS("../../examples/spot")))
	data := filepath.Join(x.dir, "trace.json") // three seconds a tick
	x.must(os.WriteFile(data, []byte(`{"metadata":{"gap_seconds":600},"data":[0,0,1,0]}`), 0o600))
	x.script, x.env = "scripts/demo_spot.py", []string{"ROWS=6000", "WITHIN=40s", "DATA=" + data}
	for _, most := range []time.Duration{2 * time.Second, 12 * time.Second} {
		after := time.Duration(rand.Int64N(int64(most)))
		code := x.run(after)
		if starting := !strings.Contains(x.said(), "\n== "); code != 130 && code != 0 && !starting {
			t.Fatalf("interrupted after %s, the script ended with %d, want 130\n%s", after, code, x.said())
		}
		x.nothingRuns(after)
	}
	code, said := x.run(0), x.said()
	x.nothingRuns(0)
	for _, want := range []string{"trace: \"" + data, "worker taken away", "Optimum  ", "6000 of 6000, 0 twice"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if code != 0 || t.Failed() {
		t.Errorf("ended with %d\n%s", code, said)
	}
}
