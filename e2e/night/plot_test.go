package night

import (
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Colours that those who see few of them can tell apart (Okabe and Ito).
var (
	blue   = color.RGBA{0, 114, 178, 255}
	orange = color.RGBA{213, 94, 0, 255}
	green  = color.RGBA{0, 158, 115, 255}
	purple = color.RGBA{204, 121, 167, 255}
	grey   = color.RGBA{150, 150, 150, 255}
)

// draw writes the night as night.svg and night.png.
func (n *night) draw(keda kedaNight) {
	n.Helper()
	plots := []*plot.Plot{n.drawBacklog(), n.drawWorkers(), n.drawFile(), n.drawCost(keda)}
	for _, ending := range []string{"svg", "png"} {
		canvas, err := draw.NewFormattedCanvas(26*vg.Centimeter, 30*vg.Centimeter, ending)
		if err != nil {
			n.Fatal(err)
		}
		rows := make([][]*plot.Plot, len(plots))
		for i, one := range plots {
			rows[i] = []*plot.Plot{one}
		}
		gap := vg.Points(8)
		tiles := draw.Tiles{Rows: len(plots), Cols: 1, PadTop: gap, PadBottom: gap, PadLeft: gap, PadRight: 2 * gap, PadY: gap}
		for i, row := range plot.Align(rows, tiles, draw.New(canvas)) {
			plots[i].Draw(row[0])
		}
		file, err := os.Create(filepath.Join(n.in.dir, "night."+ending))
		if err != nil {
			n.Fatal(err)
		}
		_, err = canvas.WriteTo(file)
		if closed := file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			n.Fatal(err)
		}
	}
}

// panel is an empty plot over the night.
func (n *night) panel(title, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = title, y
	p.X.Min, p.X.Max = n.from.Hours(), n.to.Hours()
	p.X.Tick.Marker = hours{}
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.TextStyle.Font.Size, p.Legend.Padding = vg.Points(9), vg.Points(2)
	return p
}

// hours marks the hours as clocks show them.
type hours struct{}

// Ticks marks each hour.
func (hours) Ticks(least, most float64) (ticks []plot.Tick) {
	for at := math.Ceil(least); at <= most+1e-9; at++ {
		ticks = append(ticks, plot.Tick{Value: at, Label: shown(time.Duration(at * float64(time.Hour)))})
	}
	return ticks
}

// decades marks each power of ten.
type decades struct{}

// Ticks marks a scale from 1 on.
func (decades) Ticks(_, most float64) (ticks []plot.Tick) {
	for at := 1.0; at <= most; at *= 10 {
		ticks = append(ticks, plot.Tick{Value: at, Label: strconv.FormatFloat(at, 'f', 0, 64)})
	}
	return ticks
}

// wholes marks each whole number.
type wholes struct{}

// Ticks marks what lies between.
func (wholes) Ticks(least, most float64) (ticks []plot.Tick) {
	for at := int(math.Ceil(least)); float64(at) <= most; at++ {
		ticks = append(ticks, plot.Tick{Value: float64(at), Label: strconv.Itoa(at)})
	}
	return ticks
}

// curve adds a line; where a value is unknown (NaN) it has a gap.
func (n *night) curve(p *plot.Plot, name string, shade color.Color, dashed bool, points plotter.XYs) {
	n.Helper()
	var piece plotter.XYs
	named := false
	flush := func() {
		if len(piece) < 2 {
			piece = nil
			return
		}
		line, err := plotter.NewLine(piece)
		if err != nil {
			n.Fatal(err)
		}
		line.Color, line.Width = shade, vg.Points(1.4)
		if dashed {
			line.Dashes, line.Width = []vg.Length{vg.Points(3), vg.Points(3)}, vg.Points(1)
		}
		p.Add(line)
		if !named && name != "" {
			p.Legend.Add(name, line)
			named = true
		}
		piece = nil
	}
	for _, point := range points {
		if math.IsNaN(point.Y) {
			flush()
			continue
		}
		if last := len(piece) - 1; last > 0 && piece[last].Y == point.Y && piece[last-1].Y == point.Y {
			piece[last] = point // it goes on
			continue
		}
		piece = append(piece, point)
	}
	flush()
}

// over gives a point for each sample.
func (n *night) over(value func(sample) float64) plotter.XYs {
	points := make(plotter.XYs, len(n.samples))
	for i, one := range n.samples {
		points[i] = plotter.XY{X: one.at.Hours(), Y: value(one)}
	}
	return points
}

// mark draws a thin line up and down at each of the great events.
func (n *night) mark(p *plot.Plot, least, most float64, names bool) {
	n.Helper()
	var labels plotter.XYLabels
	for _, one := range []struct {
		at   time.Duration
		name string
	}{{n.file, "the file"}, {n.drought.from, "no spot capacity"}, {n.drought.to, ""}, {n.restart, "brokers restart"}, {n.closing, "streams close"}, {n.morning, "morning"}} {
		n.curve(p, "", grey, true, plotter.XYs{{X: one.at.Hours(), Y: least}, {X: one.at.Hours(), Y: most}})
		labels.XYs = append(labels.XYs, plotter.XY{X: one.at.Hours() + .03, Y: most})
		labels.Labels = append(labels.Labels, one.name)
	}
	if !names {
		return
	}
	drawn, err := plotter.NewLabels(labels)
	if err != nil {
		n.Fatal(err)
	}
	drawn.Offset.Y = -vg.Points(9)
	p.Add(drawn)
}

