package sat

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rind-sockets/rind/plan/cond"
)

// document is a json payload while it is being put together from the places
// that its tests look at.
type document struct {
	question   *question
	shape      Shape
	facts      []fact
	places     []place // a place comes before those inside it
	complete   bool    // no payload of a kind that the facts can tell apart is left out
	impossible bool    // the facts about one place contradict each other
}

// place is a part of the document that tests look at, and what they say of it.
type place struct {
	path       []string
	facts      []fact
	candidates []any
	parent     int  // the innermost place that it is inside of; -1: the root
	inner      bool // there are places inside
	indexed    bool // one of them may be an element of an array
	key        bool // it has to be there

	filled filled
	value  any
}

type filled uint8

const (
	fromParent filled = iota // it is what the enclosing value makes it
	absent
	whole // value
	open  // an object with the places inside
)

// lay finds the places and what each of them may be.
func (d *document) lay() {
	root := d.at(nil)
	for _, k := range d.shape.Keys {
		d.places[d.at([]string{k})].key = true
	}
	for _, f := range d.facts {
		i := root
		switch p := f.pred; {
		case len(p.Path) > 0:
			i = d.at(p.Path)
		case p.Root == cond.Branch && len(d.shape.Keys) == 1:
			i = d.at(d.shape.Keys) // the text of the only key is that of the branch
		}
		d.places[i].facts = append(d.places[i].facts, f)
	}
	slices.SortFunc(d.places, func(a, b place) int { return slices.Compare(a.path, b.path) })
	for i := range d.places {
		d.nest(i)
	}
	for i := range d.places {
		d.offer(&d.places[i])
	}
}

// at returns the index of the place with that path.
func (d *document) at(path []string) int {
	i := slices.IndexFunc(d.places, func(p place) bool { return slices.Equal(p.path, path) })
	if i < 0 {
		i = len(d.places)
		d.places = append(d.places, place{path: path, parent: -1})
	}
	return i
}

// nest finds the parent of a place among those before it.
func (d *document) nest(i int) {
	path := d.places[i].path
	for j := i - 1; j >= 0; j-- {
		outer := d.places[j].path
		if len(outer) < len(path) && slices.Equal(outer, path[:len(outer)]) {
			d.places[i].parent = j
			d.places[j].inner = true
			if _, err := strconv.Atoi(path[len(outer)]); err == nil {
				d.places[j].indexed = true
			}
			return
		}
	}
}

// offer finds out what may stand at a place, as far as the facts about this
// very place tell.
func (d *document) offer(p *place) {
	if len(p.path) == 0 {
		d.offerRoot(p)
		return
	}
	list, complete := values(p.facts, anyJSON)
	if p.key {
		list = slices.Concat(d.keyValues(p.path[0]), list)
		complete = complete && onlyEqual(p.facts)
	}
	if p.inner && !p.settledInside() {
		complete = false
	}
	for _, v := range list {
		if p.inner || d.question.fits(d.alone(p, v), p.facts) {
			p.candidates = append(p.candidates, v)
		}
	}
	if !p.inner && len(p.candidates) == 0 && (p.key || !d.question.fits(d.branch(map[string]any{}), p.facts)) {
		d.impossible = d.impossible || complete || textClash(p.facts)
	}
	d.complete = d.complete && complete
}

// offerRoot finds out what the whole document may be: an object with the places,
// or what a test of the whole names.
func (d *document) offerRoot(p *place) {
	if len(p.facts) == 0 {
		return
	}
	pinned := false
	for _, f := range p.facts {
		if f.pred.Root == cond.Branch {
			d.complete = false // a test of several keys at once
			continue
		}
		switch {
		case f.is(cond.OpEqual):
			pinned = pinned || f.want
			if text, ok := f.pred.Lit.(string); ok {
				if v, err := cond.ParseJSON([]byte(text)); err == nil {
					p.candidates = append(p.candidates, v.Tree())
				}
			} else {
				p.candidates = append(p.candidates, f.pred.Lit)
			}
		case f.is(cond.OpIs):
			d.complete = d.complete && !p.indexed
		default:
			d.complete = false
		}
	}
	if !pinned && len(d.shape.Keys) == 0 { // not a state: it need not be an object
		list, _ := values(p.facts, anyJSON)
		p.candidates = append(p.candidates, list...)
	}
}

// alone is a document that has nothing but v at p.
func (d *document) alone(p *place, v any) Branch {
	doc := map[string]any{}
	put(doc, p.path, v)
	return d.branch(doc)
}

