package decode

import (
	"maps"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/grammar"
)

// A unit with a syntax error cannot be decoded, and its other mistakes are to be
// reported all the same. So what the decoder stumbles over is blanked out, a key with
// its value, until it accepts the rest: everything else stays where it is in the file.
const (
	maxLost = 20 // keys that are blanked out of one unit

	// maxDecodedAgain bounds the bytes of a run that are decoded once more for that,
	// and minDecodedAgain is what each time counts for at least.
	maxDecodedAgain = 128 << 10
	minDecodedAgain = 256
)

// damage is what is known of the syntax errors of a file, by segments.
type damage struct {
	broken  map[int]bool      // first segments of units with an error that is reported
	lost    map[int]unit.Lost // of the units that were mended
	blanked []extent          // of the file, to mend them
	hidden  bool              // there may be units that nobody has found
}

func newDamage() damage {
	return damage{broken: map[int]bool{}, lost: map[int]unit.Lost{}}
}

func (d *damage) add(other damage) {
	maps.Copy(d.broken, other.broken)
	maps.Copy(d.lost, other.lost)
	d.blanked = append(d.blanked, other.blanked...)
	d.hidden = d.hidden || other.hidden
}

// mend reports the syntax errors of the unit that begins with segment first, bad and
// those behind it, and decodes what is sound of the unit. It returns nil if nothing
// comes of that.
func (d *decoder) mend(first int, c chunk, bad *syntaxError) map[string]any {
	missing, name := unit.Lost{}, ""
	for range maxLost {
		wrong := d.errorIn(c, bad, first)
		enough := d.again > maxDecodedAgain
		if d.again += max(minDecodedAgain, len(c.text)); enough {
			return nil // that is reported
		}
		if d.again > maxDecodedAgain {
			break
		}
		var part map[string]any
		if closed, ok := c.closeHeader(wrong); ok {
			c = closed
			if part, bad = decodeTOML(c.text); bad == nil {
				d.lost[first] = missing
				return withName(part, c.parts[0].kind, name)
			}
			continue
		}
		at, ok := c.brokenAt(wrong)
		text := c.text[at.start:at.end]
		if !ok || bad.code == diag.DecoderFailure || strings.TrimSpace(text) == "" {
			return nil
		}
		if c.secondName(at, bad) {
			// The header of another unit is missing, and all that follows belongs to that.
			at.end, d.hidden = c.endOf(at.start), true
			text = c.text[at.start:at.end]
		} else if key := c.lose(at, missing); key == "name" {
			name = meantName(text)
		}
		d.blanked = append(d.blanked, extent{c.offset(at.start), c.offset(at.start) + len(text)})
		c.text = c.text[:at.start] + blanks(text) + c.text[at.end:]
		if part, bad = decodeTOML(c.text); bad == nil {
			d.lost[first] = missing
			return withName(part, c.parts[0].kind, name)
		}
	}
	head := c.parts[0]
	d.error(diag.TooManyErrors, d.span(max(head.start, 0), head.head), "correct the syntax errors first", "what else is wrong in this unit is not looked at")
	return nil
}

// secondName reports whether the key at an extent of the chunk is another name for its
// unit, which the decoder refuses.
func (c chunk) secondName(at extent, bad *syntaxError) bool {
	_, start := c.part(at.start)
	line := strings.TrimSpace(c.text[at.start:at.end])
	return start == 0 && lostKey(line) == "name" && strings.Contains(bad.message, twice) && !strings.Contains(c.text[:at.start], "\n"+line)
}

// endOf returns the end of the part that a byte of the chunk is in.
func (c chunk) endOf(at int) int {
	s, start := c.part(at)
	return start + s.end - s.start
}

