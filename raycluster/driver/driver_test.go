package driver

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nightshift.dev/nightshift/raycluster/jobs"
)

// head is Ray's dashboard in memory: it answers as 2.60 does.
type head struct {
	*jobs.Client
	mu        sync.Mutex
	jobs      map[string]jobs.Job
	submitted []jobs.Submission
	listed    int
	uploads   int
	away      bool
}

func newHead(t *testing.T, there ...jobs.Job) *head {
	t.Helper()
	h := &head{jobs: map[string]jobs.Job{}}
	for _, one := range there {
		h.jobs[one.ID] = one
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /api/version", func(w http.ResponseWriter, _ *http.Request) { write(w, map[string]string{"ray_version": "2.60.0"}) })
	routes.HandleFunc("GET /api/packages/gcs/{name}", func(http.ResponseWriter, *http.Request) { h.uploads++ })
	routes.HandleFunc("GET /api/jobs/{$}", func(w http.ResponseWriter, _ *http.Request) {
		h.listed++
		write(w, slices.Collect(maps.Values(h.jobs)))
	})
	routes.HandleFunc("POST /api/jobs/{$}", h.submit)
	routes.HandleFunc("GET /api/jobs/{id}", func(w http.ResponseWriter, r *http.Request) {
		if job, there := h.jobs[r.PathValue("id")]; there {
			write(w, job)
			return
		}
		http.Error(w, "Job "+r.PathValue("id")+" does not exist", http.StatusNotFound)
	})
	routes.HandleFunc("GET /api/jobs/{id}/logs", func(w http.ResponseWriter, _ *http.Request) { write(w, map[string]string{"logs": "its last words"}) })
	routes.HandleFunc("POST /api/jobs/{id}/stop", func(_ http.ResponseWriter, r *http.Request) { h.end(r.PathValue("id"), jobs.Stopped, time.Second) })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.away {
			http.Error(w, "no agent is available", http.StatusInternalServerError)
			return
		}
		routes.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	h.Client = jobs.New(server.URL, "")
	t.Cleanup(h.Close)
	return h
}

func (h *head) submit(w http.ResponseWriter, r *http.Request) {
	var submission jobs.Submission
	_ = json.NewDecoder(r.Body).Decode(&submission) // what is not there fails the test's comparison
	if _, there := h.jobs[submission.ID]; there {
		http.Error(w, "ValueError: Job with submission_id "+submission.ID+" already exists. Please use a different submission_id.", http.StatusInternalServerError)
		return
	}
	h.submitted = append(h.submitted, submission)
	h.jobs[submission.ID] = jobs.Job{ID: submission.ID, Status: jobs.Running}
}

func (h *head) end(id string, status jobs.Status, after time.Duration) {
	h.jobs[id] = jobs.Job{ID: id, Status: status, Message: "exit code 1", End: after.Milliseconds()}
}

func write(w http.ResponseWriter, answer any) { _ = json.NewEncoder(w).Encode(answer) } // who asks gives up in that case

var (
	config = Config{
		Pool: "gpu", Life: "3f2d", Resources: Resources{CPUs: 1, GPUs: 0.5, Custom: map[string]float64{"it's": 1}},
		NATS: "nats://nats:4222", AckWait: 30 * time.Second, Grace: 25 * time.Second, Orphan: time.Hour,
	}
	prefix = "nightshift-gpu-" + config.Life + "-"
	start  = time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
)

func newDriver(t *testing.T, on *head) *Driver {
	t.Helper()
	d, err := New(on.Client, &Program{name: "_ray_pkg_x.zip"}, config)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func ensure(t *testing.T, d *Driver, now time.Time) State {
	t.Helper()
	state, err := d.Ensure(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func TestOneDriverInALife(t *testing.T) {
	t.Parallel()
	on := newHead(t, jobs.Job{ID: "nightshift-other-1"}, jobs.Job{ID: prefix + "x"})
	d := newDriver(t, on)
	for range 3 {
		ensure(t, d, start)
	}
	ensure(t, newDriver(t, on), start) // RD1: another orchestrator, or this one started again
	if len(on.submitted) != 1 || on.submitted[0].ID != prefix+"1" || on.uploads != 1 || on.listed != 2 {
		t.Errorf("RD1: submitted %v, %d uploads, listed %d times", on.submitted, on.uploads, on.listed)
	}
	late := newDriver(t, on)
	late.ready = true // RD1: it looked before the other submitted
	if state := ensure(t, late, start); state.ID != prefix+"1" || len(on.submitted) != 1 {
		t.Errorf("RD1: two at once: %+v, %v", state, on.submitted)
	}
}

func TestDriversThatEndAreFollowedAfterGrowingPauses(t *testing.T) {
	t.Parallel()
	on := newHead(t)
	d, now := newDriver(t, on), start
	ensure(t, d, now)
	for n, wait := range []time.Duration{2, 4, 8, 16, 32, 64, 128, 256, 300, 300} { // RD2
		id, want := on.submitted[n].ID, wait*time.Second
		on.end(id, jobs.Failed, time.Second)
		if state := ensure(t, d, now); state.ID != id || !state.NotBefore.Equal(now.Add(want)) || !strings.Contains(state.Reason, "its last words") {
			t.Fatalf("RD2: after end %d: %+v, want a pause of %s", n+1, state, want)
		}
		if ensure(t, d, now.Add(want-1)); len(on.submitted) != n+1 {
			t.Fatalf("RD2: attempt %d came before its pause was over", n+2)
		}
		now = now.Add(want)
		if state := ensure(t, d, now); len(on.submitted) != n+2 || state.Status.Ended() || state.Reason == "" {
			t.Fatalf("RD2: attempt %d did not come: %+v", n+2, state)
		}
	}
	on.end(on.submitted[len(on.submitted)-1].ID, jobs.Succeeded, time.Hour)
	count := len(on.submitted)
	if ensure(t, d, now); len(on.submitted) != count+1 {
		t.Error("RD2: a driver that ran for an hour is not followed at once")
	}
	if ids := submittedIDs(on); !slices.IsSortedFunc(ids, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) }) {
		t.Errorf("RD2: attempts %v", ids)
	}
}

func submittedIDs(on *head) (ids []string) {
	for _, one := range on.submitted {
		ids = append(ids, one.ID)
	}
	return ids
}

func TestRestartedOrchestratorGoesOnWithTheLatestAttempt(t *testing.T) {
	t.Parallel()
	on := newHead(t, jobs.Job{ID: prefix + "9", Status: jobs.Failed}, jobs.Job{ID: prefix + "10", Status: jobs.Running})
	if state := ensure(t, newDriver(t, on), start); state.ID != prefix+"10" || len(on.submitted) != 0 { // RD2
		t.Errorf("RD2: %+v, submitted %v", state, on.submitted)
	}
	d := newDriver(t, on)
	ensure(t, d, start)
	delete(on.jobs, prefix+"10")
	if state := ensure(t, d, start); state.ID != prefix+"11" { // RD2: somebody has deleted it
		t.Errorf("RD2: %+v", state)
	}
}

func TestNothingIsDoneWhileRayDoesNotAnswer(t *testing.T) {
	t.Parallel()
	on := newHead(t)
	on.away = true
	d := newDriver(t, on)
	if _, err := d.Ensure(t.Context(), start); err == nil || len(on.submitted) != 0 {
		t.Errorf("unreachable: %v, submitted %v", err, on.submitted)
	}
	on.away = false
	if ensure(t, d, start); len(on.submitted) != 1 {
		t.Error("nothing was submitted when Ray answered again")
	}
	on.away = true
	if _, err := d.Ensure(t.Context(), start); err == nil || len(on.submitted) != 1 {
		t.Errorf("unreachable again: %v, submitted %d", err, len(on.submitted))
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	on := newHead(t)
	d := newDriver(t, on)
	if err := d.Stop(t.Context()); err != nil || len(on.jobs) != 0 { // RD12
		t.Errorf("RD12: nothing to stop: %v, %v", err, on.jobs)
	}
	ensure(t, newDriver(t, on), start)
	if err := newDriver(t, on).Stop(t.Context()); err != nil || on.jobs[prefix+"1"].Status != jobs.Stopped {
		t.Errorf("RD12: %v, %v", err, on.jobs)
	}
}

func TestSubmissionSaysWhatTheDriverIsTold(t *testing.T) {
	t.Parallel()
	on := newHead(t)
	ensure(t, newDriver(t, on), start)
	got := on.submitted[0]
	want := `exec python3 -m nightshift_ray '{"pool":"gpu","cluster":"` + config.Life + `","resources":{"num_cpus":1,"num_gpus":0.5,"resources":{"it'\''s":1}},` +
		`"graceSeconds":25,"worker":["--ack-wait","30s","--grace","25s","--orphan-timeout","1h0m0s"]}'`
	if got.Entrypoint != want {
		t.Errorf("RD4: entry point\n%s, want\n%s", got.Entrypoint, want)
	}
	if env := got.RuntimeEnv; env.WorkingDir != "gcs://_ray_pkg_x.zip" || env.EnvVars["RAY_JOB_STOP_WAIT_TIME_S"] != "40" || env.EnvVars["NIGHTSHIFT_NATS"] != config.NATS {
		t.Errorf("RD12: runtime environment %+v", env)
	} else if other, given := env.EnvVars["NIGHTSHIFT_CONTEXT"]; other != "" || !given { // RD16
		t.Error("RD16: a context that the pods name would count beside the address")
	}
}

func TestSecretsAreRefused(t *testing.T) {
	t.Parallel()
	for change, wants := range map[string]struct {
		of   func(*Config)
		word string
	}{
		"a password":       {func(c *Config) { c.NATS = "nats://user:secret@nats:4222" }, "mount a NATS context"},
		"a second token":   {func(c *Config) { c.NATS = "nats://nats:4222,secret@other:4222" }, "mount a NATS context"},
		"both":             {func(c *Config) { c.Context = "production" }, "one of them"},
		"a relative path":  {func(c *Config) { c.NATS, c.Context = "", "a/b.json" }, "absolute path"},
		"negative numbers": {func(c *Config) { c.Resources.GPUs = -1 }, "0 or more"},
		"no pool":          {func(c *Config) { c.Pool = "" }, "pool: empty"},
	} { // RD16
		wrong := config
		wants.of(&wrong)
		_, err := New(jobs.New("http://127.0.0.1:1", ""), &Program{}, wrong)
		if err == nil || !strings.Contains(err.Error(), wants.word) || strings.Contains(err.Error(), "secret") {
			t.Errorf("RD16: %s: %v", change, err)
		}
	}
}

func TestProgramIsPackedWithDriverAndScorerHost(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "program")
	source := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", file, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	program, err := OpenProgram(file)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	if err := program.Write(&packed); err != nil {
		t.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nightshift", "nightshift_ray/__main__.py", "nightshift_scorer/host.py"} { // RD15
		if !slices.ContainsFunc(archive.File, func(f *zip.File) bool { return f.Name == name && (name != "nightshift" || f.Mode() == 0o755) }) {
			t.Errorf("RD15: %s is not in the package, or cannot be run", name)
		}
	}
	again, err := OpenProgram(file)
	if err != nil || again.Name() != program.Name() || !strings.HasPrefix(program.Name(), "_ray_pkg_") {
		t.Errorf("RD15: names %s and %s, %v", program.Name(), again.Name(), err)
	}
	if err := os.WriteFile(file, append(mustRead(t, file), 0), 0o600); err != nil {
		t.Fatal(err)
	}
	if other, err := OpenProgram(file); err != nil || other.Name() == program.Name() {
		t.Errorf("RD15: another content has the same name, %v", err)
	}
	if _, err := OpenProgram(source); err == nil || !strings.Contains(err.Error(), "none for Linux") {
		t.Errorf("RD15: no program: %v", err)
	}
}

func mustRead(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// The tests of the Python sources, which need no Ray.
func TestPythonSources(t *testing.T) {
	t.Parallel()
	interpreter, err := exec.LookPath(cmp.Or(os.Getenv("NIGHTSHIFT_TEST_PYTHON"), "python3"))
	if err != nil {
		t.Skipf("no Python: %v; set NIGHTSHIFT_TEST_PYTHON to an interpreter", err)
	}
	command := exec.CommandContext(t.Context(), interpreter, "-m", "unittest")
	command.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
}
