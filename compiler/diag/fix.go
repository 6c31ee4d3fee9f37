package diag

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rind-sockets/rind/compiler/source"
)

// Misspelt returns the fix that writes near for a word that nobody has, nil if that is no
// slip of the hand, or if another one of the candidates is as near. What is suggested to
// people may be further away.
func Misspelt(word, near string, candidates ...[]string) *Fix {
	if fold(word) != fold(near) && (digitsOf(word) != digitsOf(near) || !slipped(word, near) || rivals(word, near, candidates)) {
		return nil
	}
	return &Fix{Old: word, New: near}
}

// MisspeltName is [Misspelt] for the name of a definition. Names come in families, and
// one of them may be missing: web1 is not web2 written wrongly, site-a not site-b,
// prod-db not prod, offline not online. So one letter is left out or added, or two are
// swapped.
func MisspeltName(name, near string, candidates ...[]string) *Fix {
	same := utf8.RuneCountInString(name) == utf8.RuneCountInString(near)
	m := meter{word: []rune(name)}
	if fold(name) != fold(near) && (same && sorted(name) != sorted(near) || m.distance(near, 1) > 1) {
		return nil
	}
	return Misspelt(name, near, candidates...)
}

// rivals reports whether another candidate than near is as near to a word.
func rivals(word, near string, candidates [][]string) bool {
	m := meter{word: []rune(word)}
	least := m.distance(near, maxWord)
	for _, list := range candidates {
		for _, c := range list {
			if c != near && c != word && m.distance(c, least) <= least {
				return true
			}
		}
	}
	return false
}

// slipped reports whether one letter was left out, added or changed, or two were
// swapped; two such mistakes in a long word. In a word of three letters, another letter
// is another word.
func slipped(name, near string) bool {
	const short, long = 4, 8
	limit, a, b := 1, utf8.RuneCountInString(name), utf8.RuneCountInString(near)
	switch {
	case a < short && a == b:
		return sorted(name) == sorted(near)
	case min(a, b) >= long:
		limit = 2
	}
	m := meter{word: []rune(name)}
	return m.distance(near, limit) <= limit && !isPartOf(name, near) && !isPartOf(near, name)
}

func sorted(s string) string {
	runes := []rune(s)
	slices.Sort(runes)
	return string(runes)
}

// isPartOf reports whether a is b without its first or last words.
func isPartOf(a, b string) bool {
	const between = "-_.@/"
	rest, front := strings.CutPrefix(b, a)
	before, back := strings.CutSuffix(b, a)
	return front && rest != "" && strings.ContainsAny(rest[:1], between) ||
		back && before != "" && strings.ContainsAny(before[len(before)-1:], between)
}

func digitsOf(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s)
}

// Edit replaces the bytes of a span.
type Edit struct {
	Span source.Span
	Text string
}

// Edit returns the change that the fix of d is, and false when d has none or
// the text at its place is not what the fix is for.
func (d Diagnostic) Edit(locate func(source.Place) source.Span) (Edit, bool) {
	at := d.Where(locate)
	if d.Fix == nil || at.IsZero() || at.Start < 0 || at.End > len(at.File.Text) {
		return Edit{}, false
	}
	written := string(at.File.Text[at.Start:at.End])
	if written == d.Fix.Old {
		text, ok := inString(d.quoteAround(locate), d.Fix.New)
		return Edit{at, text}, ok
	}
	for _, quote := range []string{`"`, `'`} {
		// In quotes, a character of New that is not literal would need an escape.
		if written == quote+d.Fix.Old+quote && !strings.ContainsFunc(d.Fix.New, special) {
			return Edit{at, quote + d.Fix.New + quote}, true
		}
	}
	return Edit{}, false
}

// quoteAround returns the quote of the string that the place of d is a part of, ""
// if it is no part of one.
func (d Diagnostic) quoteAround(locate func(source.Place) source.Span) string {
	if _, to := d.At.Narrowed(); to == 0 {
		return ""
	}
	whole := locate(d.At.Within(0, 0))
	if whole.IsZero() || whole.Start >= len(whole.File.Text) {
		return ""
	}
	return string(whole.File.Text[whole.Start : whole.Start+1])
}

// inString returns s as it is written inside a string with that quote, "" for
// outside of strings, and false if it cannot be.
func inString(quote, s string) (string, bool) {
	switch quote {
	case `"`:
		s = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
	case `'`:
		if strings.Contains(s, quote) {
			return "", false
		}
	default:
		return s, true
	}
	return s, !strings.ContainsFunc(s, unicode.IsControl)
}

func special(r rune) bool { return r < ' ' || r == 0x7f || r == '"' || r == '\'' || r == '\\' }

// Apply returns the text of f with the edits that are for it, and how many of
// them were made: one that touches another is left for a later turn.
func Apply(f *source.File, edits []Edit) (text []byte, done int) {
	edits = slices.DeleteFunc(slices.Clone(edits), func(e Edit) bool { return e.Span.File != f })
	slices.SortStableFunc(edits, func(a, b Edit) int { return cmp.Compare(a.Span.Start, b.Span.Start) })
	at := 0
	for _, e := range edits {
		if done > 0 && e.Span.Start <= at {
			continue
		}
		text = append(text, f.Text[at:e.Span.Start]...)
		text = append(text, e.Text...)
		at = e.Span.End
		done++
	}
	return append(text, f.Text[at:]...), done
}