// closeHeader returns the chunk with a header in place of one that is not closed, [[kind],
// if that is why the decoder fails at a byte of the chunk. What is behind it keeps its
// offset in the file.
func (c chunk) closeHeader(at int) (chunk, bool) {
	c.parts = slices.Clone(c.parts)
	s := &c.parts[0]
	size, whole := s.head-s.start, "[["+s.kind+"]]"
	if !s.isUnit() || !supported(s.kind) || strings.Contains(c.text[:at], "\n") || strings.HasSuffix(c.text[:size], "]]") || len(c.parts) > 1 {
		return c, false
	}
	c.text = whole + c.text[size:]
	s.start = s.head - len(whole)
	return c, true
}

// lose notes which keys of its unit are in an extent of the chunk: the one that it
// begins with, which it returns, and whatever the text swallows behind that.
func (c chunk) lose(at extent, lost unit.Lost) string {
	kind, ok := unit.KindOf(c.parts[0].kind)
	if !ok {
		return ""
	}
	text := c.text[at.start:at.end]
	key, of := lostKey(text), ""
	if s, start := c.part(at.start); start > 0 {
		key, of = lostKey(c.text[start:start+s.head-s.start]), "a table"
	}
	if _, known := kind.Field(key); !known {
		key = "" // it may be any, misspelt
	}
	lost[key] = true
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r > 127 || !inWord[byte(r)] }) {
		if _, known := kind.Field(word); known {
			lost[word] = true
		}
	}
	return of + key
}

// brokenAt returns what makes the decoder fail at a byte of the chunk: a key with its
// value, or a table with its header. The header of the unit cannot be done without.
func (c chunk) brokenAt(at int) (broken extent, ok bool) {
	s, start := c.part(at)
	head, end := start+s.head-s.start, start+s.end-s.start
	if open := s.parts > 0 && c.text[head-1] != ']'; at < head || open && !strings.Contains(c.text[head:at], "\n") {
		return extent{start, end}, start > 0
	}
	from, to := keyAt(c.text[head:end], at-head)
	return extent{head + from, head + to}, true
}

// crossed returns which bracket is still open at a byte of the chunk that closes one of
// another kind.
func (c chunk) crossed(at int) (open int, ok bool) {
	s, start := c.part(at)
	head := start + s.head - s.start
	if at < head || at >= len(c.text) || c.text[at] != ']' && c.text[at] != '}' {
		return 0, false
	}
	from, _ := keyAt(c.text[head:start+s.end-s.start], at-head)
	brackets := openBrackets(c.text[head+from : at])
	if len(brackets) < 2 {
		return 0, false
	}
	last := brackets[len(brackets)-1]
	return head + from + last.at, (last.char == '{') != (c.text[at] == '}')
}

// openBefore returns which bracket is not closed in front of a key that has byte at of
// the chunk, and where that begins, if that is why the decoder fails there.
func (c chunk) openBefore(at int) (open, key int, ok bool) {
	s, start := c.part(at)
	head := start + s.head - s.start
	if at < head {
		return 0, 0, false
	}
	body := c.text[head : start+s.end-s.start]
	from, _ := keyAt(body, at-head)
	bracket, line, ok := keyInside(body[from:], at-head-from)
	from += head
	key = from + line
	key += len(c.text[key:]) - len(strings.TrimLeft(c.text[key:], " \t"))
	return from + bracket, key, ok
}

// keyAt returns where the key begins that has byte at in its value, and where the next
// one does.
func keyAt(body string, at int) (from, to int) {
	to = len(body)
	eachLine(body, func(start int) {
		switch {
		case start <= at:
			from = start
		case start < to && !continues(body[start:]):
			to = start
		}
	})
	if _, next, ok := keyInside(body[from:to], at-from); ok {
		to = from + next
	}
	if next := at + len(firstLine(body[at:])) + 1; at < len(body) && strings.IndexByte("]}", body[at]) >= 0 && next < to && beginsWithKey(body[next:]) {
		return from, next // what is open there is not closed by anything behind it
	}
	if closesHeader(firstLine(body[from:])) != "" { // what follows belongs to that
		return from, len(body)
	}
	return from, from + max(to-from, conflictEnd(body[from:]))
}

