package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/document"
)

// forecast knows queue payments, of which it was not watched for three hours, and queue new, of which nothing is known.
func (a *answers) forecast(_ string, data []byte) (any, *api.Error) {
	request, problem := api.Decode[api.ForecastRequest](data)
	if problem != nil {
		return nil, problem
	}
	if request.Queue == "new" {
		return api.ForecastResponse{Forecast: orchestrator.QueueForecast{
			Tenant: "default", Queue: "new", TimeZone: "UTC", WindowSeconds: 600, Reason: "the forecast is off: nothing was learned yet",
			ByHorizon: []orchestrator.HorizonError{}, Models: []orchestrator.ForecastModel{}, History: []orchestrator.WindowRows{}, Expected: []orchestrator.WindowForecast{},
		}}, nil
	}
	return api.ForecastResponse{Forecast: someForecast(request.Days)}, nil
}

func someForecast(days int) orchestrator.QueueForecast {
	told := orchestrator.QueueForecast{
		Tenant: "default", Queue: "payments", TimeZone: "Europe/Berlin", WindowSeconds: 600, Until: nowhere.UTC(), On: true, Trials: 27, Learned: nowhere.Add(-20 * time.Minute).UTC(),
		Reason: "the forecast is on: in 27 trials on the history, late ones counting most, it erred 0.63 times as much as the weekly naive one",
		Models: []orchestrator.ForecastModel{{Name: "weeks corrected", Weight: .72}, {Name: "weekly naive", Weight: .28}},
		Error:  someErrors(.1),
	}
	load := func(at time.Time) float64 {
		return 3000 * (1.2 + math.Sin(2*math.Pi*float64(at.Sub(nowhere))/float64(24*time.Hour)))
	}
	for i := range 4 {
		told.ByHorizon = append(told.ByHorizon, orchestrator.HorizonError{FromSeconds: 21600 * i, ToSeconds: 21600 * (i + 1), ForecastError: someErrors(.08 + .01*float64(i))})
	}
	for at := nowhere.AddDate(0, 0, -days); at.Before(nowhere); at = at.Add(10 * time.Minute) {
		rows := int64(load(at))
		if gone := nowhere.Sub(at); gone > 9*time.Hour && gone <= 12*time.Hour {
			rows = -1
		}
		told.History = append(told.History, orchestrator.WindowRows{At: at.UTC(), Rows: rows})
	}
	for i := range 144 {
		at := nowhere.Add(time.Duration(i) * 10 * time.Minute)
		median := load(at)
		p90, p95 := 1.2*median, 1.3*median
		told.Expected = append(told.Expected, orchestrator.WindowForecast{At: at.UTC(), Median: &median, P90: &p90, P95: &p95})
	}
	return told
}

func someErrors(wape float64) orchestrator.ForecastError {
	values := [7]float64{wape, 1000 * wape, 500 * wape, 300 * wape, .91, .96, .02}
	return orchestrator.ForecastError{WAPE: &values[0], Pinball50: &values[1], Pinball90: &values[2], Pinball95: &values[3], Covered90: &values[4], Covered95: &values[5], Underprovision: &values[6]}
}

// Days, holidays and how work comes are those of the documents.
func TestForecastsAreOfTheDocuments(t *testing.T) {
	t.Parallel()
	head := "apiVersion: nightshift.dev/v1alpha1\n"
	set, err := document.Decode(document.File{Name: "a.yaml", Data: []byte(head + `kind: Model
metadata: {name: m}
spec: {scorer: {python: "a:B"}}
---
` + head + `kind: Pool
metadata: {name: cpu}
spec: {replicas: {max: 2}}
---
` + head + `kind: Queue
metadata: {name: clicks}
spec: {source: nats, nats: {stream: S, consumer: c}, model: m, pools: [cpu], output: {root: r}, calendar: {timeZone: Asia/Tokyo, holidays: [2026-12-25]}}
---
` + head + `kind: Queue
metadata: {name: nightly}
spec: {model: m, pools: [cpu], input: {roots: [.]}, output: {root: r}, objective: {finishBy: "06:00", arrivedBy: "22:00", timeZone: Europe/Berlin}}
---
` + head + `kind: Queue
metadata: {name: plain}
spec: {model: m, pools: [cpu], input: {roots: [.]}, output: {root: r}, tenant: acme}
`)})
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, one := range forecastQueues(set) {
		text += fmt.Sprintln(one.Tenant, one.Queue, one.Zone, one.Drains, one.ByTheClock, len(one.Holidays))
	}
	if want := "default clicks Asia/Tokyo true false 1\ndefault nightly Europe/Berlin false true 0\nacme plain UTC false false 0\n"; text != want {
		t.Errorf("%swant\n%s", text, want)
	}
}

// Whatever is known, a chart has lines of one width that fit a terminal, and a picture is well-formed XML without a number that is none.
func TestForecastsCanBeDrawn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		told := orchestrator.QueueForecast{Queue: rapid.StringOf(rapid.SampledFrom([]rune("a<&\"\x1b"))).Draw(t, "queue"), TimeZone: rapid.SampledFrom([]string{"UTC", "Asia/Tokyo", "Mars"}).Draw(t, "zone"), WindowSeconds: 600}
		at := nowhere.UTC()
		for _, rows := range rapid.SliceOfN(rapid.Int64Range(-1, 1<<50), 0, 300).Draw(t, "rows") {
			told.History, at = append(told.History, orchestrator.WindowRows{At: at, Rows: rows}), at.Add(10*time.Minute)
		}
		for range rapid.IntRange(0, 150).Draw(t, "expected") {
			one := orchestrator.WindowForecast{At: at}
			if rapid.Bool().Draw(t, "known") {
				value := rapid.Float64Range(0, 1e100).Draw(t, "value")
				one.Median, one.P95 = &value, &value
			}
			told.Expected, at = append(told.Expected, one), at.Add(10*time.Minute)
		}
		chart := forecastChart(told)
		for _, line := range strings.Split(chart, "\n") {
			if len([]rune(line)) > chartColumns+120 || strings.ContainsRune(line, '\x1b') {
				t.Fatalf("a line of %d characters: %q", len([]rune(line)), line)
			}
		}
		picture := forecastSVG(told)
		if strings.Contains(picture, "NaN") || strings.Contains(picture, "Inf") {
			t.Fatalf("numbers that are none: %s", picture)
		}
		for decoder := xml.NewDecoder(strings.NewReader(picture)); ; {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in %s", err, picture)
			}
		}
	})
}

// A gap is neither drawn as zero nor joined over.
func TestGapsAreSeen(t *testing.T) {
	t.Parallel()
	told := someForecast(2)
	chart, picture := forecastChart(told), forecastSVG(told)
	lines := strings.Split(chart, "\n")
	if bottom := lines[chartLines]; strings.Count(bottom, "?") != 4 { // three hours in columns of forty minutes, of which two are half known
		t.Errorf("the bottom line: %s", bottom)
	}
	came := picture[strings.LastIndex(picture, `<path d="`):]
	if strings.Count(came, "M") != 2 || !strings.Contains(picture, `height="290" fill="`+svgNo) {
		t.Errorf("what came is drawn in %d pieces: %s", strings.Count(came, "M"), came[:200])
	}
}
