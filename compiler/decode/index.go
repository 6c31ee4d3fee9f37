package decode

import (
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/grammar"
)

// Index finds the positions of places. It looks at a file when it is first
// asked for a place in it: once at its headers, and then at those units only
// that have the places. Once it has looked at maxLookedAt bytes of units it knows
// the headers of others only. The zero Index is ready to use; it has one user at a
// time, as the files have.
type Index struct {
	files    map[*source.File]*fileIndex
	lookedAt int // bytes of units
}

// maxLookedAt bounds the time for finding places, which is about a second then.
const maxLookedAt = 2 << 20

type fileIndex struct {
	text  string
	lay   *layout
	units map[int]*node // by first segment; nil when the unit cannot be parsed
}

// Locate returns the span of p in its file. A place that the file does not have
// is that of the nearest thing around it, at last the header of the unit.
func (x *Index) Locate(p source.Place) source.Span {
	if p.IsZero() {
		return source.Span{}
	}
	fi := x.file(p.File())
	first, ok := fi.first(p.Kind(), p.Index())
	if !ok {
		return source.Span{File: p.File()}
	}
	header := fi.lay.segments[first]
	found := extent{header.start, header.head}
	if path := p.Path(); len(path) > 0 {
		found = fi.find(p, path, x.unit(fi, first), found)
	}
	return source.Span{File: p.File(), Start: found.start, End: found.end}
}

// HeaderLine returns the line, from 1, of the header of a unit, and 0 if there
// is none. It needs no more than the headers of the file.
func (x *Index) HeaderLine(f *source.File, kind string, unit int) int {
	fi := x.file(f)
	first, ok := fi.first(kind, unit)
	if !ok {
		return 0
	}
	line, _ := f.Position(fi.lay.segments[first].start)
	return line
}

// Locate is [Index.Locate] for a single place.
func Locate(p source.Place) source.Span {
	var x Index
	return x.Locate(p)
}

// HeaderLine is [Index.HeaderLine] for a single unit.
func HeaderLine(f *source.File, kind string, unit int) int {
	var x Index
	return x.HeaderLine(f, kind, unit)
}

// large is the size in bytes of a file whose headers are not looked for twice.
const large = 1 << 20

// Keep makes use of what decoding a file has found out, so that the headers of a
// large one need not be looked for again.
func (x *Index) Keep(d Decoded) {
	if d.lay != nil {
		x.add(d.File.Source, &fileIndex{text: d.text, lay: d.lay, units: map[int]*node{}})
	}
}

func (x *Index) add(f *source.File, fi *fileIndex) {
	if x.files == nil {
		x.files = map[*source.File]*fileIndex{}
	}
	x.files[f] = fi
}

func (x *Index) file(f *source.File) *fileIndex {
	if fi, ok := x.files[f]; ok {
		return fi
	}
	fi := &fileIndex{units: map[int]*node{}, lay: &layout{}}
	if len(f.Text) <= maxFile {
		fi.text = string(f.Text)
		if lay, bad := split(fi.text); bad == nil {
			fi.lay = lay
		}
	}
	x.add(f, fi)
	return fi
}

func (fi *fileIndex) first(kind string, unit int) (int, bool) {
	units := fi.lay.units[kind]
	if unit < 0 || unit >= len(units) {
		return 0, false
	}
	return units[unit], true
}

func (x *Index) unit(fi *fileIndex, first int) *node {
	root, ok := fi.units[first]
	if ok {
		return root
	}
	if size := fi.lay.size(first); x.lookedAt+size <= maxLookedAt {
		x.lookedAt += size
		root, _ = parseUnit(fi.text, fi.lay, first)
	}
	fi.units[first] = root
	return root
}

// find walks from root along the path of p, as far as it goes.
func (fi *fileIndex) find(p source.Place, path []source.Step, root *node, found extent) extent {
	at := root
	for _, step := range path {
		if at = at.step(step); at == nil {
			return found
		}
		found = at.value
	}
	from, to := p.Narrowed()
	switch {
	case at == nil:
		return found
	case p.IsKey() && at.key != (extent{}):
		return at.key
	case to > 0 && at.how == asString:
		value := unquote(fi.text[at.value.start:at.value.end])
		if start, end, ok := value.within(from, to); ok {
			return extent{at.value.start + start, at.value.start + end}
		}
	}
	return found
}

// extent is a range of bytes of a file.
type extent struct{ start, end int }

// origin says how a value came to be, which decides what may be added to it.
type origin uint8

const (
	asScalar   origin = iota
	asString          // with quotes
	asArray           // […]: finished
	asInline          // {…}: finished
	asDotted          // the table of a.b = …: more keys of that form may follow
	asImplicit        // the table around that of a header
	asHeader          // [a]
	asElements        // [[a]]
)

// node is a value, or a table that keys and headers have made.
type node struct {
	how   origin
	key   extent // zero for elements
	value extent // a table without brackets has that of its first key or header
	table map[string]*node
	items []*node
}

func (n *node) step(s source.Step) *node {
	switch {
	case n == nil:
		return nil
	case n.table != nil:
		return n.table[s.Key]
	case s.Key == "" && s.Index >= 0 && s.Index < len(n.items):
		return n.items[s.Index]
	}
	return nil
}

