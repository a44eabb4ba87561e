package main

import (
	"fmt"
	"html"
	"math"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// The size of a picture, and of what is around the plot, in pixels.
const (
	svgWidth, svgHeight     = 1000, 400
	svgLeft, svgRight       = 70, 20
	svgAbove, svgBelow      = 50, 60
	svgMostPoints           = 2000
	svgLines                = 4
	svgCame, svgExpect      = "#1f4e79", "#c0504d"
	svgBand, svgDark, svgNo = "#f2c9c7", "#555555", "#e8e8e8"
)

// svgPlot turns times and rows into places.
type svgPlot struct {
	from, to time.Time
	top      float64
}

func (p svgPlot) x(at time.Time) float64 {
	return svgLeft + (svgWidth-svgLeft-svgRight)*at.Sub(p.from).Seconds()/p.to.Sub(p.from).Seconds()
}

func (p svgPlot) y(rows float64) float64 {
	return svgHeight - svgBelow - (svgHeight-svgBelow-svgAbove)*rows/p.top
}

// forecastSVG draws history, forecast and band.
func forecastSVG(told orchestrator.QueueForecast) string {
	var text strings.Builder
	title := html.EscapeString(fmt.Sprintf("Rows that arrive at queue %s in %s", visible(told.Queue), span(ofSeconds(told.WindowSeconds))))
	fmt.Fprintf(&text, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", svgWidth, svgHeight, svgWidth, svgHeight)
	fmt.Fprintf(&text, "<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n<text x=\"%d\" y=\"20\" font-size=\"15\">%s</text>\n", title, svgLeft, title)
	fmt.Fprintf(&text, `<text x="%d" y="38" fill="%s">%s</text>`+"\n", svgLeft, svgDark, html.EscapeString(visible(told.Reason)))
	if list := columnsOf(told, svgMostPoints); len(list) > 0 {
		each := ofSeconds(told.WindowSeconds)
		if len(list) > 1 {
			each = list[1].at.Sub(list[0].at)
		}
		plot := svgPlot{list[0].at, list[len(list)-1].at.Add(each), topOf(list)}
		plot.unknown(&text, list, each)
		plot.grid(&text)
		plot.curves(&text, list, each)
		plot.legend(&text, told.TimeZone)
	}
	text.WriteString("</svg>\n")
	return text.String()
}

// unknown are the times that were not watched.
func (p svgPlot) unknown(text *strings.Builder, list []chartColumn, each time.Duration) {
	for i := 0; i < len(list); i++ {
		if list[i].expected || !math.IsNaN(list[i].came) {
			continue
		}
		from := list[i].at
		for i+1 < len(list) && !list[i+1].expected && math.IsNaN(list[i+1].came) {
			i++
		}
		fmt.Fprintf(text, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", p.x(from), svgAbove, p.x(list[i].at.Add(each))-p.x(from), svgHeight-svgBelow-svgAbove, svgNo)
	}
}

// grid has lines for rows, and one for each midnight.
func (p svgPlot) grid(text *strings.Builder) {
	for i := range svgLines + 1 {
		rows := p.top * float64(i) / svgLines
		fmt.Fprintf(text, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#dddddd"/><text x="%d" y="%.1f" text-anchor="end" fill="%s">%s</text>`+"\n",
			svgLeft, svgWidth-svgRight, p.y(rows), p.y(rows), svgLeft-6, p.y(rows)+4, svgDark, label(rows))
	}
	year, month, day := p.from.Date()
	days := max(int(math.Ceil(p.to.Sub(p.from).Hours()/24/10)), 1) // at most ten have a name
	for i := 1; ; i++ {
		at := time.Date(year, month, day+i, 0, 0, 0, 0, p.from.Location())
		if !at.Before(p.to) {
			break
		}
		fmt.Fprintf(text, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#dddddd"/>`, p.x(at), p.x(at), svgAbove, svgHeight-svgBelow)
		if (i-1)%days == 0 {
			fmt.Fprintf(text, `<text x="%.1f" y="%d" text-anchor="middle" fill="%s">%s</text>`, p.x(at), svgHeight-svgBelow+16, svgDark, at.Format("Mon 2 Jan"))
		}
		text.WriteString("\n")
	}
}

func label(rows float64) string {
	if rows == math.Trunc(rows) {
		return number(int64(rows))
	}
	return fmt.Sprintf("%.3g", rows)
}

// curves are what came, and behind it the median and the band up to the .95 quantile.
func (p svgPlot) curves(text *strings.Builder, list []chartColumn, each time.Duration) {
	var came, median, upper, lower strings.Builder
	pen := "M"
	for _, one := range list {
		switch x0, x1 := p.x(one.at), p.x(one.at.Add(each)); {
		case !one.expected && math.IsNaN(one.came):
			pen = "M"
		case !one.expected:
			fmt.Fprintf(&came, "%s%.1f %.1fH%.1f", pen, x0, p.y(one.came), x1)
			pen = "L"
		case !math.IsNaN(one.median) && !math.IsNaN(one.p95):
			fmt.Fprintf(&median, "L%.1f %.1fH%.1f", x0, p.y(one.median), x1)
			fmt.Fprintf(&upper, "L%.1f %.1fH%.1f", x0, p.y(one.p95), x1)
			back := fmt.Sprintf("L%.1f %.1fH%.1f", x1, p.y(one.median), x0) + lower.String()
			lower.Reset()
			lower.WriteString(back)
		}
	}
	if median.Len() > 0 {
		fmt.Fprintf(text, `<path d="M%sZ" fill="%s"/>`+"\n", strings.TrimPrefix(upper.String()+lower.String(), "L"), svgBand)
		fmt.Fprintf(text, `<path d="M%s" fill="none" stroke="%s" stroke-width="1.5"/>`+"\n", strings.TrimPrefix(median.String(), "L"), svgExpect)
	}
	if came.Len() > 0 {
		fmt.Fprintf(text, `<path d="%s" fill="none" stroke="%s" stroke-width="1.5"/>`+"\n", came.String(), svgCame)
	}
}

func (p svgPlot) legend(text *strings.Builder, zone string) {
	x, y := svgLeft, svgHeight-16
	for _, one := range []struct{ fill, says string }{{svgCame, "came"}, {svgExpect, "expected"}, {svgBand, "at most, with a probability of .95"}, {svgNo, "unknown"}} {
		fmt.Fprintf(text, `<rect x="%d" y="%d" width="12" height="12" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n", x, y-10, one.fill, x+18, y, one.says)
		x += 40 + 7*len(one.says)
	}
	fmt.Fprintf(text, `<text x="%d" y="%d" text-anchor="end" fill="%s">days of %s</text>`+"\n", svgWidth-svgRight, y, svgDark, html.EscapeString(visible(zone)))
}
