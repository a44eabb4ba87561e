package faults

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/state"
)

// read gives an object that the installation has written.
func (in *installation) read(uri string) []byte {
	in.t.Helper()
	path, ok := strings.CutPrefix(uri, "file://")
	if !ok {
		return in.getS3(strings.TrimPrefix(uri, "s3://"))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		in.t.Fatal(err)
	}
	return data
}

// list names the objects below a prefix.
func (in *installation) list(prefix string) (names []string) {
	in.t.Helper()
	path, ok := strings.CutPrefix(prefix, "file://")
	if !ok {
		return in.listS3(strings.TrimPrefix(prefix, "s3://"))
	}
	entries, err := os.ReadDir(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		in.t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// manifest reads the job's manifest.
type manifest struct {
	Parts  []part `json:"parts"`
	Totals struct {
		Counts orchestrator.Counts     `json:"counts"`
		Errors *orchestrator.ObjectRef `json:"errors"`
	} `json:"totals"`
}

type part struct {
	Shard  int                     `json:"shard"`
	Object int                     `json:"object"`
	Start  int64                   `json:"start"`
	End    int64                   `json:"end"`
	RowsIn int64                   `json:"rowsIn"`
	Failed int64                   `json:"rowsFailed"`
	Unread bool                    `json:"unread"`
	Result *orchestrator.ObjectRef `json:"result"`
}

func (in *installation) manifest(job api.Job) manifest {
	in.t.Helper()
	var m manifest
	if err := json.Unmarshal(in.read(job.Manifest), &m); err != nil {
		in.t.Fatal(err)
	}
	return m
}

// check compares results row by row with what an undisturbed run gives, and looks for stranded objects. bad rows are expected in the error file.
func (in *installation) check(job api.Job, rows int, bad ...int) {
	in.t.Helper()
	want := orchestrator.JobSucceeded
	if len(bad) > 0 {
		want = orchestrator.JobPartiallyFailed
	}
	if job.State != want {
		in.t.Fatalf("job ended %s (%+v), want %s", job.State, job.Failure, want)
	}
	m := in.manifest(job)
	next, object, at := 0, 0, int64(0)
	for _, part := range m.Parts {
		if part.Object == object+1 {
			object, at = object+1, 0
		}
		if part.Object != object || part.Start != at {
			in.t.Fatalf("shard %d begins in object %d at %d, the one before ended in object %d at %d", part.Shard, part.Object, part.Start, object, at)
		}
		at = part.End
		if part.Result != nil {
			next = in.checkPart(part.Result, next, bad)
		}
	}
	for slices.Contains(bad, next) {
		next++
	}
	if next != rows {
		in.t.Errorf("results end with row %d, want %d rows", next, rows)
	}
	if m.Totals.Counts.RowsDone != int64(rows-len(bad)) || m.Totals.Counts.RowsFailed != int64(len(bad)) {
		in.t.Errorf("counts = %+v, want %d done, %d failed", m.Totals.Counts, rows-len(bad), len(bad))
	}
	in.checkErrors(m, bad)
	in.checkStranded(job, m)
	in.checkCommits()
}

// checkCommits finds at most one commit on the subject of every shard.
func (in *installation) checkCommits() {
	in.t.Helper()
	js, err := jetstream.New(in.conn)
	if err != nil {
		in.t.Fatal(err)
	}
	stream, err := js.Stream(in.t.Context(), state.CommitStream)
	if err != nil {
		in.t.Fatal(err)
	}
	info, err := stream.Info(in.t.Context(), jetstream.WithSubjectFilter(">"))
	if err != nil {
		in.t.Fatal(err)
	}
	for subject, commits := range info.State.Subjects {
		if commits > 1 {
			in.t.Errorf("%d commits on %s, want one", commits, subject)
		}
	}
	if len(info.State.Subjects) == 0 {
		in.t.Error("no commits: the check has shown nothing")
	}
}

// namedByCommits are the objects that the commits name which count: for each part of the manifest the commit with its result, or the last one.
func (in *installation) namedByCommits(job api.Job, m manifest) map[string]bool {
	in.t.Helper()
	counted := map[int]orchestrator.Commit{}
	for _, commit := range in.commits(job) {
		part := slices.IndexFunc(m.Parts, func(part part) bool { return part.Shard == commit.Number })
		if part >= 0 && (m.Parts[part].Result == nil || commit.Result != nil && commit.Result.URI == m.Parts[part].Result.URI) {
			counted[commit.Number] = commit
		}
	}
	named := map[string]bool{}
	for _, commit := range counted {
		for _, written := range []*orchestrator.ObjectRef{commit.Result, commit.Errors} {
			if written != nil {
				named[filepath.Base(written.URI)] = true
			}
		}
	}
	return named
}

// commits are those of a job that are stored now, in the order of the stream.
func (in *installation) commits(job api.Job) (commits []orchestrator.Commit) {
	in.t.Helper()
	in.eventually("the commits are read", 30*time.Second, func() bool {
		commits = nil
		ctx, done := context.WithCancel(in.t.Context())
		defer done()
		_ = in.store().WatchCommits(ctx, orchestrator.JobKey{Tenant: job.Tenant, Queue: job.Queue, ID: job.ID}, func(event state.CommitEvent) {
			if event.CaughtUp {
				done()
				return
			}
			commits = append(commits, event.Commit)
		})
		return ctx.Err() != nil
	})
	return commits
}

// committed is how many shards of all jobs are committed; -1: nobody answers. To read the commits again and again would be the servers' only work.
func (in *installation) committed() int {
	in.t.Helper()
	js, err := jetstream.New(in.conn)
	if err != nil {
		in.t.Fatal(err)
	}
	stream, err := js.Stream(in.t.Context(), state.CommitStream)
	if err != nil {
		return -1
	}
	return int(stream.CachedInfo().State.Msgs) //nolint:gosec // a few
}

// store reads what the installation has stored.
func (in *installation) store() *state.Store {
	in.t.Helper()
	var store *state.Store
	in.eventually("JetStream answers", 30*time.Second, func() (opened bool) {
		found, err := state.Open(in.t.Context(), in.conn, state.Config{})
		store = found
		return err == nil
	})
	return store
}

func (in *installation) checkPart(part *orchestrator.ObjectRef, next int, bad []int) int {
	in.t.Helper()
	for lines := bufio.NewScanner(bytes.NewReader(in.read(part.URI))); lines.Scan(); next++ {
		for slices.Contains(bad, next) {
			next++
		}
		if want := fmt.Sprintf(`{"id":"r%07d","double":%d}`, next, 2*next); lines.Text() != want {
			in.t.Fatalf("%s: row %d is %s, want %s", filepath.Base(part.URI), next, lines.Text(), want)
		}
	}
	return next
}

func (in *installation) checkErrors(m manifest, bad []int) {
	in.t.Helper()
	var got []int
	if m.Totals.Errors != nil {
		for line := range strings.Lines(string(in.read(m.Totals.Errors.URI))) {
			var problem orchestrator.RowError
			if err := json.Unmarshal([]byte(line), &problem); err != nil {
				in.t.Fatal(err)
			}
			var row int
			if _, err := fmt.Sscanf(fmt.Sprint(problem.Key), "r%d", &row); err != nil {
				in.t.Fatalf("error line without a key: %s", line)
			}
			got = append(got, row)
		}
	}
	if !slices.Equal(got, bad) && len(got)+len(bad) > 0 {
		in.t.Errorf("rows in the error file = %v, want %v", got, bad)
	}
}

// checkStranded waits for the late sweep and then finds only what the manifest and the commits that count name.
func (in *installation) checkStranded(job api.Job, m manifest) {
	in.t.Helper()
	named := in.namedByCommits(job, m)
	for _, part := range m.Parts {
		if part.Result != nil && !named[filepath.Base(part.Result.URI)] {
			in.t.Errorf("the manifest names %s, no commit does", part.Result.URI)
		}
	}
	beside := map[string]bool{"manifest.json": true, "parts": true, "errors.jsonl": m.Totals.Errors != nil}
	var stranded []string
	left := func() bool {
		stranded = stranded[:0]
		for _, name := range in.list(job.Output + "parts/") {
			if !named[name] {
				stranded = append(stranded, "parts/"+name)
			}
		}
		for _, name := range in.list(job.Output) {
			if !beside[name] && !named[name] { // an object store lists what is in parts here too
				stranded = append(stranded, name)
			}
		}
		return len(stranded) == 0
	}
	ctx, cancel := context.WithTimeout(in.t.Context(), 3*in.ackWait+40*time.Second)
	defer cancel()
	for !left() {
		select {
		case <-ctx.Done():
			in.t.Fatalf("stranded objects: %v", stranded)
		case <-time.After(200 * time.Millisecond): // a poll
		}
	}
}
