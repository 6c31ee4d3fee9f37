package decode

import (
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/grammar"
)

// segment is a header and the lines below it, up to the next header. The first
// segment of a file has no header.
type segment struct {
	start, head, end int    // bytes: the header is start..head
	kind             string // first part of the header's key
	parts            int    // of the header's key; 0 without a header
	array            bool   // [[…]]
	shape            shape
	extended         nameSet // names in front of a dot in keys of its lines
	finished         nameSet // last names of keys with {…} or […]
	values           int     // keys and commas
	next             int     // the next segment of the same unit; 0: none
}

// isUnit reports whether the segment begins a unit: [[kind]].
func (s *segment) isUnit() bool { return s.array && s.parts == 1 }

// shape says which forms of TOML a segment uses; extended.go wants to know.
type shape uint8

const (
	hasDotted      shape = 1 << iota // key.key = …
	hasComposite                     // key = {…} or key = […]
	hasInnerDotted                   // { key.key = … }
)

// nameSet is a set of names that may have more names than were put in, so that most
// pairs of sets are known to have none in common without a look at the names.
type nameSet uint64

func (s *nameSet) add(name string) {
	h := uint32(2166136261) // FNV-1a
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	*s |= 1 << (h >> 26)
}

// anyName has every name.
const anyName = ^nameSet(0)

// layout is where the units of a file are. It depends on the text alone, not on
// whether the text can be decoded: a place means the same in both cases.
type layout struct {
	segments []segment
	units    map[string][]int // kind to the first segments of its units

	// open has for segments that end inside a string or bracket where that
	// begins.
	open map[int]int
}

// size returns how many bytes the unit that begins with a segment has.
func (l *layout) size(first int) int {
	n := 0
	for i := first; ; i = l.segments[i].next {
		n += l.segments[i].end - l.segments[i].start
		if l.segments[i].next == 0 {
			return n
		}
	}
}

// split finds the headers of text in one pass and checks the limits. Inside
// brackets, a line that is a [[header]] closes them: it is no TOML value, and
// one forgotten bracket must not hide all units below it.
func split(text string) (*layout, *limitError) {
	lay, bad := scan(text, false)
	at, open := lay.open[len(lay.segments)-1]
	if bad == nil && open && strings.IndexByte(`"'`, text[at]) >= 0 {
		// A string with three quotes runs to the end of the file: such lines
		// end strings as well.
		return scan(text, true)
	}
	return lay, bad
}

// lines returns the lines of the segments, from 1.
func (l *layout) lines(text string) []int {
	lines := make([]int, len(l.segments))
	line, at := 1, 0
	for i := range l.segments {
		start := l.segments[i].start
		line += strings.Count(text[at:start], "\n")
		lines[i], at = line, start
	}
	return lines
}

func scan(text string, lenient bool) (*layout, *limitError) {
	s := newScanner(text)
	s.lenient = lenient
	if strings.HasPrefix(text, source.BOM) {
		s.at = len(source.BOM)
	}
	const likely = 100_000 // of more, nobody knows whether they are headers
	s.lay.segments = slices.Grow(s.lay.segments, min(strings.Count(text, "\n["), likely))
	s.lay.segments[0] = segment{start: s.at, head: s.at}
	s.run()
	s.finish()
	return s.lay, s.bad
}

// eachKey calls f for every key of the lines of text, with the first byte of its
// value. The text has no headers and has been scanned before.
func eachKey(text string, f func(key string, value byte)) {
	s := newScanner(text)
	s.onKey = f
	s.run()
}

// eachLine calls f for each place in text where a line with a key or a header can
// begin. The text has been scanned before.
func eachLine(text string, f func(at int)) {
	s := newScanner(text)
	s.onLine = f
	s.run()
}

// openBrackets returns the brackets that the key and value in text leave open.
func openBrackets(text string) []bracket {
	s := newScanner(text)
	s.run()
	return s.stack
}

// bracket is an open "[" or "{" of a value.
type bracket struct {
	char   byte
	at     int
	prefix int // parts of the keys around it
}

