package raycluster

import (
	"context"
	"time"

	rayv1 "github.com/ray-project/kuberay/ray-operator/apis/ray/v1"
)

const (
	// driveEvery is how often the driver is asked for: it is to be there before the first worker pod is.
	driveEvery = 2 * time.Second
	// driveTimeout bounds a submit with its upload.
	driveTimeout = 2 * time.Minute
)

// drive keeps the driver running (RC19) until ctx ends. The slots are written first: a driver ends when it reads of another life of the head.
func (e *Engine) drive(ctx context.Context) {
	ticker := time.NewTicker(driveEvery)
	defer ticker.Stop()
	last := ""
	for {
		if life, gpus, cluster := e.drivable(); life != "" {
			said := e.ensure(ctx, life, gpus)
			if said != last && said != "" && ctx.Err() == nil {
				e.config.Log.Warn("the driver inside the RayCluster does not run well", "pool", e.config.Pool, "cluster", e.config.Name, "why", said)
				e.config.Cluster.Tell(cluster, true, "NoDriver", bounded(e.config.Group+": "+said))
			}
			last = said
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// drivable gives the life of the head where the head is ready and the slots are of this life; empty: there is nothing to drive.
func (e *Engine) drivable() (life string, gpus float64, cluster *rayv1.RayCluster) {
	e.mu.Lock()
	defer e.mu.Unlock()
	seen := e.seeLocked()
	slots, known := e.record.Slots()
	group, err := e.group(seen, slots)
	if err != nil || !group.Head || !known || slots.Cluster != group.Life {
		return "", 0, nil
	}
	return group.Life, group.GPUs * float64(group.Hosts), seen.Cluster
}

func (e *Engine) ensure(ctx context.Context, life string, gpus float64) string {
	ctx, cancel := context.WithTimeout(ctx, driveTimeout)
	defer cancel()
	state, err := e.config.Driver.Ensure(ctx, life, gpus)
	if err != nil {
		return err.Error()
	}
	return state
}
