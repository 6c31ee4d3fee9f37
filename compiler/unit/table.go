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

	// Foreign has the keys that the full Rind init knows and this system does not
	// have, so that they are not taken for misspelt ones.
	Foreign []string
}

// Field is one key of a table.
type Field struct {
	Key      string
	Newer    string // what newer versions of Rind call it, if something else
	Type     Type
	Required bool
	Default  string   // as it would be written; "" when absence means none
	Values   []string // the only strings allowed, also in an array
	NonEmpty bool     // an empty string or array is an error
	Doc      string

	// Min and Max are the range of a number or, in nanoseconds, of a duration.
	// Both are 0 when there is none.
	Min, Max int64

	// Inner has the keys of a [TypeTable] or [TypeChoice]; see [Field.Table].
	Inner *Table

	// Check reports what is wrong with a string, or one in an array, beyond Values.
	Check func(string) *grammar.Error

	// Rights says that the values give rights, so that no program may guess one.
	Rights bool

	// Number returns the string that is meant by a positive integer in its place; nil
	// when nobody can tell.
	Number func(n int64) string

	// Into returns the pointer to the struct field for a pointer to the struct,
	// which decides together with Type how a value is bound.
	Into func(item any) any
}

// Table returns the table that the value of the field may be, or that its
// elements may be.
func (f Field) Table() (*Table, bool) {
	switch f.Type { //nolint:exhaustive // the others have no keys of ours
	case TypeConditions, TypeCondition:
		return &ConditionTable, true
	case TypeTriggers:
		return &TriggerTable, true
	case TypeTest:
		return &TestTable, true
	case TypeRestart:
		return &RestartTable, true
	case TypeRun:
		return &RunTable, true
	case TypeAbsences:
		return &AbsenceTable, true
	case TypeResource:
		return &ResourceTable, true
	}
	return f.Inner, f.Inner != nil
}

// Type is the type of a key's value.
type Type uint8

// Types. The zero Type is invalid.
const (
	_ Type = iota
	TypeString
	TypeBool
	TypeInt
	TypeDuration    // a string, or an integer of seconds
	TypeAny         // every TOML value
	TypeList        // of strings
	TypeWords       // a string, or an array of them
	TypeConditions  // list
	TypeCondition   // one
	TypeTriggers    // list
	TypePermissions // list of names and ids
	TypeAbsences    // list of names and tables
	TypeTest
	TypeRestart
	TypeRun
	TypeEnv
	TypeOptions
	TypeResource // an integer, "infinity", or a table of both limits
	TypeTable    // with the keys of Inner
	TypeChoice   // one of Values, or a table with the keys of Inner
)

var typeNames = map[Type]string{
	TypeString:      "a string",
	TypeBool:        "a boolean",
	TypeInt:         "an integer",
	TypeDuration:    "a duration",
	TypeAny:         "a value",
	TypeList:        "an array of strings",
	TypeWords:       "a string or an array of strings",
	TypeConditions:  "an array of conditions",
	TypeCondition:   "a condition",
	TypeTriggers:    "an array of triggers",
	TypePermissions: "an array of permission names or ids",
	TypeAbsences:    "an array of states",
	TypeTest:        "a string or a table",
	TypeRestart:     "a boolean or a table",
	TypeRun:         "a table or an array of tables",
	TypeEnv:         "a table of strings",
	TypeOptions:     "a table",
	TypeResource:    "an integer, `\"infinity\"` or a table",
	TypeTable:       "a table",
	TypeChoice:      "a string or a table",
}

// String returns the type as messages say it: "a string".
func (t Type) String() string { return cmp.Or(typeNames[t], "an invalid type") }

// Field returns the row of key.
func (t *Table) Field(key string) (Field, bool) {
	for i := range t.Fields { // not by value: rows are large, and every key of every unit asks
		if t.Fields[i].Key == key {
			return t.Fields[i], true
		}
	}
	return Field{}, false
}

// FieldOfNewer returns the row of the key that newer versions of Rind call so.
func (t *Table) FieldOfNewer(key string) (Field, bool) {
	i := slices.IndexFunc(t.Fields, func(f Field) bool { return f.Newer == key && key != "" })
	if i < 0 {
		return Field{}, false
	}
	return t.Fields[i], true
}

// Keys returns the keys of the table in the order of its rows.
func (t *Table) Keys() []string {
	keys := make([]string, len(t.Fields))
	for i, f := range t.Fields {
		keys[i] = f.Key
	}
	return keys
}

// Support says what this version does with a kind of unit.
type Support uint8

// Supports.
const (
	Supported Support = iota
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
	Begin func(f *File, at source.Place) (item any, done func(Lost))
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
	lost   *Lost
	name   *String
	finish func() // may be nil
}

// collect makes the Begin of a kind whose units are gathered in list.
func collect[U any](list func(*File) *[]*U, parts func(*U) common) func(*File, source.Place) (any, func(Lost)) {
	return func(f *File, at source.Place) (item any, done func(Lost)) {
		u := new(U)
		c := parts(u)
		*c.at = at
		return u, func(lost Lost) {
			*c.lost = lost
			if lost != nil && c.name.Value == "" {
				return
			}
			if c.finish != nil {
				c.finish()
			}
			*list(f) = append(*list(f), u)
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

// within is [into] for a table that is only there when it is written.
func within[U, T any](field func(*U) **T) func(any) any {
	return into(func(u *U) *T {
		p := field(u)
		if *p == nil {
			*p = new(T)
		}
		return *p
	})
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
