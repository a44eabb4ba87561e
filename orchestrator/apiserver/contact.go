package apiserver

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

// Contact knows whether watches stand: what a watch brings is what there is, as long as it is open. A connection that is cut without a word is noticed by HTTP/2's
// pings, within 45 seconds.
type Contact struct {
	mu   sync.Mutex
	open map[string]int       // watches, by resource
	lost map[string]time.Time // when the last one ended
	why  map[string]error     // why there is no new one
}

// reopening is how long a new watch may take: the server ends each after some minutes.
const reopening = 2 * time.Second

// NewContact knows of no watch yet.
func NewContact() *Contact {
	return &Contact{open: map[string]int{}, lost: map[string]time.Time{}, why: map[string]error{}}
}

// Follow notes when watches begin and end. It is called before any of them begins.
func (c *Contact) Follow(resource string, of *cache.ListWatch) *cache.ListWatch {
	c.lost[resource] = time.Time{}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			list, err := of.ListWithContextFunc(ctx, options)
			c.failed(resource, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			stream, err := of.WatchFuncWithContext(ctx, options)
			c.failed(resource, err)
			if err != nil {
				return nil, err
			}
			return c.followed(resource, stream), nil
		},
	}
}

func (c *Contact) failed(resource string, err error) {
	if err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.why[resource] = err
}

// followed passes a watch's events on, and notes when it has ended.
func (c *Contact) followed(resource string, stream watch.Interface) watch.Interface {
	c.mu.Lock()
	c.open[resource]++
	delete(c.why, resource)
	c.mu.Unlock()
	events := make(chan watch.Event)
	passed := watch.NewProxyWatcher(events)
	go func() { // ends with the stream, which ends with the reflector's Stop
		defer close(events)
		defer c.ended(resource)
		defer stream.Stop()
		for {
			select {
			case event, ok := <-stream.ResultChan():
				if !ok {
					return
				}
				select {
				case events <- event:
				case <-passed.StopChan():
					return
				}
			case <-passed.StopChan():
				return
			}
		}
	}()
	return passed
}

func (c *Contact) ended(resource string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[resource]--; c.open[resource] == 0 {
		c.lost[resource] = time.Now()
	}
}

// Last says since when a watch does not stand, and why; no error: all do.
func (c *Contact) Last(now time.Time) (at time.Time, lost error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for resource, since := range c.lost {
		if c.open[resource] > 0 || now.Sub(since) < reopening || lost != nil && at.Before(since) {
			continue
		}
		at, lost = since, fmt.Errorf("there is no watch on %s", resource)
		if why := c.why[resource]; why != nil {
			lost = fmt.Errorf("there is no watch on %s: %w", resource, why)
		}
	}
	return at, lost
}
