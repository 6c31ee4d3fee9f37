package schema

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/rind-sockets/rind/compiler/action"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/grammar"
	"github.com/rind-sockets/rind/plugins/manifest"
)

// Patterns of strings that a schema can check while they are typed.
var (
	namePattern     = fmt.Sprintf(`^[A-Za-z0-9_.-]{1,%d}$`, grammar.MaxSegment)
	durationPattern = `^([0-9]+|([0-9]+([.][0-9]+)?(d|h|m|s|ms|us))+)$`
)

// Units returns the schema of unit files. The sockets of the transports of the
// manifests have their options checked.
func Units(transports []*manifest.Manifest) *Schema {
	b := builder{
		transports: transports,
		names:      map[*unit.Table]string{},
		out:        map[string]*Schema{},
	}
	root := (&Schema{
		Dialect:     draft,
		Title:       "Rind unit file",
		Description: "Sockets, the services that serve them, and the states and signals between them.",
		Properties:  map[string]*Schema{},
	}).closed()
	for i := range unit.Kinds {
		k := &unit.Kinds[i]
		if k.Support == unit.Foreign {
			root.Properties[k.Name] = (&Schema{}).described(k.Doc + "; ignored: only the full Rind init has it")
			continue
		}
		root.Properties[k.Name] = arrayOf(b.table(&k.Table, "")).described(k.Doc)
	}
	b.options()
	root.Definitions = b.out
	return root
}

// builder collects the definitions of the tables.
type builder struct {
	transports []*manifest.Manifest
	names      map[*unit.Table]string
	out        map[string]*Schema
}

// alternatives lists the tables that need exactly one of some keys.
var alternatives = map[*unit.Table][]string{
	&unit.ConditionTable: {"state", "signal", "all", "any", "not"},
	&unit.TestTable:      {"contains", "as", "binary"},
	&unit.TriggerTable:   actionKeys(),
}

func actionKeys() []string {
	keys := make([]string, len(action.Actions))
	for i, a := range action.Actions {
		keys[i] = a.Key
	}
	return keys
}

// table returns a reference to the definition of a table, which it makes if need
// be. around is the definition that it is found in.
func (b *builder) table(t *unit.Table, around string) *Schema {
	if name, ok := b.names[t]; ok {
		return ref(name)
	}
	name := t.Name
	if b.out[name] != nil || around != "" && isKind(name) {
		name = around + "-" + t.Name
	}
	s := (&Schema{Description: t.Doc, Properties: map[string]*Schema{}}).closed()
	b.names[t], b.out[name] = name, s // before the fields, which may refer to it
	for _, f := range t.Fields {
		s.Properties[f.Key] = b.field(f, name)
		if f.Required {
			s.Required = append(s.Required, f.Key)
		}
	}
	for _, key := range t.Foreign {
		s.Properties[key] = (&Schema{}).described("ignored: only the full Rind init has it")
	}
	for _, key := range alternatives[t] {
		if _, ok := t.Field(key); ok {
			s.OneOf = append(s.OneOf, &Schema{Required: []string{key}})
		}
	}
	if f, ok := t.Field("name"); ok && f.Check != nil {
		s.Properties["name"].Pattern = namePattern
	}
	return ref(name)
}

// isKind reports whether a definition of that name is that of a kind of unit.
func isKind(name string) bool {
	_, ok := unit.KindOf(name)
	return ok
}

// field returns the schema of a key.
func (b *builder) field(f unit.Field, around string) *Schema {
	text := f.Doc
	// TOML and JSON write simple values alike; some defaults are words.
	var value any
	if f.Default != "" && json.Unmarshal([]byte(f.Default), &value) != nil {
		text += "; default: " + f.Default
	}
	s := b.value(f, around).described(text)
	s.Default = value
	return s
}

// value returns the schema of what a key may have.
func (b *builder) value(f unit.Field, around string) *Schema {
	text := word(f)
	switch f.Type {
	case unit.TypeString:
		return text
	case unit.TypeBool:
		return typed("boolean")
	case unit.TypeInt:
		return integer(f)
	case unit.TypeDuration:
		seconds := typed("integer")
		seconds.Minimum = new(int64)
		return anyOf(&Schema{Type: "string", Pattern: durationPattern}, seconds)
	case unit.TypeAny:
		return &Schema{}
	case unit.TypeList:
		return list(f, text)
	case unit.TypeWords:
		return anyOf(text, list(f, text))
	case unit.TypeCondition:
		return anyOf(typed("string"), b.inner(f, around))
	case unit.TypeConditions, unit.TypeAbsences:
		return list(f, anyOf(typed("string"), b.inner(f, around)))
	case unit.TypeTriggers:
		return list(f, b.inner(f, around))
	case unit.TypePermissions:
		return list(f, anyOf(typed("string"), typed("integer").between(0, math.MaxUint16)))
	case unit.TypeTest, unit.TypeChoice:
		return anyOf(text, b.inner(f, around))
	case unit.TypeRestart:
		return anyOf(typed("boolean"), b.inner(f, around))
	case unit.TypeRun:
		return anyOf(b.inner(f, around), list(f, b.inner(f, around)))
	case unit.TypeEnv:
		return &Schema{Type: "object", Additional: typed("string")}
	case unit.TypeOptions:
		return ref(optionsName)
	case unit.TypeResource:
		return b.resource(f, around)
	case unit.TypeTable:
		return b.inner(f, around)
	}
	return &Schema{}
}

// inner returns the table that the value or its elements may be.
func (b *builder) inner(f unit.Field, around string) *Schema {
	t, ok := f.Table()
	if !ok {
		return typed("object")
	}
	return b.table(t, around)
}

func word(f unit.Field) *Schema {
	s := typed("string")
	s.Enum = f.Values
	if f.NonEmpty {
		s.MinLength = 1
	}
	return s
}

func list(f unit.Field, item *Schema) *Schema {
	s := arrayOf(item)
	if f.NonEmpty {
		s.MinItems = 1
	}
	return s
}

func integer(f unit.Field) *Schema {
	s := typed("integer")
	if f.Min != 0 || f.Max != 0 {
		s.between(f.Min, f.Max)
	}
	return s
}

// resource is a limit, or a table of both; either can be without a bound.
func (b *builder) resource(f unit.Field, around string) *Schema {
	amount := func() *Schema {
		return anyOf(typed("integer").between(0, math.MaxInt64), &Schema{Const: "infinity"})
	}
	table := b.inner(f, around)
	for _, f := range unit.ResourceTable.Fields {
		b.out[b.names[&unit.ResourceTable]].Properties[f.Key] = amount().described(f.Doc)
	}
	return anyOf(amount(), table)
}
