package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"nightshift.dev/nightshift/orchestrator/apiserver"
)

// The times of a lease are those of Kubernetes' own controllers.
const (
	leaseFor    = 15 * time.Second // how long nobody else takes it after it was renewed last
	leaseRenew  = 10 * time.Second // how long its holder tries to renew it before it gives up
	leaseRetry  = 2 * time.Second
	leaseWithin = 10 * time.Second // of one request
)

// errLost says that somebody else may hold the lease.
var errLost = errors.New("the lease was lost: somebody else may serve now, and this process ends")

// lead waits until this process holds a Lease, serves as long as it does, and gives it back when serving has ended. A lease does not fence: every write is guarded anyway.
func lead(ctx context.Context, lease string, log *slog.Logger, serve func(context.Context) error) error {
	config, namespace, err := apiserver.ConnectIn("")
	if err != nil {
		return fmt.Errorf("--lease: %w", err)
	}
	config.Timeout = leaseWithin
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("--lease: %w", err)
	}
	name := lease
	if before, after, found := strings.Cut(lease, "/"); found {
		namespace, name = before, after
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	identity := host + "_" + uuid.NewString()
	holding, release := context.WithCancel(context.WithoutCancel(ctx)) // until serving has ended
	defer release()
	serving, end := context.WithCancel(ctx)
	defer end()
	var begun atomic.Bool
	served := make(chan error, 1)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:          &resourcelock.LeaseLock{LeaseMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Client: kube.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: identity}},
		LeaseDuration: leaseFor, RenewDeadline: leaseRenew, RetryPeriod: leaseRetry, ReleaseOnCancel: true, Name: name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) {
				begun.Store(true)
				log.Info("holding the lease", "lease", namespace+"/"+name, "identity", identity)
				served <- serve(serving)
				release()
			},
			OnStoppedLeading: end,
			OnNewLeader: func(holder string) {
				if holder != identity {
					log.Info("standing by: somebody else holds the lease", "lease", namespace+"/"+name, "holder", holder)
				}
			},
		},
	})
	if err != nil {
		return fmt.Errorf("--lease: %w", err)
	}
	stop := context.AfterFunc(ctx, func() {
		if !elector.IsLeader() {
			release() // it stood by
		}
	})
	defer stop()
	elector.Run(holding)
	lost := holding.Err() == nil // nobody gave it back
	if !begun.Load() {
		return nil
	}
	if err := <-served; err != nil || !lost {
		return err
	}
	return errLost
}
