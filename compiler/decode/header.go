package decode

import (
	"strings"

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
