package decode

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

// checkExtended reports keys that add to an inline table, to an array, or to a
// table that is already complete. TOML forbids it; the decoder merges them
// silently. Few units need the exact look at positions: most are cleared by the
// shapes and names that the splitter has seen, or by a second look at the names.
func (d *decoder) checkExtended(r run) {
	for i := r.first; i < r.end; i++ {
		if !d.lay.segments[i].isUnit() || d.broken[i] || !d.mayExtend(i) {
			continue
		}
		_, clashes := parseUnit(d.text, d.lay, i)
		for _, c := range clashes {
			d.diags.Add(diag.Diagnostic{
				Code:     diag.ExtendedTable,
				Severity: diag.Error,
				Message:  fmt.Sprintf("`%s` is complete and cannot be added to", c.name),
				Span:     d.span(c.key.start, c.key.end),
				Help:     "write all of it in one place",
				Labels: []diag.Label{{
					Span:    source.Span{File: d.src, Start: c.other.value.start, End: c.other.value.end},
					Message: fmt.Sprintf("`%s` is written here", c.name),
				}},
			})
			d.broken[i] = true
		}
	}
}

func (d *decoder) mayExtend(first int) bool {
	forms, several := shape(0), false
	for i := first; i != 0; i = d.lay.segments[i].next {
		forms |= d.lay.segments[i].shape
		several = several || i != first
	}
	extends := forms&hasDotted != 0 || several
	finishes := forms&hasComposite != 0 || forms&hasDotted != 0 && several
	mayMeet := several || d.lay.segments[first].extended&d.lay.segments[first].finished != 0
	return forms&hasInnerDotted != 0 || extends && finishes && mayMeet && d.namesMeet(first)
}

// namesMeet reports whether a name is both extended and finished in a unit, at
// any level.
func (d *decoder) namesMeet(first int) bool {
	var headers, dotted, composite []string
	for i := first; i != 0; i = d.lay.segments[i].next {
		seg := d.lay.segments[i]
		inHeader, _ := headerKey(strings.TrimLeft(d.text[seg.start:seg.head], "["))
		headers = append(headers, inHeader[1:]...)
		eachKey(d.text[seg.head:seg.end], func(key string, value byte) {
			parts, _ := headerKey(key)
			last := len(parts) - 1
			dotted = append(dotted, parts[:max(last, 0)]...)
			if last >= 0 && (value == '[' || value == '{') {
				composite = append(composite, parts[last])
			}
		})
	}
	return meet(headers, dotted) || meet(headers, composite) || meet(dotted, composite)
}

// meet reports whether two lists have a name in common. It sorts the second one.
func meet(a, b []string) bool {
	slices.Sort(b)
	return slices.ContainsFunc(a, func(name string) bool {
		_, found := slices.BinarySearch(b, name)
		return found
	})
}
