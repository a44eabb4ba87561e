package night

import (
	"fmt"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

// span is a part of the night.
type span struct{ from, to time.Duration }

// scenario is what a night is made of. Times are those of the night, from 22:00.
type scenario struct {
	speed    float64
	from, to time.Duration
	morning  time.Duration // when everything is to be done
	closing  time.Duration // when the last rows of the streams come
	early    bool          // it is over as soon as nothing is left to do
	seed     uint64

	busy             day
	payments, clicks float64       // rows a minute at the busiest time of a day
	file, due        time.Duration // when the nightly file comes, and by when it is submitted to be done
	ordinary         int           // rows of the file on an ordinary night
	times            int           // how many times as many there are on this one: at the end of a month
	drought          span
	thin             []span          // when half of the spot capacity is away
	restart          time.Duration   // of both brokers
	kills            []time.Duration // of one worker, without a word

	pace  float64 // rows that a worker scores in a real second
	width int     // replicas of each pool
}

// full is what make demo-night plays.
func full() scenario {
	return scenario{
		speed: 60, from: hour("22:00"), to: hour("07:00"), morning: hour("06:00"), closing: hour("05:00"), seed: 1,
		busy: made, payments: 110, clicks: 200, file: hour("02:00"), due: hour("06:00"), ordinary: 50_000, times: 2, drought: span{hour("03:00"), hour("03:40")},
		thin: []span{{hour("02:25"), hour("02:35")}, {hour("04:10"), hour("04:20")}}, restart: hour("04:00"),
		kills: []time.Duration{hour("22:50"), hour("00:30"), hour("02:15"), hour("04:35")}, pace: 200, width: 4,
	}
}

// prices of a replica for an hour of the night: of a V100, as in the published traces.
const (
	spotPrice     = .9731
	onDemandPrice = 3.06
	currency      = "USD"
)

// What is told to the service, in the night's time.
const (
	paymentsWithin = 30 * time.Minute
	clicksWithin   = time.Hour
	rollEvery      = 30 * time.Minute
)

// What is told to it of workers, in real time.
const (
	startTime = 2 * time.Second
	loadTime  = 500 * time.Millisecond
	notice    = 2 * time.Second
	delay     = 2 * time.Second
)

var documents = template.Must(template.New("").Parse(`apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: night}
spec:
  scorer: {python: "slow:Slow", path: ., interpreter: python3, parameters: {rows_per_second: {{.Pace}}}}
  artifacts: [slow.py]
  batchRows: 50
  profile: {load: {{.Load}}, batches: [{rows: 50, rowsPerSecond: {{.Pace}}}]}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: spot}
spec:
  capacityType: spot
  price: {amount: "{{.Spot}}", currency: {{.Currency}}} # an hour of the night lasts {{.Hour}}
  replicas: {max: {{.Width}}}
  notice: {{.Notice}}
  scaleDownDelay: {{.Delay}}
  startTime: {{.Start}}
  interruptions: {trace: trace.json, speed: {{.Speed}}, begin: {{.Begin}}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: on-demand}
spec:
  capacityType: on-demand
  price: {amount: "{{.OnDemand}}", currency: {{.Currency}}}
  replicas: {max: {{.Width}}}
  scaleDownDelay: {{.Delay}}
  startTime: {{.Start}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: payments}
spec:
  source: nats
  nats: {stream: PAYMENTS, consumer: scoring}
  drain: {key: id, rollEvery: {{.Roll}}}
  model: night
  pools: [on-demand]
  output: {root: out}
  objective: {finishWithin: {{.PaymentsWithin}}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: clicks}
spec:
  source: kafka
  kafka: {brokers: [{{printf "%q" .Broker}}], topic: clicks, group: scoring}
  drain: {key: id, rollEvery: {{.Roll}}}
  model: night
  pools: [on-demand]
  output: {root: out}
  objective: {finishWithin: {{.ClicksWithin}}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: nightly}
spec:
  source: jobs
  model: night
  pools: [spot, on-demand]
  input: {roots: [in]}
  output: {root: out}
  limits: {maxWorkers: {{.Width}}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Schedule
metadata: {name: nightly-file}
spec:
  queue: nightly
  cron: {{printf "%q" .Cron}} # 02:00 of this night
  timeZone: UTC
  expect: {rows: {{.Rows}}}
  objective: {finishWithin: {{.FileWithin}}}
  submit: {input: [{{printf "%q" .Input}}], key: id}
`))

// documents are what the service is started with, so long after the trace of its spot pool has begun.
func (s scenario) documents(broker, dir string, c clock, begin time.Duration) (string, error) {
	file := c.at(s.file).UTC()
	var text strings.Builder
	err := documents.Execute(&text, map[string]any{
		"Pace": s.pace, "Width": s.width, "Speed": s.speed, "Currency": currency, "Spot": price(spotPrice * s.speed), "OnDemand": price(onDemandPrice * s.speed), "Hour": c.real(time.Hour),
		"Load": loadTime, "Notice": notice, "Delay": delay, "Start": startTime, "Begin": begin.Round(time.Millisecond),
		"Roll": c.real(rollEvery), "PaymentsWithin": c.real(paymentsWithin), "ClicksWithin": c.real(clicksWithin), "Broker": broker,
		"Cron": fmt.Sprintf("%d %d * * *", file.Minute(), file.Hour()), "Rows": s.ordinary, "FileWithin": c.real(s.due - s.file), "Input": "file://" + filepath.Join(dir, "in", "night.jsonl"),
	})
	return text.String(), err
}

func price(amount float64) string { return fmt.Sprintf("%.4f", amount) }

// before is how long before 22:00 the trace of spot capacity begins; the rest of its day is as good.
const before = 4 * time.Hour

// granted is how many replicas of the spot pool the provider runs.
func (s scenario) granted(at time.Duration) int {
	if at >= s.drought.from && at < s.drought.to {
		return 0
	}
	for _, one := range s.thin {
		if at >= one.from && at < one.to {
			return s.width / 2
		}
	}
	return s.width
}

// trace is the same for each minute of a day.
func (s scenario) trace() string {
	granted := make([]string, 24*60)
	for minute := range granted {
		granted[minute] = fmt.Sprint(s.granted(time.Duration(minute)*time.Minute - before))
	}
	return `{"metadata": {"gap_seconds": 60}, "granted": [` + strings.Join(granted, ", ") + "]}"
}

// scorer takes as long as so many rows take, without work: a night is to be played beside other things.
const scorer = `import time


class Slow:
    """Doubles a number, so many rows a second."""

    def __init__(self, rows_per_second):
        self.pace = rows_per_second

    def __call__(self, batch):
        time.sleep(len(batch["n"]) / self.pace)
        return {"double": [2 * n for n in batch["n"]]}
`
