package document

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

func TestSnapshot(t *testing.T) {
	t.Parallel()
	set := decoded(t, installation)
	python, _ := set.Model("fraud")
	got, err := python.Snapshot(Resolution{
		Dir:        "/etc/nightshift",
		PythonPath: "/opt/python",
		Parameters: map[string]any{"threshold": 0.9},
		Hashes:     map[string]string{"model.onnx": "abc"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := orchestrator.ModelSnapshot{
		Name:         "fraud",
		Digest:       got.Digest,
		Command:      []string{"python3", "-m", "nightshift_scorer", "fraud:FraudModel", "--path", "/etc/nightshift/model"},
		Dir:          "/etc/nightshift/model",
		Env:          map[string]string{"A": "1", "PYTHONPATH": "/opt/python"},
		Parameters:   map[string]any{"threshold": 0.9, "trees": int64(10)},
		Columns:      map[string]string{"amount": "float64"},
		BatchRows:    2000,
		ReadyTimeout: 10 * time.Minute,
		BatchTimeout: 5 * time.Minute,
		MaxRowBytes:  1 << 20,
		MaxAttempts:  3,
		MaxLost:      10,
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got.Digest) != 64 {
		t.Errorf("digest %q (-want +got):\n%s", got.Digest, diff)
	}
	if diff := cmp.Diff(map[string]any{"threshold": 0.5, "trees": int64(10)}, python.Spec.Scorer.Parameters); diff != "" {
		t.Errorf("the document changed (-want +got):\n%s", diff)
	}

	command, _ := set.Model("unmeasured")
	got, err = command.Snapshot(Resolution{Dir: "/etc/nightshift", PythonPath: "/opt/python"})
	want = orchestrator.ModelSnapshot{
		Name: "unmeasured", Digest: got.Digest, Command: []string{"/etc/nightshift/bin/score", "--fast"}, Dir: "/etc/nightshift", BatchRows: 4096,
		ReadyTimeout: 10 * time.Minute, BatchTimeout: 5 * time.Minute, MaxRowBytes: 1 << 20, MaxAttempts: 3, MaxLost: 10,
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("command: error %v (-want +got):\n%s", err, diff)
	}
}

func TestSnapshotDigest(t *testing.T) {
	t.Parallel()
	model, _ := decoded(t, installation).Model("fraud")
	resolution := Resolution{Dir: "/a", Hashes: map[string]string{"model.onnx": "abc", "not ours": "x"}}
	first, err := model.Snapshot(resolution)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(m *Model, r *Resolution){
		"another folder":      func(_ *Model, r *Resolution) { r.Dir = "/b" },
		"another artifact":    func(_ *Model, r *Resolution) { r.Hashes = map[string]string{"model.onnx": "abd"} },
		"a job's parameter":   func(_ *Model, r *Resolution) { r.Parameters = map[string]any{"threshold": 0.6} },
		"another host":        func(_ *Model, r *Resolution) { r.PythonPath = "/opt" },
		"another class":       func(m *Model, _ *Resolution) { m.Spec.Scorer.Python = "fraud:Other" },
		"another interpreter": func(m *Model, _ *Resolution) { m.Spec.Scorer.Interpreter = "./venv/bin/python" },
		"another variable":    func(m *Model, _ *Resolution) { m.Spec.Scorer.Env = map[string]string{"A": "2"} },
		"another column":      func(m *Model, _ *Resolution) { m.Spec.Columns = map[string]string{"amount": "int64"} },
		"another time-out":    func(m *Model, _ *Resolution) { m.Spec.BatchTimeout++ },
	} {
		changed, to := model, resolution
		change(&changed, &to)
		second, err := changed.Snapshot(to)
		if err != nil || second.Digest == first.Digest {
			t.Errorf("%s: error %v, digest %s as before", name, err, second.Digest)
		}
	}
	resolution.Parameters = map[string]any{"threshold": 0.5, "trees": float64(10)}
	resolution.Hashes = map[string]string{"model.onnx": "abc"}
	if second, err := model.Snapshot(resolution); err != nil || second.Digest != first.Digest {
		t.Errorf("same content: error %v, digest %s, want %s", err, second.Digest, first.Digest)
	}
	_, err = model.Snapshot(Resolution{Dir: "/a"})
	if err == nil || !strings.Contains(err.Error(), `digest model fraud: no hash of artifact "model.onnx"`) {
		t.Errorf("without hashes: error %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		scorer     Scorer
		pythonPath string
		want       map[string]string
	}{
		{Scorer{Python: "a:B"}, "", nil},
		{Scorer{Python: "a:B"}, "/opt", map[string]string{"PYTHONPATH": "/opt"}},
		{Scorer{Python: "a:B", Env: map[string]string{"PYTHONPATH": "/own"}}, "/opt", map[string]string{"PYTHONPATH": "/opt:/own"}},
		{Scorer{Command: []string{"score"}, Env: map[string]string{"A": "1"}}, "/opt", map[string]string{"A": "1"}},
	} {
		if diff := cmp.Diff(test.want, test.scorer.environment(test.pythonPath)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.scorer, diff)
		}
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		scorer Scorer
		want   []string
	}{
		{Scorer{Python: "a:B", Interpreter: "python3.12", Path: "."}, []string{"python3.12", "-m", "nightshift_scorer", "a:B", "--path", "/d"}},
		{Scorer{Python: "a:B", Interpreter: ".venv/bin/python", Path: "../m"}, []string{"/d/.venv/bin/python", "-m", "nightshift_scorer", "a:B", "--path", "/m"}},
		{Scorer{Python: "a:B", Interpreter: "/usr/bin/python3", Path: "/m/"}, []string{"/usr/bin/python3", "-m", "nightshift_scorer", "a:B", "--path", "/m"}},
		{Scorer{Command: []string{"score", "./x"}}, []string{"score", "./x"}},
		{Scorer{Command: []string{"/bin/score"}}, []string{"/bin/score"}},
	} {
		if diff := cmp.Diff(test.want, test.scorer.command("/d")); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.scorer, diff)
		}
	}
}

func TestLocations(t *testing.T) {
	t.Parallel()
	set := decoded(t, installation)
	for name, want := range map[string]Locations{
		"nightly": {
			Read:   []string{"file:///etc/nightshift/data/", "file:///srv/data/", "s3://in/2026/?region=eu-central-1"},
			Write:  []string{"file:///etc/results/", "file:///etc/nightshift/up/load/"},
			Output: "file:///etc/results/",
			Inbox:  "file:///etc/nightshift/up/load/",
		},
		"hourly": {
			Read:   []string{"file:///"},
			Write:  []string{"s3://out/?region=eu-central-1"},
			Output: "s3://out/",
		},
		"other": {
			Read:   []string{"file:///etc/nightshift/"},
			Write:  []string{"file:///etc/nightshift/"},
			Output: "file:///etc/nightshift/",
		},
	} {
		queue, _ := set.Queue(name)
		if diff := cmp.Diff(want, queue.Locations("/etc/nightshift")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestIsLocation(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"data":                          "",
		"../data/":                      "",
		"/":                             "",
		"a file: with spaces":           "",
		"file:///":                      "",
		"s3://bucket":                   "",
		"s3://bucket/a/b/?region=x*":    "",
		"gs://bucket/a.b/..c/":          "",
		"":                              "1 to 1024 characters",
		"a\nb":                          "1 to 1024 characters",
		"data?x=1":                      "parameters after ? only for buckets",
		"file:///data?x=1":              "parameters after ? only for buckets",
		"file://host/data":              "file:/// and an absolute path",
		"file:/data":                    "file:/// and an absolute path",
		"s3:/bucket":                    "a bucket and a folder in it",
		"http://host/":                  "a path, or a URI prefix with the scheme file, s3, gs, azblob",
		"S3://bucket":                   "did you mean s3?",
		"s3://":                         "a bucket and a folder in it",
		"s3:///key":                     "a bucket and a folder in it",
		"s3://bucket/../other":          "a bucket and a folder in it",
		"s3://bucket/*.csv":             "a prefix, everything below it counts",
		"data/*":                        "a prefix, everything below it counts",
		"s3://b/" + string(rune(0)):     "1 to 1024 characters",
		"x" + strings.Repeat("/x", 600): "1 to 1024 characters",
	} {
		if got := isLocation(text); got != want && (want == "" || !strings.Contains(got, want)) {
			t.Errorf("isLocation(%q) = %q, want %q", text, got, want)
		}
	}
}
