package unit

import (
	"time"

	"github.com/rind-sockets/rind/compiler/source"
)

// String is a string as written. An absent key leaves the zero String, whose
// place is zero.
type String struct {
	Value string
	At    source.Place
}

// Set reports whether the key was written.
func (s String) Set() bool { return !s.At.IsZero() }

// Bool is a boolean as written.
type Bool struct {
	Value bool
	At    source.Place
}

// Set reports whether the key was written.
func (b Bool) Set() bool { return !b.At.IsZero() }

// Or returns the value, or otherwise when the key was not written.
func (b Bool) Or(otherwise bool) bool {
	if b.Set() {
		return b.Value
	}
	return otherwise
}

// Int is an integer as written.
type Int struct {
	Value int64
	At    source.Place
}

// Set reports whether the key was written.
func (i Int) Set() bool { return !i.At.IsZero() }

// Duration is a duration as written: a string, or an integer of seconds.
type Duration struct {
	Value time.Duration
	At    source.Place
}

// Set reports whether the key was written.
func (d Duration) Set() bool { return !d.At.IsZero() }

// Any is a value of any TOML type, as the decoder gives it: string, int64,
// float64, bool, time.Time, []any or map[string]any.
type Any struct {
	Value any
	At    source.Place
}

// Set reports whether the key was written.
func (a Any) Set() bool { return !a.At.IsZero() }

// List is an array of strings. At is the array; a set but empty list counts.
type List struct {
	Items []String
	At    source.Place
}

// Set reports whether the key was written.
func (l List) Set() bool { return !l.At.IsZero() }

// Inner is what every table inside a unit has.
type Inner struct{ At source.Place }

// Set reports whether the table was written.
func (i *Inner) Set() bool { return !i.At.IsZero() }

// Open sets the place of the table.
func (i *Inner) Open(at source.Place) { i.At = at }

// Choice is what every value has that is one of some words, or a table.
type Choice struct {
	Inner
	Word String // not set for a table
}

// Choose returns where the word goes.
func (c *Choice) Choose() *String { return &c.Word }
