package night

import (
	"fmt"
	"testing"
	"time"
)

// evening is when nights begin.
const evening = 22 * time.Hour

// clock maps the time of the night, counted from 22:00, to the real one.
type clock struct {
	evening time.Time // the real time of 22:00
	faster  float64
}

// at is the real time of a time of the night.
func (c clock) at(night time.Duration) time.Time { return c.evening.Add(c.real(night)) }

// of is the time of the night of a real one.
func (c clock) of(at time.Time) time.Duration {
	return time.Duration(float64(at.Sub(c.evening)) * c.faster)
}

// real is how long a part of the night takes.
func (c clock) real(night time.Duration) time.Duration {
	return time.Duration(float64(night) / c.faster)
}

// hour reads 02:00 as a time after 22:00.
func hour(text string) time.Duration {
	at, err := time.Parse("15:04", text)
	if err != nil {
		panic(err) // a constant of this package
	}
	since := time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute - evening
	if since < -12*time.Hour {
		since += 24 * time.Hour
	}
	return since
}

// shown is what clocks show.
func shown(night time.Duration) string {
	minutes := int((evening + night) / time.Minute)
	return fmt.Sprintf("%02d:%02d", minutes/60%24, minutes%60)
}

func TestClock(t *testing.T) {
	c := clock{time.Unix(1000, 0), 60}
	for text, want := range map[string]int64{"22:00": 1000, "21:30": 970, "00:15": 1135, "07:00": 1540} {
		at := c.at(hour(text))
		if at != time.Unix(want, 0) || shown(c.of(at)) != text {
			t.Errorf("%s is at %d and then shown as %s, want %d", text, at.Unix(), shown(c.of(at)), want)
		}
	}
}