func (n *night) drawBacklog() *plot.Plot {
	p := n.panel("Backlog: rows that wait or are in flight (gaps: nobody could say)", "rows, logarithmic")
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, decades{}
	p.Y.Min, p.Y.Max = 1, 10*math.Pow(10, math.Ceil(math.Log10(float64(n.ordinary*n.times))))
	for _, one := range []struct {
		queue, name string
		shade       color.Color
	}{{"payments", "payments (JetStream)", blue}, {"clicks", "clicks (Kafka)", orange}, {"nightly", "the nightly file", green}} {
		n.curve(p, one.name, one.shade, false, n.over(func(s sample) float64 {
			if s.waiting[one.queue] == unknown {
				return math.NaN()
			}
			return math.Max(float64(s.waiting[one.queue]), 1)
		}))
	}
	n.mark(p, p.Y.Min, p.Y.Max, true)
	return p
}

func (n *night) drawWorkers() *plot.Plot {
	p := n.panel("Workers by pool, and what the plan asks for", "workers")
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, float64(n.width)+3.2, wholes{} // room for the legend
	for _, one := range []struct {
		pool  string
		shade color.Color
	}{{"on-demand", blue}, {"spot", orange}} {
		n.curve(p, one.pool+", running", one.shade, false, n.over(func(s sample) float64 { return float64(s.running[one.pool]) }))
		n.curve(p, one.pool+", planned", one.shade, true, n.over(func(s sample) float64 { return float64(s.planned[one.pool]) + .06 }))
	}
	n.curve(p, "spot, granted by the provider", grey, false, n.over(func(s sample) float64 { return float64(n.granted(s.at)) - .06 }))
	n.markKills(p)
	n.mark(p, p.Y.Min, p.Y.Max, false)
	return p
}

// markKills draws a triangle where a worker was killed.
func (n *night) markKills(p *plot.Plot) {
	n.Helper()
	points := make(plotter.XYs, len(n.kills))
	for i, at := range n.kills {
		points[i] = plotter.XY{X: at.Hours(), Y: .2}
	}
	drawn, err := plotter.NewScatter(points)
	if err != nil {
		n.Fatal(err)
	}
	drawn.Color, drawn.Shape, drawn.Radius = color.Black, draw.TriangleGlyph{}, vg.Points(3)
	p.Add(drawn)
	p.Legend.Add("a worker was killed", drawn)
}

// drawFile draws when the service expected the file to be done, at each time, and when it was.
func (n *night) drawFile() *plot.Plot {
	p := n.panel("Plan against fact: when the nightly file is expected to be done", "done at")
	p.Y.Min, p.Y.Max = n.file.Hours(), n.to.Hours()
	p.Y.Tick.Marker = hours{}
	told := func(of func(sample) time.Time) plotter.XYs {
		return n.over(func(s sample) float64 {
			if at := of(s); !at.IsZero() && !s.told.State.Final() {
				return min(n.of(at).Hours(), p.Y.Max)
			}
			return math.NaN()
		})
	}
	n.curve(p, "expected", green, false, told(func(s sample) time.Time { return s.told.ExpectedFinish }))
	n.curve(p, "its range", green, true, told(func(s sample) time.Time { return s.told.ExpectedFinishLow }))
	n.curve(p, "", green, true, told(func(s sample) time.Time { return s.told.ExpectedFinishHigh }))
	if last := n.samples[len(n.samples)-1].told; last.State.Final() {
		done := n.of(last.Times[last.State]).Hours()
		n.curve(p, "done", blue, false, plotter.XYs{{X: n.file.Hours(), Y: done}, {X: n.to.Hours(), Y: done}})
	}
	n.curve(p, "due", purple, false, plotter.XYs{{X: n.file.Hours(), Y: n.morning.Hours()}, {X: n.to.Hours(), Y: n.morning.Hours()}})
	n.mark(p, p.Y.Min, p.Y.Max, false)
	return p
}

func (n *night) drawCost(keda kedaNight) *plot.Plot {
	p := n.panel("Cost up to then", currency)
	n.curve(p, "nightshift, as billed", blue, false, n.over(n.cost))
	n.curve(p, "the same replicas, all on demand (computed)", purple, false, n.over(n.allOnDemand))
	peer := make(plotter.XYs, len(keda.cost))
	for i, cost := range keda.cost {
		peer[i] = plotter.XY{X: (n.from + time.Duration(i+1)*kedaTick).Hours(), Y: cost}
	}
	n.curve(p, "KEDA-like on demand (simulated)", grey, false, peer)
	p.Y.Min = 0
	p.Y.Max *= 1.1
	n.mark(p, 0, p.Y.Max, false)
	return p
}
