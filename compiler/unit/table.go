package unit

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/grammar"
)

// Table describes one kind of table in unit files. The binder, the suggestions,
// and the documentation are derived from it: a new key is a new row in Fields
// and the field of the struct that it fills.
type Table struct {
	Name   string // as messages call it: "socket", "condition"
	Doc    string
	Fields []Field // in the order in which the documentation shows them
}

// Field is one key of a table.
type Field struct {
	Key      string
	Newer    string // what newer versions of Rind call it, if something else
	Type     Type
	Required bool
	Default  string   // as it would be written; "" when absence means none
	Values   []string // the only strings allowed
	NonEmpty bool     // an empty string or array is an error
	Doc      string

	// Planned marks a key of the language that this version does not support.
	Planned bool

	// Check reports what is wrong with a string, beyond Values.
	Check func(string) *grammar.Error

	// Into returns the pointer to the struct field for a pointer to the struct,
	// which decides together with Type how a value is bound. Nil when Planned.
	Into func(item any) any
}

// Type is the type of a key's value.
type Type uint8

// Types. The zero Type is invalid.
const (
	_ Type = iota
	TypeString
	TypeBool
	TypeInt
	TypeAny
	TypeList        // of strings
	TypeConditions  // list
	TypeTriggers    // list
	TypePermissions // list of names and ids
	TypeTest
	TypeRestart
	TypeRun
	TypeEnv
	TypeOptions
	TypeTable // only of planned keys
)

var typeNames = map[Type]string{
	TypeString:      "a string",
	TypeBool:        "a boolean",
	TypeInt:         "an integer",
	TypeAny:         "a value",
	TypeList:        "an array of strings",
	TypeConditions:  "an array of conditions",
	TypeTriggers:    "an array of triggers",
	TypePermissions: "an array of permission names or ids",
	TypeTest:        "a string or a table",
	TypeRestart:     "a boolean or a table",
	TypeRun:         "a table or an array of tables",
	TypeEnv:         "a table of strings",
	TypeOptions:     "a table",
	TypeTable:       "a table",
}

// String returns the type as messages say it: "a string".
func (t Type) String() string { return cmp.Or(typeNames[t], "an invalid type") }

// Field returns the row of key.
func (t *Table) Field(key string) (Field, bool) {
	i := slices.IndexFunc(t.Fields, func(f Field) bool { return f.Key == key })
	if i < 0 {
		return Field{}, false
	}
	return t.Fields[i], true
}

// FieldOfNewer returns the row of the key that newer versions of Rind call so.
func (t *Table) FieldOfNewer(key string) (Field, bool) {
	i := slices.IndexFunc(t.Fields, func(f Field) bool { return f.Newer == key && key != "" })
	if i < 0 {
		return Field{}, false
	}
	return t.Fields[i], true
}

// Keys returns the keys of the table in the order of its rows, those that this
// version supports first.
func (t *Table) Keys() []string {
	var keys, planned []string
	for _, f := range t.Fields {
		if f.Planned {
			planned = append(planned, f.Key)
		} else {
			keys = append(keys, f.Key)
		}
	}
	return append(keys, planned...)
}

// Supported returns the keys that this version supports, for messages.
func (t *Table) Supported() string {
	var keys []string
	for _, f := range t.Fields {
		if !f.Planned {
			keys = append(keys, "`"+f.Key+"`")
		}
	}
	return strings.Join(keys, ", ")
}

// Support says what this version does with a kind of unit.
type Support uint8

// Supports.
const (
	Supported Support = iota
	Planned           // part of the language, refused by this version
	Foreign           // of the full Rind init, ignored with a warning
)

// Kind is a kind of unit: the table behind [[name]].
type Kind struct {
	Table
	Newer   string // what newer versions of Rind call it, if something else
	Support Support

	// Begin returns a new unit for a binder to fill, and what to call when that
	// is done. A broken unit stays in the file if it has a name, so that
	// references to it resolve. Nil unless Supported.
	Begin func(f *File, at source.Place) (item any, done func(broken bool))
}

// KindOf returns the kind with that name.
func KindOf(name string) (*Kind, bool) {
	for i := range Kinds {
		if Kinds[i].Name == name {
			return &Kinds[i], true
		}
	}
	return nil, false
}

// KindOfNewer returns the kind that newer versions of Rind call so.
func KindOfNewer(name string) (*Kind, bool) {
	for i := range Kinds {
		if name != "" && Kinds[i].Newer == name {
			return &Kinds[i], true
		}
	}
	return nil, false
}

// common is what every kind of unit has.
type common struct {
	at     *source.Place
	broken *bool
	name   *String
	finish func() // may be nil
}

// collect makes the Begin of a kind whose units are gathered in list.
func collect[U any](list func(*File) *[]U, parts func(*U) common) func(*File, source.Place) (any, func(bool)) {
	return func(f *File, at source.Place) (item any, done func(broken bool)) {
		u := new(U)
		c := parts(u)
		*c.at = at
		return u, func(broken bool) {
			*c.broken = broken
			if broken && c.name.Value == "" {
				return
			}
			if c.finish != nil {
				c.finish()
			}
			*list(f) = append(*list(f), *u)
		}
	}
}

// into adapts a typed accessor to [Field.Into].
func into[U, T any](field func(*U) *T) func(any) any {
	return func(item any) any {
		u, ok := item.(*U)
		if !ok {
			return nil
		}
		return field(u)
	}
}

// shareEnv gives every process the variables of the service that it does not
// set itself.
func (s *Service) shareEnv() {
	for i := range s.Run {
		r := &s.Run[i]
		for _, v := range s.Env {
			if !slices.ContainsFunc(r.Env, func(own EnvVar) bool { return own.Name.Value == v.Name.Value }) {
				r.Env = append(r.Env, v)
			}
		}
		slices.SortFunc(r.Env, func(a, b EnvVar) int { return strings.Compare(a.Name.Value, b.Name.Value) })
	}
}
