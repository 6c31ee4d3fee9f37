package schema

import (
	"encoding"
	"fmt"
	"maps"
	"math"
	"reflect"
	"strings"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// Plan returns the schema of plans of this version. A plan of a later minor
// version may have keys that it does not know.
func Plan() *Schema {
	g := generator{out: map[string]*Schema{}}
	root := g.object(reflect.TypeFor[plan.Plan](), strings.ToLower)
	root.Dialect = draft
	root.Title = fmt.Sprintf("Rind plan %d.%d", plan.Version, plan.Minor)
	root.Description = "What rindc build writes and rindrun run reads."
	root.Properties["format"] = &Schema{Const: plan.Format}
	root.Properties["version"] = &Schema{Const: plan.Version}
	root.Properties["minor"] = typed("integer").between(plan.Minor, math.MaxInt64)
	root.Properties["digest"].Pattern = "^sha256:[0-9a-f]{64}$"
	root.Properties["requires"].Items.Enum = featureNames()
	root.Required = append([]string{"format", "version", "minor"}, root.Required...)
	root.Definitions = g.out
	return root
}

func featureNames() []string {
	names := make([]string, len(plan.Features))
	for i, f := range plan.Features {
		names[i] = f.Name
	}
	return names
}

// enums lists the values of the string types of a plan that are closed sets.
var enums = map[reflect.Type][]string{
	reflect.TypeFor[plan.Op]():        texts(plan.Ops),
	reflect.TypeFor[plan.Lifecycle](): texts([]plan.Lifecycle{plan.Managed, plan.Owned}),
	reflect.TypeFor[cond.Kind]():      kinds(),
	reflect.TypeFor[cond.Op]():        operators(),
	reflect.TypeFor[cond.Root]():      {"target", "branch"},
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

func kinds() []string {
	var out []string
	for _, k := range cond.Kinds {
		out = append(out, k.String())
	}
	return out
}

func operators() []string {
	var out []string
	for _, o := range cond.Operators {
		out = append(out, string(o.Op))
	}
	return out
}

// patterns has the form of the other strings.
var patterns = map[reflect.Type]string{
	reflect.TypeFor[plan.Name]():     `^[A-Za-z0-9_./-]+@[A-Za-z0-9_.-]+$`,
	reflect.TypeFor[plan.Duration](): `^-?([0-9]+([.][0-9]+)?(h|m|s|ms|µs|ns))+$`,
}

// choices lists the types of which exactly one field is set.
var choices = map[reflect.Type][]string{
	reflect.TypeFor[cond.Expr]():  {"and", "or", "not", "atom"},
	reflect.TypeFor[cond.Guard](): {"and", "or", "not", "pred"},
}

func oneOf(s *Schema, keys ...string) *Schema {
	for _, key := range keys {
		s.OneOf = append(s.OneOf, &Schema{Required: []string{key}})
	}
	return s
}

// generator makes schemas of Go types as encoding/json writes them.
type generator struct{ out map[string]*Schema }

func (g *generator) of(t reflect.Type) *Schema {
	if t.Kind() == reflect.Pointer {
		return g.of(t.Elem())
	}
	switch t {
	case reflect.TypeFor[cond.Atom]():
		return g.define(t, g.atom)
	case reflect.TypeFor[cond.Value]():
		return g.define(t, g.payload)
	}
	if values, ok := enums[t]; ok {
		return &Schema{Type: "string", Enum: values}
	}
	if pattern, ok := patterns[t]; ok {
		return &Schema{Type: "string", Pattern: pattern}
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return typed("string")
	}
	return g.ofKind(t)
}

func (g *generator) ofKind(t reflect.Type) *Schema {
	switch t.Kind() { //nolint:exhaustive // a plan has no others
	case reflect.Bool:
		return typed("boolean")
	case reflect.Int, reflect.Int64:
		return typed("integer")
	case reflect.Uint16:
		return typed("integer").between(0, math.MaxUint16)
	case reflect.String:
		return typed("string")
	case reflect.Slice:
		return arrayOf(g.of(t.Elem()))
	case reflect.Map:
		return &Schema{Type: "object", Additional: g.of(t.Elem())}
	case reflect.Struct:
		return g.define(t, func() *Schema { return g.object(t, func(s string) string { return s }) })
	}
	return &Schema{}
}

// define makes a definition of a type and returns a reference to it.
func (g *generator) define(t reflect.Type, content func() *Schema) *Schema {
	name := strings.ToLower(t.Name())
	if g.out[name] == nil {
		g.out[name] = &Schema{} // it may refer to itself
		*g.out[name] = *content()
	}
	return ref(name)
}

// object returns the schema of a struct. key makes the key of a field without a
// tag of its name.
func (g *generator) object(t reflect.Type, key func(string) string) *Schema {
	s := (&Schema{Properties: map[string]*Schema{}}).closed()
	for f := range t.Fields() {
		switch {
		case f.Anonymous:
			inner := g.object(f.Type, key)
			maps.Copy(s.Properties, inner.Properties)
			s.Required = append(s.Required, inner.Required...)
			continue
		case !f.IsExported():
			continue
		}
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" { // it is in no plan on disk
			continue
		}
		if name == "" {
			name = key(f.Name)
		}
		s.Properties[name] = g.of(f.Type)
		if option == "" {
			s.Required = append(s.Required, name)
		}
	}
	return oneOf(s, choices[t]...)
}

// atom returns the schema of a [cond.Atom], which has a JSON form of its own.
func (g *generator) atom() *Schema {
	name := func() *Schema { return g.of(reflect.TypeFor[plan.Name]()) }
	return oneOf((&Schema{Properties: map[string]*Schema{
		"state": name(), "signal": name(), "guard": g.of(reflect.TypeFor[cond.Guard]()),
	}}).closed(), "state", "signal")
}

// payload returns the schema of a [cond.Value], which has one too.
func (g *generator) payload() *Schema {
	return (&Schema{
		Properties: map[string]*Schema{
			"kind": g.of(reflect.TypeFor[cond.Kind]()), "text": typed("string"), "bytes": typed("string"), "json": {},
		},
		Required:      []string{"kind"},
		MaxProperties: 2,
	}).closed()
}
