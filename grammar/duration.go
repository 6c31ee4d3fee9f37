package grammar

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// maxDuration bounds what is parsed at all.
const maxDuration = 64

// durationUnits lists the units of durations.
var durationUnits = map[string]time.Duration{
	"d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second,
	"ms": time.Millisecond, "us": time.Microsecond,
}

const durationForm = "write a number and a unit, such as `100ms`, `5s`, `1h30m` or `2d`, or a number of seconds"

// ParseDuration parses "1h30m", "2d", "100ms", or a number of seconds. The sign
// is part of what is written, so that its reader can say what is wrong with it.
func ParseDuration(s string) (time.Duration, *Error) {
	d, bad := parseDuration(s)
	if bad == nil || len(s) > maxDuration {
		return d, bad
	}
	if meant := otherDuration(s); meant != "" {
		if _, wrong := parseDuration(meant); wrong == nil {
			return 0, errorAt(0, len(s), "write `"+meant+"`", "%q is no duration", s).instead(meant)
		}
	}
	return 0, bad
}

func parseDuration(s string) (time.Duration, *Error) {
	if len(s) > maxDuration {
		return 0, errorAt(0, len(s), "shorten it", "a duration of %d bytes is too long, at most %d are allowed", len(s), maxDuration)
	}
	if s == "" {
		return 0, errorAt(0, 0, durationForm, "a duration must not be empty")
	}
	rest, negative := strings.CutPrefix(s, "-")
	if strings.Trim(rest, "0123456789") == "" && rest != "" {
		rest += "s"
	}
	sum, last := time.Duration(0), time.Duration(math.MaxInt64)
	for at := len(s) - len(strings.TrimPrefix(s, "-")); ; {
		part, size, bad := durationPart(rest, at)
		if bad != nil {
			return 0, bad.inside(s)
		}
		unit := durationUnits[part.unit]
		switch {
		case unit >= last:
			return 0, errorAt(at, at+size, "write every unit once, the largest first", "`%s` is in the wrong place", part.unit).inside(s)
		case part.count > float64(math.MaxInt64/int64(unit)) || sum > math.MaxInt64-time.Duration(part.count*float64(unit)):
			return 0, errorAt(0, len(s), "write a shorter one", "a duration must not be longer than 292 years")
		}
		sum, last = sum+time.Duration(part.count*float64(unit)), unit
		rest, at = rest[size:], at+size
		if rest == "" {
			break
		}
	}
	if negative {
		sum = -sum
	}
	return sum, nil
}

// otherUnits has what people and other programs call the units of time.
var otherUnits = map[string]string{
	"sec": "s", "secs": "s", "second": "s", "seconds": "s", "min": "m", "mins": "m", "minute": "m", "minutes": "m",
	"hr": "h", "hrs": "h", "hour": "h", "hours": "h", "day": "d", "days": "d", "msec": "ms", "millisecond": "ms",
	"milliseconds": "ms", "usec": "us", "µs": "us", "microsecond": "us", "microseconds": "us",
}

// otherDuration returns the duration that is written with spaces or other names of
// units, "" if it is not: "1 hour 30 min".
func otherDuration(s string) string {
	var meant strings.Builder
	for rest := s; rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		name := strings.TrimLeft(rest[digits:], " ")
		end := strings.IndexAny(name, " 0123456789.")
		if end < 0 {
			end = len(name)
		}
		unit := strings.ToLower(name[:end])
		if name[:end] == "M" {
			return "" // a month elsewhere, and nobody wants that as a minute
		}
		if other := otherUnits[unit]; other != "" {
			unit = other
		}
		if digits == 0 || durationUnits[unit] == 0 {
			return ""
		}
		meant.WriteString(rest[:digits] + unit)
		rest = strings.TrimLeft(name[end:], " ")
	}
	return meant.String()
}

type durationValue struct {
	count float64
	unit  string
}

// durationPart reads one number and its unit from the start of rest, which is at
// the byte at of the duration.
func durationPart(rest string, at int) (durationValue, int, *Error) {
	digits := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
	unit := rest[digits:]
	unit = unit[:len(unit)-len(strings.TrimLeft(unit, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))]
	size := digits + len(unit)
	count, err := strconv.ParseFloat(rest[:digits], 64)
	switch {
	case digits == 0:
		return durationValue{}, 0, errorAt(at, at+max(size, 1), durationForm, "a number is missing")
	case err != nil:
		return durationValue{}, 0, errorAt(at, at+digits, durationForm, "%q is no number", rest[:digits])
	case unit == "":
		return durationValue{}, 0, errorAt(at, at+digits, durationForm, "%s has no unit", rest[:digits])
	case durationUnits[unit] == 0:
		return durationValue{}, 0, errorAt(at+digits, at+size, "the units are d, h, m, s, ms and us", "%s is no unit of time", strconv.Quote(unit))
	}
	return durationValue{count, unit}, size, nil
}

// inside keeps an error within s, whose text may have been completed.
func (e *Error) inside(s string) *Error {
	e.From, e.To = min(e.From, len(s)), min(e.To, len(s))
	return e
}