// isTable reports whether keys can be looked up in n.
func (n *node) isTable() bool { return n.table != nil }

// child returns the value of a key, which it makes with that origin if it is
// not there.
func (n *node) child(name string, at extent, how origin) *node {
	if c, ok := n.table[name]; ok {
		return c
	}
	c := &node{how: how, key: at, value: at}
	if how != asElements {
		c.table = map[string]*node{}
	}
	n.table[name] = c
	return c
}

// parseUnit returns the tree of the unit that begins with a segment, and where
// something that is finished is extended. It returns nil when the unit cannot
// be parsed.
func parseUnit(text string, lay *layout, first int) (*node, []clash) {
	if lay.size(first) > grammar.MaxTOML {
		return nil, nil
	}
	b := builder{root: &node{how: asHeader, table: map[string]*node{}}}
	for i := first; ; i = lay.segments[i].next {
		s := lay.segments[i]
		b.base = s.start
		tree, err := grammar.ParseTOML(text[s.start:s.end])
		if whole := "[[" + s.kind + "]]"; err != nil && s.isUnit() { // its header may lack a bracket
			b.base = s.head - len(whole)
			tree, err = grammar.ParseTOML(whole + text[s.head:s.end])
		}
		if err != nil {
			return nil, nil
		}
		b.segment(tree)
		if s.next == 0 {
			return b.root, b.clashes
		}
	}
}

// clash is a key that extends something which is finished.
type clash struct {
	key   extent
	name  string
	other *node
}

// builder makes the tree of a unit out of its segments.
type builder struct {
	root, table *node // table: that of the header
	base        int   // offset of the segment
	clashes     []clash
}

func (b *builder) segment(tree *grammar.TOML) {
	b.table = b.root
	for _, line := range tree.Lines {
		switch {
		case line.Header != nil:
			b.header(line.Header)
		case line.Pair != nil:
			b.pair(b.table, line.Pair)
		}
	}
}

func (b *builder) extentOf(p *grammar.TOMLPart) extent {
	return extent{b.base + p.Pos.Offset, b.base + p.EndPos.Offset}
}

func partName(p *grammar.TOMLPart) string {
	name, _ := keyPart(p.Raw)
	return name
}

func (b *builder) header(h *grammar.TOMLHeader) {
	parts := h.Table
	if h.Array != nil {
		parts = h.Array
	}
	whole := extent{b.base + h.Pos.Offset, b.base + h.EndPos.Offset}
	at := b.root
	for i, p := range parts[1:] { // the first part is the kind
		how := asImplicit
		if i == len(parts)-2 {
			how = asHeader
			if h.Array != nil {
				how = asElements
			}
		}
		at = b.open(at, p, whole, how)
		if at == nil {
			// What is below an impossible header has no place.
			b.table = &node{table: map[string]*node{}}
			return
		}
	}
	b.table = at
}

// open goes from a table to the one behind a part of a header.
func (b *builder) open(at *node, p *grammar.TOMLPart, whole extent, how origin) *node {
	c := at.child(partName(p), b.extentOf(p), how)
	if c.value == b.extentOf(p) {
		c.value = whole
	}
	switch {
	case c.how == asElements && how == asElements:
		c.items = append(c.items, &node{how: asHeader, value: whole, table: map[string]*node{}})
		return c.items[len(c.items)-1]
	case c.how == asElements && how == asImplicit && len(c.items) > 0:
		return c.items[len(c.items)-1]
	case c.how == asDotted && how == asImplicit: // only the table itself is finished
		return c
	case c.how == asImplicit || c.how == asHeader:
		if how == asHeader {
			c.how, c.value = asHeader, whole
		}
		return c
	}
	b.clashes = append(b.clashes, clash{b.extentOf(p), partName(p), c})
	return nil
}

func (b *builder) pair(at *node, pair *grammar.TOMLPair) {
	last := len(pair.Key) - 1
	for _, p := range pair.Key[:last] {
		c := at.child(partName(p), b.extentOf(p), asDotted)
		if !c.isTable() || c.how == asInline || c.how == asHeader {
			b.clashes = append(b.clashes, clash{b.extentOf(p), partName(p), c})
			return
		}
		at = c
	}
	p := pair.Key[last]
	if _, ok := at.table[partName(p)]; ok {
		return // the decoder reports what is written twice
	}
	v := b.value(pair.Value)
	v.key = b.extentOf(p)
	at.table[partName(p)] = v
}

func (b *builder) value(v *grammar.TOMLValue) *node {
	n := &node{value: extent{b.base + v.Pos.Offset, b.base + v.EndPos.Offset}}
	switch {
	case v.String != "":
		n.how = asString
	case v.Array != nil:
		n.how = asArray
		for _, item := range v.Array.Items {
			n.items = append(n.items, b.value(item))
		}
	case v.Inline != nil:
		n.how, n.table = asInline, map[string]*node{}
		for _, pair := range v.Inline.Pairs {
			b.pair(n, pair)
		}
	}
	return n
}
