package main

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/planner"
	"nightshift.dev/nightshift/orchestrator/simulate"
)

// worldDocuments are all that the planner is told about a simulated world besides what it observes: the start of a worker, the prices, the width.
const worldDocuments = `apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: scored}
spec:
  scorer: {command: [simulated]}
  batchRows: 1
  profile: {load: 0s, batches: [{rows: 1, rowsPerSecond: 1000}]}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: spot}
spec: {capacityType: spot, price: {amount: "%[2]s", currency: USD}, startTime: %[1]s, scaleDownDelay: 0s, replicas: {max: %[4]d}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: on-demand}
spec: {capacityType: on-demand, price: {amount: "%[3]s", currency: USD}, startTime: %[1]s, scaleDownDelay: 0s, replicas: {max: %[4]d}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: judged}
spec: {model: scored, pools: [spot, on-demand], input: {roots: [in]}, output: {root: out}, limits: {maxWorkers: %[4]d}}
`

// worldInstallation reads the documents of a world, and gives them back.
func worldInstallation(start time.Duration, onDemand, spot float64, width int) (installation simulate.Installation, text string, err error) {
	price := func(amount float64) string { return strconv.FormatFloat(amount, 'f', -1, 64) }
	text = fmt.Sprintf(worldDocuments, start, price(spot), price(onDemand), width)
	set, err := document.Decode(document.File{Name: "simulated", Data: []byte(text)})
	if err != nil {
		return simulate.Installation{}, text, err
	}
	return simulate.Installation{Policy: set.Policy(), Speeds: set.Speeds()}, text, nil
}

// historyWindows is how many windows of a series a prior is fitted to at most: they overlap.
const historyWindows = 30

// priors fits one for each judged series, to all series of the history but that one. Where nothing is left it is the default.
func priors(judged, history []traceSeries) (map[string]orchestrator.SpotPrior, error) {
	fitted := map[string]orchestrator.SpotPrior{}
	for _, one := range judged {
		var looks [][]bool
		for _, other := range history {
			if other.name == one.name {
				continue
			}
			for _, seen := range other.spread(historyWindows) {
				looks = append(looks, seen.looks())
			}
		}
		if len(looks) == 0 {
			fitted[one.name] = planner.DefaultPrior
			continue
		}
		prior, err := planner.Fit("without "+one.name, looks)
		if err != nil {
			return nil, err
		}
		fitted[one.name] = prior
	}
	return fitted, nil
}

// looks are the window every ten minutes.
func (w window) looks() []bool {
	const every = 10 * time.Minute
	looks := make([]bool, 0, len(w.available))
	for at := time.Duration(0); at < time.Duration(len(w.available))*w.gap; at += every {
		looks = append(looks, w.available[at/w.gap] > 0)
	}
	return looks
}

// matching are the series that have windows whose path matches, with those only.
func matching(all []traceSeries, wanted *regexp.Regexp) (list []traceSeries) {
	for _, one := range all {
		kept := traceSeries{name: one.name}
		for _, window := range one.windows {
			if wanted.MatchString(window.name) {
				kept.windows = append(kept.windows, window)
			}
		}
		if len(kept.windows) > 0 {
			list = append(list, kept)
		}
	}
	return list
}
