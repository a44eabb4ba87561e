package raycluster

import (
	"context"
	"fmt"
)

// mostText bounds what is written to an annotation or an Event.
const mostText = 512

func bounded(text string) string {
	runes := []rune(text)
	if len(runes) > mostText {
		return string(runes[:mostText-1]) + "…"
	}
	return text
}

// note says in the log when it becomes unknown how the group is, and when it is known again.
func (e *Engine) note(err error) {
	why := ""
	if err != nil {
		why = err.Error()
	}
	if why == e.unknown {
		return
	}
	e.unknown = why
	if err != nil {
		e.config.Log.Warn("nothing is known of the worker group, and it stays as it is", "pool", e.config.Pool, "cluster", e.config.Name, "why", why)
	} else {
		e.config.Log.Info("the worker group is known again", "pool", e.config.Pool, "cluster", e.config.Name)
	}
}

// refuse says on the object why the group is not sized, once (RC9).
func (e *Engine) refuse(ctx context.Context, seen Seen, why string) error {
	text := bounded("not sized: " + why)
	if e.told == why || seen.Cluster.Annotations[annotation(e.config.Group)] == text {
		e.told = why
		return nil
	}
	if _, err := e.config.Cluster.Patch(ctx, Told(e.config.Group, text, len(seen.Cluster.Annotations) > 0)); err != nil {
		return fmt.Errorf("say on RayCluster %s why it is not sized: %w", e.config.Name, err)
	}
	e.told = why
	e.config.Cluster.Tell(seen.Cluster, true, "NotResized", e.config.Group+": "+why)
	return nil
}

// tellNotices says on the RayCluster which pods leave because they will be taken away; the API server counts an Event that comes again.
func (e *Engine) tellNotices(seen Seen, group Group) {
	for _, one := range group.Have {
		if one.Notice != "" && one.Phase != PhaseDeleted {
			e.config.Cluster.Tell(seen.Cluster, true, "Noticed", bounded(e.config.Group+": pod "+one.Pods[0]+" leaves: "+one.Notice))
		}
	}
}
