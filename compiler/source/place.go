package source

import "slices"

// Place names a key or a value of one unit without its position; the decoder
// finds the span when a diagnostic is shown. The zero Place is no place.
//
// Every value of every unit has one, and most are never asked for: a Place is
// one word, and knows the place around it.
type Place struct{ p *place }

type place struct {
	unit   *unit
	around *place // nil for the unit itself
	key    string // with index, the step from the place around it

	// Nothing in a file of at most 16 MiB needs more.
	index, from, to int32
	part            Part
}

type unit struct {
	file  *File
	kind  string
	index int
	line  int // of the header, from 1; 0 is unknown
}

// UnitPlace returns the place of the [[kind]] header of a unit, which is the one
// with that index among the units of that kind in the file.
func UnitPlace(f *File, kind string, index int) Place {
	return UnitOnLine(f, kind, index, 0)
}

// UnitOnLine is [UnitPlace] for somebody who knows on which line the header is.
func UnitOnLine(f *File, kind string, index, line int) Place {
	return Place{&place{unit: &unit{f, kind, index, line}}}
}

// IsZero reports whether p is no place, which is what an absent key has.
func (p Place) IsZero() bool { return p.p == nil }

// File returns the file of p, nil if p is no place.
func (p Place) File() *File {
	if p.IsZero() {
		return nil
	}
	return p.p.unit.file
}

// Kind returns the kind of the unit, such as "socket".
func (p Place) Kind() string {
	if p.IsZero() {
		return ""
	}
	return p.p.unit.kind
}

// Index returns the index of the unit among those of its kind in the file.
func (p Place) Index() int {
	if p.IsZero() {
		return 0
	}
	return p.p.unit.index
}

// Line returns the line of the header of the unit, from 1, and 0 if nobody knows.
func (p Place) Line() int {
	if p.IsZero() {
		return 0
	}
	return p.p.unit.line
}

// Unit returns the place of the header of the unit.
func (p Place) Unit() Place {
	if p.IsZero() {
		return p
	}
	return Place{&place{unit: p.p.unit}}
}

// Path returns the steps from the unit to p, none for the unit itself.
func (p Place) Path() []Step {
	var path []Step
	for at := p.p; at != nil && at.around != nil; at = at.around {
		path = append(path, Step{Key: at.key, Index: int(at.index)})
	}
	slices.Reverse(path)
	return path
}

// IsKey reports whether p means a key, and not its value.
func (p Place) IsKey() bool { return !p.IsZero() && p.p.part == OfKey }

// Narrowed returns the bytes of the string value that p means, escapes decoded.
// With to = 0 it means the value as a whole.
func (p Place) Narrowed() (from, to int) {
	if p.IsZero() {
		return 0, 0
	}
	return int(p.p.from), int(p.p.to)
}

// Equal reports whether p and q mean the same.
func (p Place) Equal(q Place) bool {
	if p.IsZero() || q.IsZero() {
		return p == q
	}
	a, b := p.p, q.p
	sameUnit := a.unit.file == b.unit.file && a.unit.kind == b.unit.kind && a.unit.index == b.unit.index
	return sameUnit && a.part == b.part && a.from == b.from && a.to == b.to && slices.Equal(p.Path(), q.Path())
}

// At returns the place of the value behind key in the value at p.
func (p Place) At(key string) Place { return p.inside(Step{Key: key}) }

// Item returns the place of element i of the array at p.
func (p Place) Item(i int) Place { return p.inside(Step{Index: i}) }

func (p Place) inside(s Step) Place {
	if p.IsZero() {
		return p
	}
	return Place{&place{unit: p.p.unit, around: p.p, key: s.Key, index: int32(s.Index)}}
}

// OfKey returns the place of the key whose value is at p.
func (p Place) OfKey() Place { return p.as(OfKey, 0, 0) }

// Within returns the bytes from..to of the string value at p.
func (p Place) Within(from, to int) Place { return p.as(OfValue, from, to) }

func (p Place) as(part Part, from, to int) Place {
	if p.IsZero() {
		return p
	}
	same := *p.p
	same.part, same.from, same.to = part, int32(from), int32(to)
	return Place{&same}
}
