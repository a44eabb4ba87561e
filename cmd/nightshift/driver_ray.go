package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/raycluster/driver"
	"nightshift.dev/nightshift/raycluster/jobs"
)

// rayTokenVariable has the token of Ray's dashboard, which stands in no document, command line or log.
const rayTokenVariable = "NIGHTSHIFT_RAY_TOKEN"

// rayDriver keeps the driver of one pool running, in one life of the head after another.
type rayDriver struct {
	pool    document.Pool
	options serviceOptions
	api     *jobs.Client
	program *driver.Program
	life    string
	of      *driver.Driver
}

func newRayDriver(pool document.Pool, program *driver.Program, options serviceOptions) *rayDriver {
	group := pool.Spec.Ray
	address := cmp.Or(group.Dashboard, fmt.Sprintf("http://%s-head-svc.%s.svc:8265", group.Cluster, group.Namespace))
	return &rayDriver{pool: pool, options: options, api: jobs.New(address, os.Getenv(rayTokenVariable)), program: program}
}

// Ensure is raycluster.Driver.
func (r *rayDriver) Ensure(ctx context.Context, life string, gpusPerReplica float64) (string, error) {
	if r.life != life {
		made, err := driver.New(r.api, r.program, r.config(life, gpusPerReplica))
		if err != nil {
			return "", err
		}
		r.life, r.of = life, made
	}
	state, err := r.of.Ensure(ctx, time.Now())
	if err != nil || state.NotBefore.IsZero() {
		return "", err
	}
	return "it has ended, and is begun again later: " + state.Reason, nil
}

func (r *rayDriver) config(life string, gpusPerReplica float64) driver.Config {
	group := r.pool.Spec.Ray
	resources := driver.Resources{CPUs: group.Actor.CPUs, GPUs: group.Actor.GPUs, Memory: group.Actor.Memory}
	if resources.GPUs == 0 {
		resources.GPUs = gpusPerReplica / float64(r.pool.Spec.SlotsPerReplica)
	}
	for _, one := range group.Actor.Resources {
		if resources.Custom == nil {
			resources.Custom = map[string]float64{}
		}
		resources.Custom[one.Name] += one.Amount
	}
	return driver.Config{
		Pool: r.pool.Name, Life: life, Resources: resources, NATS: group.NATS, Context: group.NATSContext,
		AckWait: r.options.ackWait, Grace: r.options.grace, Orphan: r.options.orphanTimeout,
	}
}
