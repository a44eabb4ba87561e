package forecaster

import (
	"math"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/arrivals"
	"nightshift.dev/nightshift/orchestrator/forecast"
)

// day is the windows of a day: the period of the forecast, and its horizon.
const day = int(24 * time.Hour / arrivals.Window)

// queue is what is known of one.
type queue struct {
	Queue
	windows arrivals.Windows
	over    time.Time // the windows that were over when they were last stored end then

	model     *forecast.Model    // nil: nothing was learned yet
	learned   time.Time          // the last window that the model has seen ends then
	learnedAt time.Time          // when that was
	said      *forecast.Forecast // nil: nothing was said yet
}

// ends is where the windows end that are over; zero: there are none.
func (q *queue) ends() time.Time {
	from, rows := q.windows.Over()
	if len(rows) == 0 {
		return time.Time{}
	}
	return from.Add(time.Duration(len(rows)) * arrivals.Window)
}

// news says whether a window is over since it was last asked, and gives all of them to be stored.
func (q *queue) news() (bool, []byte) {
	ends := q.ends()
	if !ends.After(q.over) {
		return false, nil
	}
	q.over = ends
	data, err := q.windows.MarshalBinary()
	return err == nil, data
}

// due says whether to learn: from the first window on, and then again and again.
func (q *queue) due() bool {
	ends := q.ends()
	return !ends.IsZero() && (q.model == nil || ends.Sub(q.learned) >= learnEvery)
}

// history is what package forecast looks at: a copy.
func (q *queue) history() forecast.History {
	from, rows := q.windows.Over()
	history := forecast.History{Start: from.In(q.Zone), Step: arrivals.Window, Values: make([]float64, len(rows))}
	for i, one := range rows {
		if history.Values[i] = float64(one); one == arrivals.Unknown {
			history.Values[i] = math.NaN()
		}
	}
	return history
}

func fit(history forecast.History, holidays []time.Time) *forecast.Model {
	return forecast.Fit(history, forecast.Settings{Period: day, Horizon: day, Holidays: holidays})
}

// Forecast tells what is known of a queue, with the history since a time; false: it is not looked after.
func (f *Forecaster) Forecast(name orchestrator.QueueName, since time.Time) (told orchestrator.QueueForecast, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.named[name]
	if one == nil {
		return told, false
	}
	told = orchestrator.QueueForecast{
		Tenant: name.Tenant, Queue: name.Queue, TimeZone: one.Zone.String(), WindowSeconds: int(arrivals.Window / time.Second), Until: one.ends(),
		Reason: "the forecast is off: nothing was learned yet", Learned: one.learnedAt,
		ByHorizon: []orchestrator.HorizonError{}, Models: []orchestrator.ForecastModel{}, History: []orchestrator.WindowRows{}, Expected: []orchestrator.WindowForecast{}, // lists, also where there is nothing
	}
	from, rows := one.windows.Over()
	for i, count := range rows {
		if at := from.Add(time.Duration(i) * arrivals.Window); !at.Before(since) {
			told.History = append(told.History, orchestrator.WindowRows{At: at, Rows: count})
		}
	}
	if one.said != nil {
		tell(&told, one.said)
	}
	return told, true
}

func tell(told *orchestrator.QueueForecast, said *forecast.Forecast) {
	told.On, told.Reason, told.Trials, told.Error = said.On, said.Reason, said.Trials, errorOf(said.Error)
	for i, one := range said.Quarter {
		from, to := forecast.Quarter(day, i)
		told.ByHorizon = append(told.ByHorizon, orchestrator.HorizonError{FromSeconds: from * told.WindowSeconds, ToSeconds: to * told.WindowSeconds, ForecastError: errorOf(one)})
	}
	for _, one := range said.Weights {
		told.Models = append(told.Models, orchestrator.ForecastModel{Name: one.Model, Weight: one.Weight})
	}
	for i, one := range said.Steps {
		at := said.Start.Add(time.Duration(i) * said.Step).UTC()
		told.Expected = append(told.Expected, orchestrator.WindowForecast{At: at, Median: orNull(one.Median), P90: orNull(one.P90), P95: orNull(one.P95)})
	}
}

func errorOf(one forecast.Errors) orchestrator.ForecastError {
	return orchestrator.ForecastError{
		WAPE: orNull(one.WAPE), Pinball50: orNull(one.Pinball[0]), Pinball90: orNull(one.Pinball[1]), Pinball95: orNull(one.Pinball[2]),
		Covered90: orNull(one.Covered[0]), Covered95: orNull(one.Covered[1]), Underprovision: orNull(one.Underprovision),
	}
}

// orNull leaves out what is no number.
func orNull(value float64) *float64 {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return nil
	}
	return &value
}