// continues reports whether text begins with what no key begins with, so that it belongs
// to what is in front of it.
func continues(text string) bool {
	return strings.IndexAny(strings.TrimLeft(text, " \t"), "{}],") == 0
}

// keyInside returns where a line begins that looks like a key of its own inside a bracket
// that text never closes, and where that is. The line has byte at, or is the next one if
// that is a line break: a string without its last quote ends there.
func keyInside(text string, at int) (bracket, start int, ok bool) {
	if at < len(text) && (text[at] == '\n' || text[at] == '\r') {
		at += len(text[at:]) - len(strings.TrimLeft(text[at:], "\r\n"))
	}
	start = strings.LastIndexByte(text[:at], '\n') + 1
	open := openBrackets(text[:start])
	if len(open) == 0 || !beginsWithKey(text[start:]) || len(openBrackets(text)) == 0 {
		return 0, 0, false
	}
	last := open[len(open)-1]
	// A table with one key on each line lacks a comma, most likely.
	ownLines := last.char == '{' && strings.TrimSpace(firstLine(text[last.at+1:])) == ""
	return last.at, start, !ownLines
}

// beginsWithKey reports whether text begins with key =.
func beginsWithKey(text string) bool {
	parts, n := headerKey(text)
	return len(parts) > 0 && strings.HasPrefix(text[n:], "=")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// lostKey returns the first part of the key that text begins with, behind the kind if
// that is a header.
func lostKey(text string) string {
	text = strings.TrimLeft(text, " \t\r\n")
	header := strings.HasPrefix(text, "[")
	parts, _ := headerKey(strings.TrimLeft(text, "["))
	switch {
	case header && len(parts) > 1:
		return parts[1]
	case header || len(parts) == 0:
		return ""
	}
	return strings.TrimRight(parts[0], ":")
}

// meantName returns the name of a unit that a line with a syntax error gives it, or "".
// Without it, whatever refers to the unit would be reported as well.
func meantName(line string) string {
	_, value, _ := strings.Cut(line, "name")
	value, _, _ = strings.Cut(strings.TrimLeft(value, " \t:=\"'"), "#")
	value = strings.Trim(value, " \t\r\n\"',;")
	if grammar.CheckName(value) != nil {
		return ""
	}
	return value
}

// withName adds the name to the only unit of a kind that was decoded, unless it has one.
func withName(part map[string]any, kind, name string) map[string]any {
	units, ok := part[kind].([]map[string]any)
	if ok && len(units) == 1 && units[0]["name"] == nil && name != "" {
		units[0]["name"] = name
	}
	return part
}

// blanks returns as many blanks as text has bytes, and its line breaks.
func blanks(text string) string {
	out := []byte(text)
	clearText(out)
	return string(out)
}

func clearText(text []byte) {
	for i := range text {
		if text[i] != '\n' && text[i] != '\r' {
			text[i] = ' '
		}
	}
}

// mended returns the text of the file without what was blanked out.
func (d *decoder) mended() string {
	if len(d.blanked) == 0 {
		return d.text
	}
	out := []byte(d.text)
	for _, e := range d.blanked { // in the order of the units, whose parts need not follow each other
		clearText(out[e.start:e.end])
	}
	return string(out)
}

// lostKeys returns the keys of a unit that could not be bound, nil if there are none.
func (d *decoder) lostKeys(kind *unit.Kind, first int, found *findings) unit.Lost {
	if found.count() == 0 && !d.broken[first] {
		return nil
	}
	all := unit.Lost{}
	maps.Copy(all, d.lost[first])
	if found.more+found.omitted > 0 || d.broken[first] && d.lost[first] == nil {
		all[""] = true
	}
	for i := range found.kept {
		key := ""
		if path := found.kept[i].At.Path(); len(path) > 0 {
			if _, known := kind.Field(path[0].Key); known {
				key = path[0].Key
			}
		}
		all[key] = true
	}
	return all
}
