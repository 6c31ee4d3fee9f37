package decode

import (
	"slices"
	"sort"
	"strings"

	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/grammar"
)

// plainHeader returns the kind of a line that begins with [[kind]] as nearly all
// headers do: without quotes, dots and spaces.
func plainHeader(line string) (kind string, ok bool) {
	rest, ok := strings.CutPrefix(line, "[[")
	n := 0
	for n < len(rest) && inWord[rest[n]] {
		n++
	}
	return rest[:n], ok && n > 0 && strings.HasPrefix(rest[n:], "]]")
}

// isHeaderLine reports whether s starts with a line that is [[word]] or [kind.word],
// and can be nothing else.
func isHeaderLine(s string) bool {
	s = strings.TrimLeft(s, " \t")
	if !strings.HasPrefix(s, "[") {
		return false
	}
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		s = s[:i]
	}
	if isTableLine(s) {
		return true
	}
	if !strings.HasPrefix(s, "[[") {
		return false
	}
	word, rest, ok := strings.Cut(s[2:], "]]")
	rest = strings.TrimLeft(rest, " \t\r")
	if !ok || rest != "" && rest[0] != '#' {
		return false
	}
	word = strings.Trim(word, " \t")
	switch word {
	case "", "true", "false", "inf", "nan":
		return false
	}
	return strings.Trim(word, "abcdefghijklmnopqrstuvwxyz-") == ""
}

// isTableLine reports whether a line is the header of a table inside a unit.
func isTableLine(s string) bool {
	key, rest, ok := strings.Cut(strings.TrimLeft(s, "["), "]")
	rest = strings.TrimLeft(rest, "] \t\r")
	kind, inner, dotted := strings.Cut(key, ".")
	return ok && dotted && supported(kind) && (rest == "" || rest[0] == '#') &&
		inner != "" && strings.Trim(inner, "abcdefghijklmnopqrstuvwxyz.-") == ""
}

// headerLineIn returns where the first header line in s begins, or -1.
func headerLineIn(s string) int {
	for at := 0; ; {
		i := strings.IndexByte(s[at:], '\n')
		if i < 0 {
			return -1
		}
		at += i + 1
		if isHeaderLine(s[at:]) {
			return at
		}
	}
}

// headerKey returns the parts of the key at the start of s and how many bytes
// it has.
func headerKey(s string) (parts []string, n int) {
	for n < len(s) {
		n += len(s[n:]) - len(strings.TrimLeft(s[n:], " \t"))
		part, size := keyPart(s[n:])
		if size == 0 {
			return parts, n
		}
		parts = append(parts, part)
		n += size
		n += len(s[n:]) - len(strings.TrimLeft(s[n:], " \t"))
		if n == len(s) || s[n] != '.' {
			return parts, n
		}
		n++
	}
	return parts, n
}

// keyPart returns the part of a key at the start of s, and its length there.
func keyPart(s string) (part string, n int) {
	if s == "" {
		return "", 0
	}
	if s[0] == '"' || s[0] == '\'' {
		n, _, closed := grammar.StringLen(s)
		if !closed {
			return "", 0
		}
		return unquote(s[:n]).text, n
	}
	n = strings.IndexAny(s, " \t\r\n.=]#\"'")
	if n < 0 {
		n = len(s)
	}
	return s[:n], n
}

// maxBack bounds how far a header is away from the unit that it is meant for, in
// headers.
const maxBack = 100

// meantHeader returns the header of a table of the unit above that was meant by a
// header of the top level: [socket.options] for [options] below [[socket]]. It
// returns "" for all others.
func (d *decoder) meantHeader(key string, header source.Span) string {
	if header.End > len(d.text) || !isTableOfUnits(key) {
		return ""
	}
	i := sort.Search(len(d.lay.segments), func(i int) bool { return d.lay.segments[i].start >= header.Start })
	for last := max(i-maxBack, 0); i > last; i-- {
		s := &d.lay.segments[i-1]
		if !s.isUnit() {
			continue
		}
		kind, ok := unit.KindOf(s.kind)
		if !ok {
			return ""
		}
		f, ok := kind.Field(key)
		if !ok {
			return ""
		}
		text := d.text[header.Start:header.End]
		path := strings.Trim(text, "[]")
		several := strings.HasPrefix(text, "[[") && f.Type == unit.TypeTriggers
		_, table := f.Table()
		if !several && !table && f.Type != unit.TypeOptions && f.Type != unit.TypeEnv {
			return ""
		}
		d.misplaced(i-1, key)
		if several {
			return "[[" + s.kind + "." + path + "]]"
		}
		return "[" + s.kind + "." + path + "]"
	}
	return ""
}

// misplaced notes that a key of the unit that begins with a segment is somewhere else, so
// that it is not missing.
func (d *decoder) misplaced(first int, key string) {
	if d.lost[first] == nil {
		d.lost[first] = unit.Lost{}
	}
	d.lost[first][key] = true
	d.broken[first] = true
}

// isTableOfUnits reports whether units of some kind have a key of that name.
func isTableOfUnits(key string) bool {
	return slices.ContainsFunc(unit.Kinds, func(k unit.Kind) bool {
		_, ok := k.Field(key)
		return ok
	})
}
