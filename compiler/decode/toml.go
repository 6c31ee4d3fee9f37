package decode

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
)

// contents is what the TOML of a file says.
type contents struct {
	units map[string][]map[string]any // by kind; nil for a unit with a syntax error
	top   map[string]any              // everything else of the top level

	// between is what is wrong with the file although each of its parts is
	// sound. It follows from a key of the top level that is no unit.
	between *syntaxError
}

// syntaxError is an error of the TOML decoder.
type syntaxError struct {
	code    diag.Code
	message string
	at      int // byte of the text
}

// decodeTOML decodes text into nothing but maps, slices, strings, int64, float64,
// bool and time.Time. The decoder's own columns are wrong in places and its
// offsets are right, but counted behind a byte order mark.
func decodeTOML(text string) (values map[string]any, bad *syntaxError) {
	defer func() {
		// The decoder panics where it finds itself inconsistent. That is its
		// mistake, but the file is a stranger's and must not end the program.
		if r := recover(); r != nil {
			values, bad = nil, &syntaxError{code: diag.DecoderFailure, message: fmt.Sprintf("the TOML decoder failed: %.100v", r)}
		}
	}()
	_, err := toml.Decode(text, &values)
	if err == nil {
		return values, nil
	}
	bad = &syntaxError{code: diag.InvalidTOML, message: err.Error()}
	if pe := (toml.ParseError{}); errors.As(err, &pe) {
		bad.message, bad.at = pe.Message, pe.Position.Start
		if strings.HasPrefix(text, source.BOM) {
			bad.at += len(source.BOM)
		}
	}
	bad.at = min(max(bad.at, 0), len(text))
	return nil, bad
}

// decode decodes the file. If that fails, it decodes the units one by one, so
// that each can report an error and the sound ones can be used.
func (d *decoder) decode() contents {
	values, bad := decodeTOML(d.text)
	if bad == nil {
		return contentsOf(values, d.unitsOf(d.whole()))
	}
	c, failed := d.decodeUnits(d.whole())
	if !failed {
		c.between = bad
	}
	return c
}

func (d *decoder) whole() run { return run{0, len(d.lay.segments)} }

// decodeUnits decodes the units of a run one by one, and reports whether one of
// them has an error.
func (d *decoder) decodeUnits(r run) (c contents, failed bool) {
	c = contents{units: map[string][]map[string]any{}, top: map[string]any{}}
	broken := 0
	for i := r.first; i < r.end; i++ {
		s := &d.lay.segments[i]
		if s.parts > 0 && !s.isUnit() && d.belongs(i) {
			continue // decoded with its unit
		}
		if broken == maxBroken {
			d.notLookedAt(i)
		}
		if broken >= maxBroken {
			broken++
			c.add(s, nil, true)
			continue
		}
		chunk := d.chunk(i)
		part, wrong := decodeTOML(chunk.text)
		if wrong != nil {
			broken++
			d.broken[i] = true
			d.hidden = d.hidden || !s.isUnit() || !supported(s.kind)
			switch {
			case d.isSingle(s): // that is reported, whatever else is wrong with its header
			case s.parts == 0, isElsewhere(s.kind): // it may be no unit file at all: one error is enough
				d.errorIn(chunk, wrong, i)
			default:
				part = d.mend(i, chunk, wrong)
			}
		}
		c.add(s, part, wrong != nil)
	}
	return c, broken > 0
}

// isElsewhere reports whether a kind is none of ours, nor a misspelt one.
func isElsewhere(kind string) bool {
	_, known := unit.KindOf(kind)
	_, near := helpKind(kind)
	return !known && near == ""
}

// isSingle reports whether a segment begins with [kind]].
func (d *decoder) isSingle(s *segment) bool {
	return s.parts == 1 && !s.array && supported(s.kind) && strings.HasPrefix(d.text[s.head:], "]")
}

// notLookedAt reports that the units from a segment on are not decoded.
func (d *decoder) notLookedAt(first int) {
	s := d.lay.segments[first]
	d.error(diag.TooManyErrors, d.span(s.start, s.head), "correct the others first",
		"units before this one have %d syntax errors: this one and those behind it are not looked at", maxBroken)
}

