package web

import (
	"embed"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"backchannel/internal/station"
)

// Every sentence of the pages stands in one catalogue per language, by name.

//go:embed texts/*.toml
var textFiles embed.FS

// texts is a catalogue: sentences by name. A name that ends in ".one" or ".other"
// is chosen by a number.
type texts map[string]string

func loadTexts(language string) (texts, error) {
	b, err := textFiles.ReadFile("texts/" + language + ".toml")
	if err != nil {
		return nil, fmt.Errorf("reading the texts: %w", err)
	}
	var sections map[string]map[string]string
	if err := toml.Unmarshal(b, &sections); err != nil {
		return nil, fmt.Errorf("reading the texts: %w", err)
	}
	out := texts{}
	for section, names := range sections {
		for name, text := range names {
			out[section+"."+name] = text
		}
	}
	return out, nil
}

// say returns a sentence with its arguments filled in.
func (x texts) say(name string, args ...any) string {
	text, ok := x[name]
	if !ok {
		return "[" + name + "]" // a test looks for every name
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// count returns the sentence for a number, which is its first argument.
func (x texts) count(name string, n int, args ...any) string {
	form := ".other"
	if n == 1 {
		form = ".one"
	}
	return x.say(name+form, append([]any{n}, args...)...)
}

// duration writes a duration as people plan.
func (x texts) duration(d time.Duration) string {
	round := func(unit time.Duration) int { return int((d + unit/2) / unit) }
	switch {
	case d < time.Second:
		return x.say("time.moment")
	case d < 2*time.Minute:
		return x.count("time.seconds", round(time.Second))
	case d < 2*time.Hour:
		return x.count("time.minutes", round(time.Minute))
	case d < 48*time.Hour:
		return x.count("time.hours", round(time.Hour))
	default:
		return x.count("time.days", round(24*time.Hour))
	}
}

// left writes an estimate in time and rounds.
func (x texts) left(l *station.Left) string {
	if l == nil {
		return ""
	}
	return x.say("time.left", x.duration(seconds(l.Seconds)), x.count("time.rounds", int(l.Rounds)))
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// size writes a number of bytes as people read it.
func (x texts) size(n int64) string {
	switch {
	case n < 1000:
		return x.count("size.bytes", int(n))
	case n < 1000_000:
		return x.say("size.kilo", float64(n)/1000)
	default:
		return x.say("size.mega", float64(n)/1000_000)
	}
}

// day writes a date, without the year if it is this one.
func (x texts) day(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return x.say("date.today")
	}
	if t.Format(time.DateOnly) == now.AddDate(0, 0, -1).Format(time.DateOnly) {
		return x.say("date.yesterday")
	}
	month := x.pick("date.months", int(t.Month())-1)
	if t.Year() == now.Year() {
		return x.say("date.day", x.pick("date.weekdays", int(t.Weekday())), t.Day(), month)
	}
	return x.say("date.full", t.Day(), month, t.Year())
}

// moment writes a date and the time of day.
func (x texts) moment(t, now time.Time) string {
	return x.say("date.moment", x.day(t, now), t.Local().Format("15:04"))
}

func (x texts) pick(name string, i int) string {
	all := strings.Split(x[name], " ")
	if i < 0 || i >= len(all) {
		return ""
	}
	return all[i]
}

// sentence writes an error of the station as a sentence.
func (x texts) sentence(err error) string {
	var e *station.Error
	text := err.Error()
	if errors.As(err, &e) && e.Code == station.CodeFull {
		text = x.say("trouble.full")
	}
	return capital(text)
}

// capital makes a line of the station a sentence.
func capital(text string) string {
	first, n := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[n:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}
