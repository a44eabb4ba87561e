package raycluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// contact knows whether watches stand (RC4). A connection that is cut without a word is noticed by HTTP/2's pings, within 45 seconds.
type contact struct {
	mu    sync.Mutex
	lost  map[string]error     // by resource
	since map[string]time.Time // of the last answer before that
}

func newContact() *contact {
	return &contact{lost: map[string]error{}, since: map[string]time.Time{}}
}

// follow notes how lists and watches end.
func (c *contact) follow(resource string, of *cache.ListWatch) *cache.ListWatch {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			list, err := of.ListWithContextFunc(ctx, options)
			if err != nil {
				c.note(resource, fmt.Errorf("list %s: %w", resource, err))
			}
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			stream, err := of.WatchFuncWithContext(ctx, options)
			if err != nil {
				err = fmt.Errorf("watch %s: %w", resource, err)
			}
			c.note(resource, err)
			return stream, err
		},
	}
}

func (c *contact) note(resource string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		delete(c.lost, resource)
		delete(c.since, resource)
		return
	}
	c.lost[resource] = err
	if c.since[resource].IsZero() {
		c.since[resource] = time.Now()
	}
}

// last says since when a watch does not stand, and why; no error: all do.
func (c *contact) last() (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var at time.Time
	var lost error
	for resource, err := range c.lost {
		if since := c.since[resource]; lost == nil || since.Before(at) {
			at, lost = since, err
		}
	}
	return at, lost
}