// contentsOf sorts out values, which come from a text with that many units of
// each kind.
func contentsOf(values map[string]any, count map[string]int) contents {
	c := contents{units: map[string][]map[string]any{}, top: map[string]any{}}
	for key, v := range values {
		units, ok := v.([]map[string]any)
		if ok && supported(key) && len(units) == count[key] {
			c.units[key] = units
		} else {
			c.top[key] = v
		}
	}
	return c
}

// add adds what a segment, and those that belong to its unit, says.
func (c *contents) add(s *segment, part map[string]any, failed bool) {
	if s.isUnit() && supported(s.kind) {
		var values map[string]any
		if units, ok := part[s.kind].([]map[string]any); ok && len(units) == 1 {
			values = units[0]
		}
		c.units[s.kind] = append(c.units[s.kind], values)
		return
	}
	if failed && s.kind != "" {
		c.top[s.kind] = nil
	}
	maps.Copy(c.top, part)
}

// belongs reports whether segment i is part of a unit that begins before it.
func (d *decoder) belongs(i int) bool {
	s := &d.lay.segments[i]
	units := d.lay.units[s.kind]
	return s.parts > 1 && len(units) > 0 && units[0] < i
}

// chunk is a unit: the text of its segments, one behind the other.
type chunk struct {
	text  string
	parts []segment
	open  []int // for each part, where in the file a string or bracket begins that it leaves open; -1: none
}

func (d *decoder) chunk(first int) chunk {
	s := d.lay.segments[first]
	c := chunk{text: d.text[s.start:s.end], parts: []segment{s}, open: []int{d.openIn(first)}}
	if s.next == 0 {
		return c
	}
	var b strings.Builder
	b.WriteString(c.text)
	for i := s.next; i != 0; i = d.lay.segments[i].next {
		s = d.lay.segments[i]
		b.WriteString(d.text[s.start:s.end])
		c.parts = append(c.parts, s)
		c.open = append(c.open, d.openIn(i))
	}
	c.text = b.String()
	return c
}

// openIn returns where a string or bracket begins that a segment leaves open, or -1.
func (d *decoder) openIn(segment int) int {
	if at, ok := d.lay.open[segment]; ok {
		return at
	}
	return -1
}

// offset returns the offset in the file of byte at of the chunk.
func (c chunk) offset(at int) int {
	for _, s := range c.parts {
		if size := s.end - s.start; at < size {
			return s.start + at
		} else if at -= size; at == 0 && s.next == 0 {
			return s.end
		}
	}
	return c.parts[len(c.parts)-1].end
}

// part returns the segment that byte at of the chunk is in, and where that begins in
// the chunk.
func (c chunk) part(at int) (s segment, start int) {
	for _, s = range c.parts {
		size := s.end - s.start
		if at < start+size || s.next == 0 {
			return s, start
		}
		start += size
	}
	return s, start
}

// errorIn reports an error of the decoder that was found in the unit that begins with
// segment first. It returns the byte of the chunk where the mistake is.
func (d *decoder) errorIn(c chunk, bad *syntaxError, first int) int {
	at := c.offset(bad.at)
	if open, end, ok := c.unclosed(bad); ok {
		open = c.offset(open)
		n := 1
		if d.text[open] == '"' || d.text[open] == '\'' {
			n = 3
		}
		d.error(bad.code, d.span(open, open+n), "close it", "invalid TOML: `%s` is never closed", d.text[open:open+n])
		return end
	}
	if open, ok := c.crossed(bad.at); ok {
		d.error(bad.code, d.span(c.offset(open), c.offset(open)+1), "close it", "invalid TOML: `%s` is never closed", c.text[open:open+1])
		d.label(diag.Label{Span: d.span(at, at+1), Message: "this closes something around it"})
		return bad.at
	}
	open, key, ok := c.openBefore(bad.at)
	if !ok || at < len(d.text) && (d.text[at] == '\n' || d.text[at] == '\r') { // that is what is missing there
		d.syntaxError(bad, at, first)
		return bad.at
	}
	open, key = c.offset(open), c.offset(key)
	_, size := headerKey(d.text[key:])
	d.error(bad.code, d.span(open, open+1), "close it", "invalid TOML: `%s` is never closed", d.text[open:open+1])
	d.label(diag.Label{Span: d.span(key, key+len(strings.TrimRight(d.text[key:key+size], " \t"))), Message: "this key would be a part of it"})
	return bad.at
}