type scanner struct {
	text    string
	at      int
	lenient bool
	lay     *layout
	kinds   map[string]*kindState // of which there are units
	current string                // the kind that was looked up last
	state   *kindState            // its state, if that was found
	outside int                   // values in no unit
	bad     *limitError

	stack    []bracket
	key      bool // left of "="
	keyStart int  // where the key of a line begins; -1 before
	parts    int  // dots seen in the key, plus one
	prefix   int  // parts of the keys around this one
	work     int  // parts of all keys with those around them

	// onKey, if set, gets each key of a line and the first byte of its value.
	onKey func(key string, value byte)

	// onLine, if set, gets each place where a line begins, outside brackets and strings.
	onLine func(at int)
}

func newScanner(text string) *scanner {
	return &scanner{
		text:  text,
		lay:   &layout{segments: make([]segment, 1), units: map[string][]int{}, open: map[int]int{}},
		kinds: map[string]*kindState{},
	}
}

// kindState is what is known of the units of a kind.
type kindState struct {
	units  []int // their first segments
	last   int   // the last segment of the last one
	values int   // of the last one
}

// kind returns the state of a kind, nil if there is no unit of it. Most headers are
// those of the same kind as the one before.
func (s *scanner) kind(name string) *kindState {
	if s.state == nil || s.current != name {
		s.current, s.state = name, s.kinds[name]
	}
	return s.state
}

func (s *scanner) run() {
	s.newLine()
	for s.at < len(s.text) && s.bad == nil {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r':
			s.at++
		case '\n':
			s.at++
			if len(s.stack) == 0 {
				s.newLine()
			} else if isHeaderLine(s.text[s.at:]) {
				s.lay.open[len(s.lay.segments)-1] = s.stack[0].at
				s.newLine()
			}
		case '#':
			s.skipLine()
		case '"', '\'':
			s.startKey()
			s.str()
		case '[', '{':
			if c == '[' && s.key && s.keyStart < 0 && len(s.stack) == 0 {
				s.header()
			} else {
				s.push(c)
			}
		case ']', '}':
			s.pop()
		default:
			s.startKey()
			if !inWord[c] {
				s.char(c)
				continue
			}
			for s.at < len(s.text) && inWord[s.text[s.at]] {
				s.at++
			}
		}
	}
}

// inWord has the bytes of bare keys, numbers and the like, which mean nothing alone.
var inWord = func() (is [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-" {
		is[c] = true
	}
	return is
}()

func (s *scanner) newLine() {
	s.stack = s.stack[:0]
	s.prefix = s.lay.segments[len(s.lay.segments)-1].parts
	if s.onLine != nil {
		s.onLine(s.at)
	}
	s.newKey()
}

func (s *scanner) newKey() { s.key, s.keyStart, s.parts = true, -1, 1 }

func (s *scanner) startKey() {
	if s.key && s.keyStart < 0 {
		s.keyStart = s.at
	}
}

func (s *scanner) skipLine() {
	if i := strings.IndexByte(s.text[s.at:], '\n'); i >= 0 {
		s.at += i
	} else {
		s.at = len(s.text)
	}
}

// char looks at a character outside strings that is no bracket.
func (s *scanner) char(c byte) {
	if c == ',' {
		s.lay.segments[len(s.lay.segments)-1].values++
	}
	switch {
	case c == '=' && s.key:
		s.endKey()
	case c == '.' && s.key:
		s.parts++
		if s.parts > maxParts {
			s.fail(tooManyParts, s.keyStart)
		}
	case c == ',' && len(s.stack) > 0 && s.stack[len(s.stack)-1].char == '{':
		s.newKey()
	}
	s.at++
}

func (s *scanner) endKey() {
	s.key = false
	if s.work += s.prefix + s.parts; s.work > maxWork {
		s.fail(tooManyKeys, s.keyStart)
	}
	seg := &s.lay.segments[len(s.lay.segments)-1]
	seg.values++
	if len(s.stack) > 0 {
		if s.parts > 1 {
			seg.shape |= hasInnerDotted
		}
		return
	}
	value := strings.TrimLeft(s.text[s.at+1:min(len(s.text), s.at+64)], " \t")
	composite := value != "" && (value[0] == '[' || value[0] == '{')
	if s.parts > 1 {
		seg.shape |= hasDotted
	}
	if composite {
		seg.shape |= hasComposite
	}
	if (s.parts > 1 || composite) && s.keyStart >= 0 {
		seg.note(s.text[s.keyStart:s.at], composite)
	}
	if s.onKey != nil && s.keyStart >= 0 {
		s.onKey(s.text[s.keyStart:s.at], (value + "\n")[0])
	}
}

