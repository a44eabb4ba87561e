package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/state"
)

// leaderOf is the server that leads a stream.
func (in *installation) leaderOf(stream string) *natsServer {
	in.t.Helper()
	var leader *natsServer
	in.eventually("stream "+stream+" has a leader", 30*time.Second, func() bool {
		js, err := jetstream.New(in.conn)
		if err != nil {
			return false
		}
		found, err := js.Stream(in.t.Context(), stream)
		if err != nil || found.CachedInfo().Cluster == nil {
			return false
		}
		for _, one := range in.servers {
			if one.config.Name == found.CachedInfo().Cluster.Leader {
				leader = one
			}
		}
		return leader != nil
	})
	return leader
}

const rowsLeader = "the leader of the rows is killed"

// troubles are what may happen to one of three servers; the others go on.
var troubles = map[string]func(in *installation, chance *rand.Rand){
	"the leader of the commits is killed": func(in *installation, _ *rand.Rand) {
		in.leaderOf(state.CommitStream).kill()
		in.startNATS()
	},
	rowsLeader: func(in *installation, _ *rand.Rand) {
		in.leaderOf("ROWS").kill()
		in.startNATS()
	},
	"a server is cut off": func(in *installation, chance *rand.Rand) { // frozen, it is a minority that comes back with what it knew
		one := in.servers[chance.IntN(len(in.servers))]
		_ = one.process.Process.Signal(syscall.SIGSTOP)
		time.Sleep(8 * time.Second) // longer than an election takes: that is the point
		_ = one.process.Process.Signal(syscall.SIGCONT)
	},
	"a server restarts in order": func(in *installation, chance *rand.Rand) {
		one := in.servers[chance.IntN(len(in.servers))]
		_ = one.process.Process.Signal(syscall.SIGUSR2) // lame duck
		_ = one.process.Wait()
		one.process = nil
		in.startNATS()
	},
}

// inAnyOrder are all troubles.
func inAnyOrder(chance *rand.Rand) []string {
	names := slices.Sorted(maps.Keys(troubles))
	chance.Shuffle(len(names), func(i, k int) { names[i], names[k] = names[k], names[i] })
	return names
}

// trouble is what becomes of the servers of a job: all of them die or, where there are three, one of them has a trouble at least.
func (in *installation) trouble(chance *rand.Rand) {
	in.t.Helper()
	names := slices.Sorted(maps.Keys(troubles))
	names = slices.DeleteFunc(names, func(name string) bool { return name == rowsLeader })
	which := chance.IntN(len(names) + 1)
	if len(in.servers) == 1 || which == len(names) {
		in.killNATS()
		in.startNATS()
		return
	}
	in.t.Log(names[which])
	troubles[names[which]](in, chance)
}

// N1, N2, N4, W6, G1 to G6, G10: three servers that keep every stream together, one of which is in trouble at a time.
func TestThreeServersLoseAndDoubleNothing(t *testing.T) {
	const rows, rowsOfJob = 8_000, 10_000
	in, js := drain(t, setting{rows: rowsOfJob, ack: 3 * time.Second, pause: .5, servers: 3})
	chance := random(t)
	at := 0
	var jobs []api.Job
	for _, what := range inAnyOrder(chance) {
		in.publish(js, at, at+rows/len(troubles))
		at += rows / len(troubles)
		jobs = append(jobs, in.submit(fmt.Sprint("rows-", at))) // each trouble meets a job that has only begun
		t.Logf("%d rows are published, %d are settled: %s", at, in.settled(js), what)
		troubles[what](in, chance)
	}
	drained := in.drained(js, 3*time.Minute)
	for _, job := range jobs {
		in.check(in.finish(job.ID, 3*time.Minute), rowsOfJob)
	}
	in.checkDrained(drained, rows)
}

// doctor runs `nightshift doctor` and gives its exit code and what it says of durability.
func (in *installation) doctor() (code int, durability string) {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program, "doctor", "--nats", in.url(), "-o", "json")
	out, err := command.Output()
	if ended := new(exec.ExitError); err != nil && !errors.As(err, &ended) {
		in.t.Fatal(err)
	}
	var report struct {
		Checks []struct{ Verdict, Check, Found, Next string }
	}
	if err := json.Unmarshal(out, &report); err != nil {
		in.t.Fatalf("%v: %s", err, out)
	}
	for _, one := range report.Checks {
		if one.Check == "durability" {
			durability = one.Verdict + " " + one.Found + ". " + one.Next
		}
	}
	return command.ProcessState.ExitCode(), durability
}

// A stream of jobs with one replica on a cluster is refused by doctor, and what it advises helps.
func TestDoctorRefusesOneReplicaOnACluster(t *testing.T) {
	t.Parallel()
	in := install(t, setting{rows: 1, ack: 2 * time.Second, servers: 3})
	if _, found := in.doctor(); !strings.HasPrefix(found, "ok ") {
		t.Errorf("with three replicas: %s", found)
	}
	in.killOrchestrator()
	js, err := jetstream.New(in.conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), state.CommitStream)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.Replicas = 1
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	code, found := in.doctor()
	if want := "fail " + state.CommitStream + " with one replica on cluster faults"; code == 0 || !strings.HasPrefix(found, want) || !strings.Contains(found, "--replicas 3") {
		t.Errorf("exit code %d, %q; want %q", code, found, want)
	}
	in.orchestrator = in.startOrchestrator("state")
	in.eventually("the service gives the stream its replicas", 30*time.Second, func() bool {
		_, found := in.doctor()
		return strings.HasPrefix(found, "ok ")
	})
}
