package driver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"nightshift.dev/nightshift/raycluster/jobs"
)

// Resources are what Ray sets aside for one worker; they are names and numbers of Ray's own.
type Resources struct {
	CPUs   float64            `json:"num_cpus"` // 0: none
	GPUs   float64            `json:"num_gpus,omitempty"`
	Memory int64              `json:"memory,omitempty"` // bytes that Ray counts, and does not enforce
	Custom map[string]float64 `json:"resources,omitempty"`
}

// Config is what the driver of one pool is told.
type Config struct {
	Pool string
	// Life names the life of the cluster's head, as PoolSlots.Cluster does: whatever ran before the head was started again is gone.
	Life      string
	Resources Resources
	// NATS is the address that workers connect to, without a secret; Context is the name of a NATS context, or the path of its file in the pods. With neither they use
	// what the pods' own environment says.
	NATS, Context string
	AckWait       time.Duration // of the shard consumers
	Grace         time.Duration // for a shard in hand, from SIGTERM on
	Orphan        time.Duration // how long a worker goes on without reaching NATS
}

func (c Config) check() error {
	var problems []error
	if c.Pool == "" {
		problems = append(problems, errors.New("pool: empty"))
	}
	if c.NATS != "" && c.Context != "" {
		problems = append(problems, fmt.Errorf("nats: %q and context: %q both say where to connect; allowed: one of them", hideSecrets(c.NATS), c.Context))
	}
	if hideSecrets(c.NATS) != c.NATS {
		problems = append(problems, fmt.Errorf("nats: %q has a user in it, and everybody who sees Ray's dashboard would read the password; mount a NATS context as a file in the pods and give its path as context",
			hideSecrets(c.NATS)))
	}
	if strings.Contains(c.Context, "/") && !path.IsAbs(c.Context) {
		problems = append(problems, fmt.Errorf("context: %q; allowed: a name, or an absolute path in the pods", c.Context))
	}
	for what, value := range map[string]float64{"CPUs": c.Resources.CPUs, "GPUs": c.Resources.GPUs, "memory": float64(c.Resources.Memory)} {
		if value < 0 {
			problems = append(problems, fmt.Errorf("resources: %s: %g; allowed: 0 or more", what, value))
		}
	}
	return errors.Join(problems...)
}

// hideSecrets gives addresses without what stands before an @.
func hideSecrets(addresses string) string {
	parts := strings.Split(addresses, ",")
	for i, one := range parts {
		scheme, rest, found := strings.Cut(one, "://")
		if !found {
			scheme, rest = "nats", one
		}
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			parts[i] = scheme + "://xxxxx@" + rest[at+1:]
		} else if _, err := url.Parse(scheme + "://" + rest); err != nil {
			parts[i] = "xxxxx"
		}
	}
	return strings.Join(parts, ",")
}

// base begins the submission ids of the attempts in one life; a number follows.
func (c Config) base() string { return "nightshift-" + c.Pool + "-" + c.Life + "-" }

// python is what nightshift_ray reads.
type pythonConfig struct {
	Pool      string    `json:"pool"`
	Cluster   string    `json:"cluster"`
	Resources Resources `json:"resources"`
	Grace     float64   `json:"graceSeconds"`
	Worker    []string  `json:"worker"` // flags
}

// submission is the job of one attempt.
func (c Config) submission(attempt int, workingDir string) (jobs.Submission, error) {
	config, err := json.Marshal(pythonConfig{
		Pool: c.Pool, Cluster: c.Life, Resources: c.Resources, Grace: c.Grace.Seconds(),
		Worker: []string{"--ack-wait", c.AckWait.String(), "--grace", c.Grace.String(), "--orphan-timeout", c.Orphan.String()},
	})
	if err != nil {
		return jobs.Submission{}, fmt.Errorf("encode the driver's config: %w", err)
	}
	env := map[string]string{
		// A stopped job is killed after three seconds otherwise, and with it what its workers hold.
		"RAY_JOB_STOP_WAIT_TIME_S": strconv.Itoa(int(c.Grace.Seconds()) + 15),
		// Workers are tied to their actors by the kernel, and get a SIGTERM where Ray would send a SIGKILL.
		"RAY_kill_child_processes_on_worker_exit": "false",
	}
	if c.NATS != "" || c.Context != "" { // what the pods say of the other does not count then
		env["NIGHTSHIFT_NATS"], env["NIGHTSHIFT_CONTEXT"] = c.NATS, c.Context
	}
	return jobs.Submission{
		ID:         c.base() + strconv.Itoa(attempt),
		Entrypoint: "exec python3 -m nightshift_ray '" + strings.ReplaceAll(string(config), "'", `'\''`) + "'",
		RuntimeEnv: jobs.RuntimeEnv{WorkingDir: workingDir, EnvVars: env},
		Metadata:   map[string]string{"nightshift.dev/pool": c.Pool},
	}, nil
}
