package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/forecast"
)

// forecastBench is one run of bench forecast.
type forecastBench struct {
	series          []string
	period, horizon int
	train           float64
	calendar        string
	say             func(format string, values ...any)
}

// forecastReport is what it prints.
type forecastReport struct {
	Period  int           `json:"period"`
	Horizon int           `json:"horizon"`
	Train   float64       `json:"train"`
	Rows    []forecastRow `json:"rows"`
}

// forecastRow is how one model did on one series. What nothing can be said of is null.
type forecastRow struct {
	Series         string            `json:"series"`
	Model          string            `json:"model"`
	WAPE           *float64          `json:"wape"`
	SMAPE          *float64          `json:"smape"`
	MASE           *float64          `json:"mase"`
	Pinball50      *float64          `json:"pinball50"` // in the unit of the values
	Pinball90      *float64          `json:"pinball90"`
	Pinball95      *float64          `json:"pinball95"`
	Covered90      *float64          `json:"covered90"` // the share of values that the quantile was not below
	Covered95      *float64          `json:"covered95"`
	Underprovision *float64          `json:"underprovision"`
	Origins        int               `json:"origins"`
	OriginsOff     int               `json:"origins_off"`
	Steps          int               `json:"steps"` // that were judged
	ByHorizon      []forecastQuarter `json:"by_horizon"`
}

// forecastQuarter is a part of the horizon.
type forecastQuarter struct {
	From           int      `json:"from_step"`
	To             int      `json:"to_step"` // exclusive
	WAPE           *float64 `json:"wape"`
	Pinball95      *float64 `json:"pinball95"`
	Underprovision *float64 `json:"underprovision"`
}

func (p *program) benchForecastCommand() *cobra.Command {
	run := forecastBench{}
	var format *printFormat
	command := &cobra.Command{
		Use:   "forecast",
		Short: "Compare the forecast of recurring load with published methods",
		Long: `Forecast takes recorded loads, forecasts a horizon from an origin, then from one a period later, and so on, each time knowing only what was before, and
compares what was forecast with what came. A series is a CSV file with a header and two columns, timestamp and value; missing rows and empty values are unknown.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			run.say = sayTo(command.ErrOrStderr())
			return p.runBench(command, format, run.check(), func() (benchReport, error) { return run.run(command.Context()) })
		},
	}
	flags := command.Flags()
	flags.StringSliceVar(&run.series, "series", nil, "CSV file with a header: timestamp, value; may be repeated")
	flags.IntVar(&run.period, "period", 48, "steps of a day, or of what else comes again and again")
	flags.IntVar(&run.horizon, "horizon", 48, "steps that are forecast from each origin")
	flags.Float64Var(&run.train, "train", .5, "share of the series before the first origin")
	flags.StringVar(&run.calendar, "calendar", "", "CSV file with a header: date of a holiday, name; every method knows them")
	_ = command.MarkFlagRequired("series") // the flag is there
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

const (
	mostPeriod         = 20_000 // steps
	mostHorizonPeriods = 7
)

// check says what is wrong with the flags.
func (b *forecastBench) check() string {
	var wrong []string
	if b.period < 2 || b.period > mostPeriod {
		wrong = append(wrong, fmt.Sprintf("--period: %d; allowed: 2 to %d", b.period, mostPeriod))
	}
	if most := mostHorizonPeriods * max(b.period, 2); b.horizon < 1 || b.horizon > most {
		wrong = append(wrong, fmt.Sprintf("--horizon: %d; allowed: 1 to %d, %d periods", b.horizon, most, mostHorizonPeriods))
	}
	if !(b.train > 0) || b.train >= 1 {
		wrong = append(wrong, fmt.Sprintf("--train: %g; allowed: above 0, below 1", b.train))
	}
	return strings.Join(wrong, "\n")
}

func (b *forecastBench) run(ctx context.Context) (*forecastReport, error) {
	settings := forecast.Settings{Period: b.period, Horizon: b.horizon}
	if b.calendar != "" {
		var err error
		if settings.Holidays, err = readHolidays(b.calendar); err != nil {
			return nil, err
		}
	}
	report := &forecastReport{Period: b.period, Horizon: b.horizon, Train: b.train}
	for _, path := range b.series {
		history, err := readSeries(path)
		if err != nil {
			return nil, err
		}
		first := int(b.train * float64(len(history.Values)))
		if first < b.period || first+b.horizon > len(history.Values) {
			return nil, fmt.Errorf("%s: %d steps, of which %d are before the first origin; allowed: a period (%d) or more before it, a horizon (%d) or more after",
				path, len(history.Values), first, b.period, b.horizon)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b.say("%s: %d steps of %s", path, len(history.Values), history.Step)
		report.add(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), history, settings, first)
	}
	return report, nil
}

func (r *forecastReport) add(name string, history forecast.History, settings forecast.Settings, first int) {
	scale := forecast.MASEScale(forecast.History{Start: history.Start, Step: history.Step, Values: history.Values[:first]}, settings.Period)
	origins, all := forecast.Evaluate(history, settings, first)
	for _, one := range all {
		errs := one.Errors
		row := forecastRow{
			Series: name, Model: one.Model, WAPE: orNull(errs.WAPE), SMAPE: orNull(errs.SMAPE), MASE: orNull(errs.MAE / scale),
			Pinball50: orNull(errs.Pinball[0]), Pinball90: orNull(errs.Pinball[1]), Pinball95: orNull(errs.Pinball[2]), Covered90: orNull(errs.Covered[0]), Covered95: orNull(errs.Covered[1]),
			Underprovision: orNull(errs.Underprovision), Origins: len(origins), OriginsOff: one.Off, Steps: errs.Steps,
		}
		for i, errs := range one.Quarter {
			from, to := forecast.Quarter(settings.Horizon, i)
			row.ByHorizon = append(row.ByHorizon, forecastQuarter{from, to, orNull(errs.WAPE), orNull(errs.Pinball[2]), orNull(errs.Underprovision)})
		}
		r.Rows = append(r.Rows, row)
	}
}

// orNull leaves out what is no number.
func orNull(value float64) *float64 {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return nil
	}
	return &value
}

func (r *forecastReport) print(out screen) error {
	fmt.Fprintf(out, "forecasts of %s, one every %s, the first after %g of the series\n\n", plural(r.Horizon, "step"), plural(r.Period, "step"), r.Train)
	rows := [][]cell{cells("SERIES", "MODEL", "WAPE", "SMAPE", "MASE", "PINBALL .5", ".9", ".95", "BELOW .9", ".95", "LACKING AT PEAKS", "WAPE BY QUARTER OF THE HORIZON", "OFF")}
	for _, row := range r.Rows {
		var quarters []string
		for _, one := range row.ByHorizon {
			quarters = append(quarters, number4(one.WAPE))
		}
		off := ""
		if row.Model == forecast.Ours {
			off = fmt.Sprintf("%d of %d", row.OriginsOff, row.Origins)
		}
		rows = append(rows, cells(row.Series, row.Model, number4(row.WAPE), number4(row.SMAPE), number4(row.MASE), number4(row.Pinball50), number4(row.Pinball90), number4(row.Pinball95),
			number4(row.Covered90), number4(row.Covered95), number4(row.Underprovision), strings.Join(quarters, " "), off))
	}
	return out.table(rows)
}

// number4 has four digits, or a dash where there is no number.
func number4(value *float64) string {
	switch {
	case value == nil:
		return "-"
	case *value >= 10:
		return strconv.FormatFloat(*value, 'f', 1, 64)
	}
	return strconv.FormatFloat(*value, 'f', 4, 64)
}
