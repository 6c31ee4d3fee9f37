package diag

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/source"
)

// Where returns the span of d: that of At, which locate finds, or Span.
func (d Diagnostic) Where(locate func(source.Place) source.Span) source.Span {
	return where(d.At, d.Span, locate)
}

// Where returns the span of l like [Diagnostic.Where].
func (l Label) Where(locate func(source.Place) source.Span) source.Span {
	return where(l.At, l.Span, locate)
}

func where(at source.Place, span source.Span, locate func(source.Place) source.Span) source.Span {
	if at.IsZero() {
		return span
	}
	return locate(at)
}

// Sorted returns ds by file name, offset, code and message, those without a
// place first, and drops repetitions of one finding at one place. It does not
// change ds.
func Sorted(ds []Diagnostic, locate func(source.Place) source.Span) []Diagnostic {
	type placed struct {
		Diagnostic
		file string
		at   source.Span
	}
	list := make([]placed, len(ds))
	for i, d := range ds {
		list[i] = placed{Diagnostic: d, at: d.Where(locate)}
		if f := list[i].at.File; f != nil {
			list[i].file = f.Name
		}
	}
	compare := func(a, b placed) int {
		return cmp.Or(
			strings.Compare(a.file, b.file),
			cmp.Compare(a.at.Start, b.at.Start),
			strings.Compare(string(a.Code), string(b.Code)),
			strings.Compare(a.Message, b.Message),
			cmp.Compare(a.at.End, b.at.End),
		)
	}
	slices.SortStableFunc(list, compare)
	list = slices.CompactFunc(list, func(a, b placed) bool { return compare(a, b) == 0 })
	out := make([]Diagnostic, len(list))
	for i, p := range list {
		out[i] = p.Diagnostic
	}
	return out
}
