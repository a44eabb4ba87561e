package forecast

import "time"

// kind of a day, where days of it may differ from what is usual.
type kind uint8

const (
	ordinary kind = iota
	lastOfMonth
	firstOfMonth
	holiday
	kinds
)

// calendar says which steps are of which kind of day, and of which day.
type calendar struct {
	kinds []kind
	days  []int // counted from that of the first step
	parts []uint8
}

// dayParts is into how many parts of equal length a day is divided.
const dayParts = 4

func newCalendar(history History, holidays []time.Time, steps int) calendar {
	special := make(map[[3]int]bool, len(holidays))
	for _, day := range holidays {
		special[dateOf(day)] = true
	}
	c := calendar{make([]kind, steps), make([]int, steps), make([]uint8, steps)}
	var last [3]int
	day, of := -1, ordinary
	for t := range steps {
		at := history.at(t)
		if date := dateOf(at); day < 0 || date != last {
			last, day, of = date, day+1, ordinary
			switch {
			case special[date]:
				of = holiday
			case at.AddDate(0, 0, 1).Day() == 1:
				of = lastOfMonth
			case date[2] == 1:
				of = firstOfMonth
			}
		}
		c.kinds[t], c.days[t], c.parts[t] = of, day, uint8(at.Hour()*dayParts/24)
	}
	return c
}

func dateOf(at time.Time) [3]int {
	year, month, day := at.Date()
	return [3]int{year, int(month), day}
}

// effects are by what factor days of a kind differ from what a model says of them; 1 until enough days have shown that it helps.
type effects struct {
	of    [kinds][dayParts]effect
	open  [kinds]occurrence // the day that is being added
	tries [kinds]float64    // by how much the errors at earlier days would have been less with the factor of the days before
	days  [kinds]int
}

type effect struct{ came, said float64 }

type occurrence struct {
	day    int
	begun  bool
	came   [dayParts]float64
	said   [dayParts]float64
	gained float64
}

// leastDays that must have been seen: one to learn from, and two to see that it helps.
const leastDays = 3

// add what came where a model said something.
func (e *effects) add(s *series, origin int, said []float64) {
	for h, value := range said {
		t := origin + h
		for of := range e.open {
			if open := e.open[of]; open.begun && open.day != s.days.days[t] {
				e.end(kind(of))
			}
		}
		of := s.days.kinds[t]
		if of == ordinary || unknown(s.Values[t]) {
			continue
		}
		open, part, came := &e.open[of], s.days.parts[t], s.Values[t]
		open.begun, open.day = true, s.days.days[t]
		open.came[part] += came
		open.said[part] += value
		open.gained += abs(came-value) - abs(came-value*e.learned(of, part))
	}
}

// end takes a day that is over.
func (e *effects) end(of kind) {
	open := e.open[of]
	if e.days[of] > 0 {
		e.tries[of] += open.gained
	}
	e.days[of]++
	for part := range dayParts {
		e.of[of][part].came += open.came[part]
		e.of[of][part].said += open.said[part]
	}
	e.open[of] = occurrence{}
}

// learned is the factor that the days before show, one of them counting as ordinary.
func (e *effects) learned(of kind, part uint8) float64 {
	seen := e.of[of][part]
	if e.days[of] == 0 || !(seen.said > 0) {
		return 1
	}
	ordinary := seen.said / float64(e.days[of])
	return min((seen.came+ordinary)/(seen.said+ordinary), 4)
}

// apply changes what is said of days whose kind has shown that it differs.
func (e *effects) apply(s *series, origin int, said []float64) []float64 {
	if said == nil {
		return nil
	}
	changed := make([]float64, len(said))
	for h, value := range said {
		changed[h] = value
		if of := s.days.kinds[origin+h]; of != ordinary && e.proven(of) {
			changed[h] = value * e.learned(of, s.days.parts[origin+h])
		}
	}
	return changed
}

func (e *effects) proven(of kind) bool { return e.days[of] >= leastDays && e.tries[of] > 0 }
