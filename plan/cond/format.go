package cond

import (
	"strconv"
	"strings"
)

// String returns e in the condition language, with the full names that it has:
//
//	state net@link(target/up == true) and not state rind@maintenance-mode
//
// A node that combines one condition alone, which no list compiles to, is
// written as all(…) or any(…). Parsing the text gives e again.
func (e Expr) String() string {
	var b strings.Builder
	e.write(&b, bindsNothing)
	return b.String()
}

// binding says how tightly the place of an expression binds: what binds less
// tightly needs parentheses there.
type binding uint8

const (
	bindsNothing binding = iota
	bindsOr
	bindsAnd
	bindsNot
)

func (e Expr) write(b *strings.Builder, place binding) {
	switch {
	case e.Atom != nil:
		b.WriteString(e.Atom.String())
	case e.Not != nil:
		b.WriteString("not ")
		e.Not.write(b, bindsNot)
	case len(e.And) == 1:
		writeCall(b, "all", e.And[0])
	case len(e.Or) == 1:
		writeCall(b, "any", e.Or[0])
	case len(e.And) > 1:
		writeJoined(b, len(e.And), " and ", bindsAnd, place, func(i int) { e.And[i].write(b, bindsAnd) })
	case len(e.Or) > 1:
		writeJoined(b, len(e.Or), " or ", bindsOr, place, func(i int) { e.Or[i].write(b, bindsOr) })
	}
}

func writeCall(b *strings.Builder, name string, e Expr) {
	b.WriteString(name + "(")
	e.write(b, bindsNothing)
	b.WriteByte(')')
}

// writeJoined writes n operands with a word between them. An operand of the same
// word keeps its parentheses: the tree is nested there.
func writeJoined(b *strings.Builder, n int, word string, own, place binding, write func(i int)) {
	if place >= own {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	for i := range n {
		if i > 0 {
			b.WriteString(word)
		}
		write(i)
	}
}

// String returns a in the condition language.
func (a Atom) String() string {
	kind := "state "
	if a.Kind == Signal {
		kind = "signal "
	}
	if a.Guard == nil {
		return kind + a.Name
	}
	return kind + a.Name + "(" + a.Guard.String() + ")"
}

// String returns g as it stands in the parentheses behind a name.
func (g *Guard) String() string {
	if g == nil {
		return ""
	}
	var b strings.Builder
	g.write(&b, bindsNothing)
	return b.String()
}

func (g *Guard) write(b *strings.Builder, place binding) {
	switch {
	case g.Pred != nil:
		b.WriteString(g.Pred.String())
	case g.Not != nil:
		b.WriteString("not ")
		g.Not.write(b, bindsNot)
	case len(g.And) == 1:
		g.And[0].write(b, place)
	case len(g.Or) == 1:
		g.Or[0].write(b, place)
	case len(g.And) > 1:
		writeJoined(b, len(g.And), " and ", bindsAnd, place, func(i int) { g.And[i].write(b, bindsAnd) })
	case len(g.Or) > 1:
		writeJoined(b, len(g.Or), " or ", bindsOr, place, func(i int) { g.Or[i].write(b, bindsOr) })
	}
}

// String returns p in the condition language.
func (p *Pred) String() string {
	var b strings.Builder
	b.WriteString("target")
	if p.Root == Branch {
		b.Reset()
		b.WriteString("branch")
	}
	for _, segment := range p.Path {
		b.WriteString(formatSegment(segment))
	}
	if p.Op == OpExists {
		return b.String()
	}
	b.WriteString(" " + string(p.Op) + " ")
	if name, ok := p.Lit.(string); ok && p.Op == OpIs {
		b.WriteString(name)
		return b.String()
	}
	b.WriteString(describe(p.Lit))
	return b.String()
}

// isPlainSegment reports whether a segment of a path needs no quotes.
func isPlainSegment(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == ""
}

// isBracketed reports whether a segment of a path is written as an index.
func isBracketed(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == "" && (s == "0" || s[0] != '0')
}

func formatSegment(s string) string {
	switch {
	case isBracketed(s):
		return "[" + s + "]"
	case isPlainSegment(s):
		return "/" + s
	}
	text, err := Canonical(s)
	if err != nil {
		text = strconv.Quote(s)
	}
	return "/" + text
}
