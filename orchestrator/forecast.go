package orchestrator

import "time"

// QueueForecast is what arrived at a queue, what is expected to, and how wrong such expectations were.
type QueueForecast struct {
	Tenant string `json:"tenant"`
	Queue  string `json:"queue"`
	// TimeZone is where days begin and end.
	TimeZone      string    `json:"timeZone"`
	WindowSeconds int       `json:"windowSeconds"` // the length of a window
	Until         time.Time `json:"until"`         // where the history ends and the forecast begins
	On            bool      `json:"on"`            // whether capacity may be added for it
	Reason        string    `json:"reason"`        // why, in a sentence
	Learned       time.Time `json:"learned,omitzero"`
	Trials        int       `json:"trials"` // on the history, from which the errors are
	// Error is that of the whole horizon, ByHorizon that of its quarters.
	Error     ForecastError    `json:"error"`
	ByHorizon []HorizonError   `json:"byHorizon"`
	Models    []ForecastModel  `json:"models"`   // whose weighted mean it is, the largest weight first
	History   []WindowRows     `json:"history"`  // the oldest first, without gaps
	Expected  []WindowForecast `json:"expected"` // likewise
}

// ForecastError is how far forecasts were from what came. What nothing can be said of is null.
type ForecastError struct {
	WAPE           *float64 `json:"wape"`      // the sum of absolute errors over that of the rows
	Pinball50      *float64 `json:"pinball50"` // loss of the quantiles, in rows
	Pinball90      *float64 `json:"pinball90"`
	Pinball95      *float64 `json:"pinball95"`
	Covered90      *float64 `json:"covered90"` // the share of windows that the quantile was not below
	Covered95      *float64 `json:"covered95"`
	Underprovision *float64 `json:"underprovision"` // what the .95 quantile lacked at the peaks of the days, over these peaks
}

// HorizonError is the error at some distance from the time of the forecast.
type HorizonError struct {
	FromSeconds int `json:"fromSeconds"`
	ToSeconds   int `json:"toSeconds"`
	ForecastError
}

// ForecastModel is one of the models of which a forecast is the mean.
type ForecastModel struct {
	Name   string  `json:"name"`
	Weight float64 `json:"weight"`
}

// WindowRows is what arrived in a window.
type WindowRows struct {
	At   time.Time `json:"at"`   // when the window began
	Rows int64     `json:"rows"` // -1: unknown, since nobody watched, or not all through
}

// WindowForecast is what is expected to arrive in a window: at most so much with a probability of .5, .9 and .95. What nothing can be said of is null.
type WindowForecast struct {
	At     time.Time `json:"at"`
	Median *float64  `json:"median"`
	P90    *float64  `json:"p90"`
	P95    *float64  `json:"p95"`
}
