package dispatch

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// N2: a try of a step ends, but no request within it may take all of its time.
func TestStepIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &runner{Dispatcher: &Dispatcher{config: Config{Log: slog.New(slog.DiscardHandler)}}}
		began, tries := time.Now(), 0
		err := r.retry(t.Context(), "wait", func(ctx context.Context) error {
			if _, bounded := ctx.Deadline(); bounded {
				t.Error("requests of the step get its deadline")
			}
			if tries++; tries == 2 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		})
		if took := time.Since(began); err != nil || tries != 2 || took < tryWithin || took > tryWithin+time.Minute {
			t.Errorf("%v after %d tries in %s", err, tries, took)
		}
	})
}
