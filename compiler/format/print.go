package format

import (
	"strings"
	"unicode/utf8"
)

// text returns the canonical text of the items of a file.
func text(items []item) string {
	above := blanks(items)
	var p printer
	for i := range items {
		if above[i] {
			p.WriteByte('\n')
		}
		it := &items[i]
		if it.kind == valueItem {
			p.element(it, 0, "")
		} else {
			p.WriteString(it.text)
		}
		p.comment(it.comment)
		p.WriteByte('\n')
	}
	return p.String()
}

// blanks says which lines of a file have a blank line above: those that were
// written so, but not the one below a header; and each unit, with the comments
// directly above it.
func blanks(items []item) []bool {
	above := make([]bool, len(items))
	for i := range items {
		belowHeader := i > 0 && (items[i-1].kind == unitItem || items[i-1].kind == tableItem)
		above[i] = items[i].blank && !belowHeader
	}
	for i := range items {
		if items[i].kind != unitItem {
			continue
		}
		first := i
		for first > 0 && !items[first].blank && items[first-1].kind == commentItem {
			first--
		}
		above[first] = first > 0
	}
	return above
}

type printer struct{ strings.Builder }

func (p *printer) line(indent int) {
	p.WriteByte('\n')
	for range indent {
		p.WriteByte(' ')
	}
}

func (p *printer) comment(text string) {
	if text != "" {
		p.WriteByte(' ')
		p.WriteString(text)
	}
}

// element prints a value with its key, if it has one, and what follows it.
func (p *printer) element(it *item, indent int, after string) {
	at := indent
	if it.text != "" {
		p.WriteString(it.text)
		p.WriteString(" = ")
		at += utf8.RuneCountInString(it.text) + len(" = ")
	}
	v := it.value
	fits := at+v.width+len(after) <= Width || len(v.items) == 0 || it.directed && !v.spread
	if v.text != "" || !v.broken && fits {
		p.flat(v)
	} else {
		p.broken(v, indent)
	}
	p.WriteString(after)
}

// flat prints a value on one line.
func (p *printer) flat(v *value) {
	p.WriteString(v.text)
	p.WriteString(v.open)
	for i := range v.items {
		if i > 0 {
			p.WriteString(", ")
		}
		if key := v.items[i].text; key != "" {
			p.WriteString(key)
			p.WriteString(" = ")
		}
		p.flat(v.items[i].value)
	}
	p.WriteString(v.closing)
}

// broken prints a list with a line for each item.
func (p *printer) broken(v *value, indent int) {
	p.WriteString(v.open[:1])
	p.comment(v.head)
	for i := range v.items {
		it := &v.items[i]
		if it.blank {
			p.WriteByte('\n')
		}
		p.line(indent + indentation)
		if it.kind == commentItem {
			p.WriteString(it.text)
			continue
		}
		p.element(it, indent+indentation, ",")
		p.comment(it.comment)
	}
	p.line(indent)
	p.WriteString(v.closing[len(v.closing)-1:])
}