// unclosed returns what a part of the chunk leaves open, and the last byte of that part,
// if that is why the decoder fails: in a part behind it, or at the end.
func (c chunk) unclosed(bad *syntaxError) (open, end int, ok bool) {
	start := 0
	atEnd := strings.Contains(bad.message, "EOF") || strings.Contains(bad.message, "end of file") || strings.TrimSpace(c.text[bad.at:]) == ""
	for i, s := range c.parts {
		end := start + s.end - s.start
		if from := c.openAt(i, start); from >= 0 && (bad.at >= end || s.next == 0 && atEnd) {
			return from, end - 1, true
		}
		start = end
	}
	return 0, 0, false
}

// openAt returns where in the chunk something begins that part i, which starts there,
// leaves open, or -1. What the file leaves open may have been blanked out.
func (c chunk) openAt(i, start int) int {
	s := c.parts[i]
	if c.open[i] < 0 {
		return -1
	}
	if from := start + c.open[i] - s.start; c.text[from] != ' ' {
		return from
	}
	head := start + s.head - s.start
	if open := openBrackets(c.text[head : start+s.end-s.start]); len(open) > 0 {
		return head + open[0].at
	}
	return -1
}

// syntaxError reports an error of the decoder at an offset of the file, found in
// the unit that begins with segment first, or between the units if that is -1.
func (d *decoder) syntaxError(bad *syntaxError, at, first int) {
	if bad.code == diag.DecoderFailure {
		d.error(bad.code, d.span(at, at), "write the value in another way, and report this with the file", "%s", bad.message)
		return
	}
	message := tidy(bad.message)
	s := slipAt(d.text, message, at)
	if at < len(d.text) && (d.text[at] == '\n' || d.text[at] == '\r') {
		s.to = at
	}
	help := s.help
	if help == "" {
		help = syntaxHelp(message)
	}
	d.error(bad.code, d.span(s.from, s.to), help, "invalid TOML: %s", plainly(message, strings.TrimSpace(d.text[s.from:s.to]), s.from < at))
	if s.fixed {
		d.fix(d.text[s.from:s.to], s.instead)
	}
	d.labelTwice(message, at, first)
}

// tidy makes a message of the decoder one of ours: lower case, no period, one
// short line. Keys of the file are part of some messages.
func tidy(message string) string {
	message = strings.TrimSuffix(strings.TrimPrefix(message, "toml: "), ".")
	if len(message) > 200 {
		message = strings.ToValidUTF8(message[:200], "") + "…"
	}
	r, n := utf8.DecodeRuneInString(message)
	if second, _ := utf8.DecodeRuneInString(message[n:]); !unicode.IsUpper(second) {
		message = string(unicode.ToLower(r)) + message[n:]
	}
	return message
}

// syntaxHelp says what to do about a message of the decoder.
func syntaxHelp(message string) string {
	for _, h := range []struct{ part, help string }{
		{"already been defined", "remove one of the two, or put both values into one"},
		{"already created", "a name is a table, an array of tables or a value, not two of them"},
		{"strings cannot contain newlines", "close the string on its line, or use three quotes"},
		{"escape", "write a backslash as `\\\\`, or use single quotes"},
		{"control characters", "write control characters as escapes, such as `\\u001b`"},
		{"leading zero", "put a mode or a mask in quotes, such as `\"0660\"`; remove the zeros of another number"},
	} {
		if strings.Contains(strings.ToLower(message), h.part) {
			return h.help
		}
	}
	return "check the quotes, brackets and commas here and just before"
}

// rescueName returns the name of a unit that cannot be decoded, so that what
// refers to it is not reported as well.
func (d *decoder) rescueName(first int) map[string]any {
	for line := range strings.Lines(d.chunk(first).text) {
		if key, _ := headerKey(line); len(key) != 1 || key[0] != "name" {
			continue
		}
		if values, bad := decodeTOML(line); bad == nil {
			return values
		}
	}
	return nil
}

func supported(kind string) bool {
	k, ok := unit.KindOf(kind)
	return ok && k.Support == unit.Supported
}