// note puts the names of a key into the sets.
func (s *segment) note(key string, composite bool) {
	if strings.ContainsAny(key, `"'`) {
		s.extended, s.finished = anyName, anyName // a name can be written in several ways
		return
	}
	for {
		name, rest, more := strings.Cut(key, ".")
		switch name = strings.Trim(name, " \t"); {
		case more:
			s.extended.add(name)
		case composite:
			s.finished.add(name)
		}
		if !more {
			return
		}
		key = rest
	}
}

func (s *scanner) push(c byte) {
	if len(s.stack) == maxNesting {
		s.fail(nestedTooDeep, s.at)
		return
	}
	s.stack = append(s.stack, bracket{char: c, at: s.at, prefix: s.prefix})
	s.at++
	if c == '{' {
		s.prefix += s.parts
		s.newKey()
	}
}

func (s *scanner) pop() {
	if n := len(s.stack); n > 0 {
		s.prefix = s.stack[n-1].prefix
		s.stack = s.stack[:n-1]
	}
	s.key = false
	s.at++
}

// str skips a string.
func (s *scanner) str() {
	n, multi, closed := grammar.StringLen(s.text[s.at:])
	from := s.at
	s.at += n
	if multi && s.lenient {
		if i := headerLineIn(s.text[from:s.at]); i >= 0 {
			s.at = from + i
			closed = false
		}
	}
	if multi && !closed {
		s.lay.open[len(s.lay.segments)-1] = from
		s.newLine()
	}
}

// header reads [key] or [[key]] at the start of a line.
func (s *scanner) header() {
	start := s.at
	array := strings.HasPrefix(s.text[s.at:], "[[")
	s.skipLine()
	line := s.text[start:s.at]
	if kind, ok := plainHeader(line); ok {
		s.add(segment{start: start, head: start + len(kind) + len("[[]]"), kind: kind, parts: 1, array: true})
		s.skipLine()
		return
	}
	parts, n := headerKey(strings.TrimLeft(line, "["))
	if len(parts) > maxParts {
		s.fail(tooManyParts, start)
		return
	}
	if len(parts) == 0 {
		parts = []string{""} // a broken header still ends what is above it
	}
	n += len(line) - len(strings.TrimLeft(line, "["))
	if strings.HasSuffix(line[:n], ".") { // a part is missing, and it is that of a table all the same
		parts = append(parts, "")
	}
	s.at = start + n
	if array && strings.HasPrefix(s.text[s.at:], "]]") {
		s.at += 2
	} else if strings.HasPrefix(s.text[s.at:], "]") {
		s.at++
	}
	s.add(segment{start: start, head: s.at, kind: parts[0], parts: len(parts), array: array})
	s.skipLine()
}

func (s *scanner) add(seg segment) {
	s.closeSegment(seg.start)
	i := len(s.lay.segments)
	s.lay.segments = append(s.lay.segments, seg)
	k := s.kind(seg.kind)
	switch {
	case seg.isUnit():
		if k == nil {
			k = &kindState{}
			s.kinds[seg.kind], s.state = k, k
			if len(s.kinds) > maxKinds {
				s.fail(tooManyKinds, seg.start)
			}
		}
		k.units = append(k.units, i)
		k.last = i
	case k != nil && seg.parts == 1: // [kind] is meant to be a unit of its own
		k.last = i
	case k != nil:
		s.lay.segments[k.last].next = i
		k.last = i
	}
	if i > maxHeaders {
		s.fail(tooManyHeaders, seg.start)
	}
	if s.work += seg.parts; s.work > maxWork {
		s.fail(tooManyKeys, seg.start)
	}
}

// closeSegment ends the last segment and counts what its unit has by now.
func (s *scanner) closeSegment(at int) {
	seg := &s.lay.segments[len(s.lay.segments)-1]
	seg.end = at
	values := &s.outside
	if k := s.kind(seg.kind); k != nil {
		values = &k.values
	}
	if seg.isUnit() {
		*values = 0
	}
	if *values += 1 + seg.values; *values > maxValues {
		s.fail(tooManyValues, seg.start)
	}
}

func (s *scanner) finish() {
	s.closeSegment(len(s.text))
	for name, k := range s.kinds {
		s.lay.units[name] = k.units
	}
	if len(s.stack) > 0 {
		s.lay.open[len(s.lay.segments)-1] = s.stack[0].at
	}
}
