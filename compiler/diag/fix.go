package diag

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/source"
)

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
		return Edit{at, d.Fix.New}, true
	}
	for _, quote := range []string{`"`, `'`} {
		// In quotes, a character of New that is not literal would need an escape.
		if written == quote+d.Fix.Old+quote && !strings.ContainsFunc(d.Fix.New, special) {
			return Edit{at, quote + d.Fix.New + quote}, true
		}
	}
	return Edit{}, false
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
