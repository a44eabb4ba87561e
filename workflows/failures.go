package workflows

import "time"

const (
	longestPause = time.Minute
	// forgottenAfter is how long no runner has to fail until those that did are forgotten.
	forgottenAfter = 10 * time.Minute
)

// failures makes the next runner wait where one after another fails (AW13).
type failures struct {
	inARow int
	until  time.Time // no runner is made before
}

// learn hears of runners that have ended.
func (f *failures) learn(ended []Runner, now time.Time) {
	for _, one := range ended {
		switch one.End {
		case EndFailed:
			if now.Sub(f.until) > forgottenAfter {
				f.inARow = 0
			}
			f.until = now.Add(min(time.Second<<min(f.inARow, 6), longestPause))
			f.inARow++
		case EndDone, EndLife:
			*f = failures{}
		case EndKilled:
		}
	}
}
