package worker

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"nightshift.dev/nightshift/orchestrator/state"
)

// N4: whose fault it is decides what is counted.
func TestDiagnose(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(t.Context())
	end()
	for _, one := range []struct {
		ctx  context.Context
		err  error
		want cause
		code string
	}{
		{t.Context(), fmt.Errorf("look for the commit: %w", state.ErrAway), causeBlocked, CodeStoreAway},
		{t.Context(), fmt.Errorf("look for the commit: %w", state.ErrFull), causeBlocked, CodeStoreFull},
		{t.Context(), errors.New("what is this"), causeCode, CodeInternal},
		{ended, fmt.Errorf("look for the commit: %w", state.ErrAway), causeDrained, ""},
	} {
		got, failure := diagnose(one.ctx, one.err)
		if got != one.want || failure.Code != one.code {
			t.Errorf("%v: cause %d, code %q; want %d, %q", one.err, got, failure.Code, one.want, one.code)
		}
	}
}
