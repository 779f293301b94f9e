package bench

import (
	"bytes"
	"html/template"
	"math"
	"strconv"
)

// chart is a line chart that is written as SVG without further means: the plotting
// libraries at hand would bring fonts and page formats of several megabytes into
// the program that stations run.
type chart struct {
	Title, X, Y string
	logX, logY  bool
	series      []series
}

type series struct {
	Name   string
	Dashed bool // a limit: it has the colour of the series before it
	points []point
}

// point is a median with its spread.
type point struct{ x, y, low, high float64 }

func (c chart) empty() bool {
	for _, s := range c.series {
		if len(s.points) > 0 {
			return false
		}
	}
	return true
}

// The area of the plot inside the picture, in pixels.
const (
	width, height            = 720, 420
	left, right, top, bottom = 70, 530, 40, 370
)

// axis maps values to pixels.
type axis struct {
	from, to float64 // values; decimal logarithms on a logarithmic axis
	a, b     float64 // pixels
	log      bool
}

func (x axis) at(v float64) float64 {
	if x.log {
		v = math.Log10(v)
	}
	return math.Round(10*(x.a+(v-x.from)/(x.to-x.from)*(x.b-x.a))) / 10
}

// newAxis spans the values: from zero to a round number, or whole powers of ten.
func newAxis(values []float64, a, b float64, log bool) axis {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	if log {
		from, to := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
		return axis{from, max(to, from+1), a, b, true}
	}
	step := tick(high)
	return axis{0, max(math.Ceil(high/step), 1) * step, a, b, false}
}

// tick is the distance of about five marks up to high: 1, 2 or 5 times a power of
// ten.
func tick(high float64) float64 {
	if high <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(high/5)))
	for _, f := range []float64{1, 2, 5} {
		if high/(f*power) <= 6 {
			return f * power
		}
	}
	return 10 * power
}

type mark struct {
	At   float64
	Text string
}

func (x axis) marks() (out []mark) {
	step := 1.0
	if !x.log {
		step = tick(x.to)
	}
	for v := x.from; v <= x.to+step/1000; v += step {
		value := v
		if x.log {
			value = math.Pow(10, v)
		}
		out = append(out, mark{x.at(value), short(value)})
	}
	return out
}

func short(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e6, "M"}, {1e4, "k"}} {
		if v >= u.size {
			if u.name == "k" {
				return strconv.FormatFloat(v/1e3, 'g', 4, 64) + "k"
			}
			return strconv.FormatFloat(v/u.size, 'g', 4, 64) + u.name
		}
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// The pieces that the template puts together.
type (
	drawnPoint struct{ X, Y, Low, High float64 }
	drawnLine  struct {
		Colour, Dash, Name string
		Label              float64 // place in the legend
		Points             []drawnPoint
	}
	drawing struct {
		chart
		Width, Height, Left, Right, Top, Bottom int
		Across, Up                              []mark
		Lines                                   []drawnLine
	}
)

var colours = []string{"#1b6ca8", "#c8553d", "#3a7d44", "#7b4b94", "#b8860b"} // one for each link of a round

func (c chart) svg() ([]byte, error) {
	var xs, ys []float64
	for _, s := range c.series {
		for _, p := range s.points {
			xs, ys = append(xs, p.x), append(ys, p.low, p.high)
		}
	}
	x, y := newAxis(xs, left, right, c.logX), newAxis(ys, bottom, top, c.logY)
	d := drawing{chart: c, Width: width, Height: height, Left: left, Right: right, Top: top, Bottom: bottom, Across: x.marks(), Up: y.marks()}
	colour := -1
	for _, s := range c.series {
		dash := "4 3"
		if !s.Dashed {
			colour++
			dash = "none"
		}
		if len(s.points) == 0 {
			continue
		}
		l := drawnLine{Colour: colours[max(colour, 0)%len(colours)], Dash: dash, Name: s.Name, Label: float64(top + 20 + 20*len(d.Lines))}
		for _, p := range s.points {
			l.Points = append(l.Points, drawnPoint{x.at(p.x), y.at(p.y), y.at(p.low), y.at(p.high)})
		}
		d.Lines = append(d.Lines, l)
	}
	var out bytes.Buffer
	err := svgPage.Execute(&out, d)
	return out.Bytes(), err
}

var svgPage = template.Must(template.New("svg").Parse(`<svg xmlns="http://www.w3.org/2000/svg" width="{{.Width}}" height="{{.Height}}" viewBox="0 0 {{.Width}} {{.Height}}" font-family="sans-serif" font-size="12">
<rect width="{{.Width}}" height="{{.Height}}" fill="white"/>
<text x="{{.Left}}" y="24" font-size="15">{{.Title}}</text>
{{range .Up}}<line x1="{{$.Left}}" x2="{{$.Right}}" y1="{{.At}}" y2="{{.At}}" stroke="#ddd"/><text x="{{$.Left}}" y="{{.At}}" dx="-6" dy="4" text-anchor="end">{{.Text}}</text>
{{end}}{{range .Across}}<line x1="{{.At}}" x2="{{.At}}" y1="{{$.Top}}" y2="{{$.Bottom}}" stroke="#ddd"/><text x="{{.At}}" y="{{$.Bottom}}" dy="16" text-anchor="middle">{{.Text}}</text>
{{end}}<text x="300" y="{{.Bottom}}" dy="36" text-anchor="middle">{{.X}}</text>
<text transform="translate(18 205) rotate(-90)" text-anchor="middle">{{.Y}}</text>
{{range .Lines}}<polyline fill="none" stroke="{{.Colour}}" stroke-width="2" stroke-dasharray="{{.Dash}}" points="{{range .Points}}{{.X}},{{.Y}} {{end}}"/>
{{$colour := .Colour}}{{range .Points}}<line x1="{{.X}}" x2="{{.X}}" y1="{{.Low}}" y2="{{.High}}" stroke="{{$colour}}" stroke-opacity="0.5"/><circle cx="{{.X}}" cy="{{.Y}}" r="3" fill="{{$colour}}"/>
{{end}}<line x1="545" x2="570" y1="{{.Label}}" y2="{{.Label}}" stroke="{{.Colour}}" stroke-width="2" stroke-dasharray="{{.Dash}}"/><text x="576" y="{{.Label}}" dy="4">{{.Name}}</text>
{{end}}</svg>
`))
