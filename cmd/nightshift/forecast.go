package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// formatSVG is the value of -o that draws a picture.
const formatSVG = "svg"

func (p *program) forecastCommand() *cobra.Command {
	query := api.ForecastRequest{}
	var format *printFormat
	command := &cobra.Command{
		Use:   "forecast QUEUE",
		Short: "Show what arrived at a queue, what is expected to, and how wrong that was before",
		Long: `Forecast shows the rows that arrived at a queue, window by window, and those that are expected in the next day, with the band that they stay in with a
probability of .95. Below stands whether the forecast is on, so that capacity may be added for it, and by how much it erred in its trials on the history, by how far it
looked ahead. A window that was not watched all through is unknown, never zero.`,
		Example: `  nightshift forecast payments
  nightshift forecast payments --days 14 -o svg > payments.svg
  nightshift forecast payments -o json`,
		Args: arguments(1, 1, "a queue"),
		RunE: func(command *cobra.Command, args []string) error {
			if query.Days < 1 || query.Days > api.MaxForecastDays {
				return usage(command, "--days: %d; allowed: 1 to %d", query.Days, api.MaxForecastDays)
			}
			query.Queue = args[0]
			client, err := p.client()
			if err != nil {
				return err
			}
			defer client.close()
			answer, err := request[api.ForecastResponse](command.Context(), client, "forecast", query)
			if err != nil {
				return err
			}
			out := p.screen(command.OutOrStdout())
			switch {
			case format.machine():
				return format.print(out, answer)
			case format.name == formatSVG:
				_, err = fmt.Fprint(out, forecastSVG(answer.Forecast))
				return err
			}
			return showForecast(out, answer.Forecast)
		},
	}
	command.Flags().IntVar(&query.Days, "days", 2, "how many days of what arrived to show, 1 to 28")
	format = formatOption(command, formatFlag, formatJSON, formatYAML, formatSVG)
	return command
}

// showForecast prints a chart, the verdict and the errors.
func showForecast(out screen, told orchestrator.QueueForecast) error {
	fmt.Fprint(out, forecastChart(told))
	fmt.Fprintln(out, visible(told.Reason))
	if told.Error.WAPE == nil {
		return nil
	}
	fmt.Fprintf(out, "\nerrors in %s on the history; pinball in rows of a window\n", plural(told.Trials, "trial"))
	rows := [][]cell{cells("AHEAD", "WAPE", "PINBALL .5", ".9", ".95", "BELOW .9", ".95", "LACKING AT PEAKS")}
	line := func(ahead string, one orchestrator.ForecastError) {
		rows = append(rows, cells(ahead, number4(one.WAPE), number4(one.Pinball50), number4(one.Pinball90), number4(one.Pinball95), number4(one.Covered90), number4(one.Covered95), number4(one.Underprovision)))
	}
	for _, one := range told.ByHorizon {
		line(fmt.Sprintf("%s to %s", span(ofSeconds(one.FromSeconds)), span(ofSeconds(one.ToSeconds))), one.ForecastError)
	}
	line("all", told.Error)
	if err := out.table(rows); err != nil {
		return err
	}
	var models []string
	for _, one := range told.Models {
		models = append(models, fmt.Sprintf("%s %.2f", one.Name, one.Weight))
	}
	fmt.Fprintf(out, "\nweights: %s\n", strings.Join(models, ", "))
	return nil
}

func ofSeconds(count int) time.Duration { return time.Duration(count) * time.Second }

// daysOf is where the days of a forecast begin; UTC where this machine does not know it.
func daysOf(told orchestrator.QueueForecast) *time.Location {
	zone, err := time.LoadLocation(told.TimeZone)
	if err != nil {
		return time.UTC
	}
	return zone
}