func (d *document) branch(doc any) Branch {
	v, err := cond.JSONValue(doc)
	if err != nil { // literals are JSON data
		return Branch{Value: cond.NoneValue()}
	}
	b := Branch{Value: v}
	fields, ok := doc.(map[string]any)
	if len(d.shape.Keys) > 0 && ok {
		b.Keys = map[string]any{}
		for _, k := range d.shape.Keys {
			if v, ok := fields[k]; ok {
				b.Keys[k] = v
			}
		}
	}
	return b
}

// fill chooses a candidate for every place from i on.
func (d *document) fill(i int) (Branch, bool) {
	if d.question.steps <= 0 {
		return Branch{}, false
	}
	if i == len(d.places) {
		return d.finish()
	}
	p := &d.places[i]
	if p.parent >= 0 && d.places[p.parent].filled != open {
		p.filled = fromParent
		return d.fill(i + 1)
	}
	if p.inner || len(p.path) == 0 {
		p.filled = open
		if b, ok := d.fill(i + 1); ok {
			return b, true
		}
	}
	p.filled = whole
	for _, v := range p.candidates {
		d.question.steps--
		p.value = v
		if b, ok := d.fill(i + 1); ok {
			return b, true
		}
	}
	if !p.key && len(p.path) > 0 {
		p.filled = absent
		return d.fill(i + 1)
	}
	return Branch{}, false
}

// finish builds the document and has it judged; where it fails, once more with a
// field that no test is about, for the tests of the text of the whole.
func (d *document) finish() (Branch, bool) {
	root := d.places[0]
	if root.filled == whole {
		b := d.branch(root.value)
		return b, d.sound(root.value) && d.question.fits(b, d.facts)
	}
	doc := map[string]any{}
	for _, p := range d.places[1:] {
		switch p.filled {
		case whole:
			put(doc, p.path, p.value)
		case open:
			put(doc, p.path, map[string]any{})
		case absent, fromParent:
		}
	}
	if b := d.branch(doc); d.question.fits(b, d.facts) {
		return b, true
	}
	for _, extra := range d.extras(root.facts) {
		more := maps.Clone(doc)
		for k, v := range extra {
			if _, taken := more[k]; !taken {
				more[k] = v
			}
		}
		if b := d.branch(more); d.question.fits(b, d.facts) {
			return b, true
		}
	}
	return Branch{}, false
}

// sound reports whether a document can be a payload of its state.
func (d *document) sound(doc any) bool {
	fields, ok := doc.(map[string]any)
	for _, k := range d.shape.Keys {
		if _, there := fields[k]; !ok || !there {
			return false
		}
	}
	return true
}

// extras are fields that change the text of the whole document.
func (d *document) extras(facts []fact) []map[string]any {
	if len(facts) == 0 {
		return nil
	}
	out := []map[string]any{{filler: filler}}
	texts, _ := values(facts, onlyText)
	for _, t := range texts {
		text, ok := t.(string)
		if !ok {
			continue
		}
		out = append(out, map[string]any{filler: text})
		// "up":true is what a test of the text of a field looks for.
		if v, err := cond.ParseJSON([]byte("{" + strings.Trim(text, "{},") + "}")); err == nil {
			if fields, ok := v.Tree().(map[string]any); ok {
				out = append(out, fields)
			}
		}
	}
	return out
}

// keyValues are the values of a key for which the text of the branch is what a
// test names.
func (d *document) keyValues(key string) []any {
	var out []any
	for _, f := range d.facts {
		text, ok := f.pred.Lit.(string)
		if !ok || f.pred.Root != cond.Branch || len(f.pred.Path) > 0 {
			continue
		}
		v, err := cond.ParseJSON([]byte(text))
		if err != nil {
			continue
		}
		if fields, ok := v.Tree().(map[string]any); ok {
			if v, there := fields[key]; there {
				out = append(out, v)
			}
		}
	}
	return out
}

// onlyEqual reports whether the text of the branch is tested for nothing but
// what it is: a value that is not among the candidates could pass others.
func onlyEqual(facts []fact) bool {
	return !slices.ContainsFunc(facts, func(f fact) bool { return len(f.pred.Path) == 0 && f.pred.Op != cond.OpEqual })
}

// settledInside reports whether the candidates of a place with others inside are
// complete: an object with these places, or what the facts name. An array with
// them is never made.
func (p *place) settledInside() bool {
	for _, f := range p.facts {
		switch op := f.pred.Op; {
		case op == cond.OpExists, op == cond.OpIs && !p.indexed, op == cond.OpEqual && f.want:
		default:
			return false
		}
	}
	return true
}

// put sets the value at a path, and makes the objects on the way.
func put(doc map[string]any, path []string, v any) {
	for _, seg := range path[:len(path)-1] {
		next, ok := doc[seg].(map[string]any)
		if !ok {
			next = map[string]any{}
			doc[seg] = next
		}
		doc = next
	}
	doc[path[len(path)-1]] = v
}
