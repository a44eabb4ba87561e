package planner

import (
	"testing"

	"pgregory.net/rapid"
)

// What is said of an end fits to what is asked for: so many workers as a deadline needs end by it, one less do not; and nobody ends sooner than with as many as
// are asked for where it cannot be met.
func TestEndsFitToWhatIsNeeded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tenths := func(most int, name string) float64 { return float64(rapid.IntRange(0, most*10).Draw(t, name)) / 10 }
		s := supply{ready: rapid.IntRange(0, 20).Draw(t, "ready"), spare: rapid.IntRange(0, 20).Draw(t, "spare"), load: tenths(30, "load"), newDelay: tenths(60, "new")}
		s.spareDelay = min(tenths(60, "spare delay"), s.newDelay)
		seconds, left := tenths(2000, "work")+.1, tenths(200, "left")
		if needed, reachable := s.needed(seconds, left); reachable && needed < endless {
			if ends := s.ends(seconds, needed); ends > left+1e-6 {
				t.Fatalf("%d workers end after %g s, later than %g: %+v", needed, ends, left, s)
			}
			if needed > 1 && s.ends(seconds, needed-1) < left-1e-6 {
				t.Fatalf("%d workers are enough: %+v", needed-1, s)
			}
		}
		most := rapid.IntRange(1, 60).Draw(t, "most")
		soonest := s.soonest(seconds, most)
		if soonest < min(s.ready, most) || soonest > most {
			t.Fatalf("%d of %d workers", soonest, most)
		}
		for count := 1; count <= most; count++ {
			if s.ends(seconds, count) < s.ends(seconds, soonest)-1e-6 {
				t.Fatalf("%d workers end after %g s, %d after %g: %+v", count, s.ends(seconds, count), soonest, s.ends(seconds, soonest), s)
			}
		}
	})
}
