package words

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// Field is one thing that a definition says.
type Field struct {
	Key  string // of unit files, with the path to a part: "options.backlog"
	Text string
}

// Fields returns what a definition says, without its name and what is empty, in
// the order of the type. unit is a pointer to a definition of the plan that x is
// made of.
func (x *Names) Fields(unit any) []Field {
	v := reflect.ValueOf(unit).Elem()
	var out []Field
	for i := range v.NumField() {
		name, optional, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		f := v.Field(i)
		if name == "name" || optional != "" && f.IsZero() {
			continue
		}
		out = x.describe(out, Key(name), f.Interface())
	}
	if s, ok := unit.(*plan.Socket); ok {
		// The order is only the place among those of the owner.
		out = slices.DeleteFunc(out, func(f Field) bool { return f.Key == "order" })
		if s.Owner != "" {
			out = append(out, Field{Key: "descriptor", Text: strconv.Itoa(FirstFD + s.Order)})
		}
	}
	return out
}

// describe adds the text of a value, or those of its parts.
func (x *Names) describe(out []Field, key string, value any) []Field {
	switch value := value.(type) {
	case *cond.Expr:
		return append(out, Field{key, value.String()})
	case *cond.Value:
		return append(out, Field{key, Value(*value)})
	case map[string]plan.Limit:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			at := key + "." + Key(name)
			out = append(out, Field{at + ".hard", limit(value[name].Hard)}, Field{at + ".soft", limit(value[name].Soft)})
		}
		return out
	case []plan.Action:
		for i := range value {
			out = append(out, Field{fmt.Sprintf("%s[%d]", key, i), Action(&value[i])})
		}
		return out
	case []uint16:
		return append(out, Field{key, x.Permissions(value)})
	}
	return flatten(out, key, tree(value))
}

// limit returns a resource limit as unit files have it.
func limit(n int64) string {
	if n == plan.Infinity {
		return "infinity"
	}
	return strconv.FormatInt(n, 10)
}

// tree returns a value as decoded JSON.
func tree(value any) any {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	v, err := cond.ParseJSON(data)
	if err != nil {
		return string(data)
	}
	return v.Tree()
}

// flatten adds the leaves of a tree. An array of simple values is one leaf.
func flatten(out []Field, path string, value any) []Field {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			out = flatten(out, path+"."+Key(key), value[key])
		}
		return out
	case []any:
		if slices.ContainsFunc(value, func(item any) bool { _, ok := item.(map[string]any); return ok }) {
			for i, item := range value {
				out = flatten(out, fmt.Sprintf("%s[%d]", path, i), item)
			}
			return out
		}
	case string:
		return append(out, Field{path, Quote(value)})
	}
	return append(out, Field{path, JSON(value)})
}

// Names has the names of the permissions of a plan.
type Names struct{ permissions map[uint16]plan.Name }

// NamesOf returns the names of p, with those of all builtin permissions.
func NamesOf(p *plan.Plan) *Names {
	x := &Names{permissions: map[uint16]plan.Name{}}
	for name, id := range plan.BuiltinPermissions {
		x.permissions[id] = plan.MakeName(plan.BuiltinGroup, name)
	}
	for _, q := range p.Permissions {
		x.permissions[q.ID] = q.Name
	}
	return x
}

// Permission returns the name of the permission with that id, which a plan that
// is valid has.
func (x *Names) Permission(id uint16) plan.Name { return x.permissions[id] }

// Permissions returns the names of permissions, with their ids.
func (x *Names) Permissions(ids []uint16) string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = fmt.Sprintf("%s (%d)", x.permissions[id], id)
	}
	return strings.Join(list, ", ")
}
