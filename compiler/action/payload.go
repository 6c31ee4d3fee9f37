package action

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/typing"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/grammar"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// target is what a payload is for.
type target struct {
	what  string // "state" or "signal"
	name  plan.Name
	kind  cond.Kind // 0: the definition does not say, which is reported there
	check func(cond.Value) error
	ref   unit.String // where the trigger names it
}

func (to target) String() string { return fmt.Sprintf("%s %q", to.what, to.name) }

// payload returns the payload of a trigger as the kind that its target has
// (SPEC §5): tables and arrays are json, strings are strings, numbers and
// booleans are their text for a string and themselves for json, nothing is none.
func (c context) payload(t unit.Trigger, to target) (cond.Value, bool) {
	if !t.Payload.Set() {
		return c.noPayload(to)
	}
	if t.Payload.Value == nil || to.kind == 0 {
		return cond.Value{}, false // reported already, there or at the definition
	}
	if at, found := c.reference(t.Payload.Value, t.Payload.At, true); found {
		c.fail(Reference, diag.Diagnostic{
			Message: "payload references are not supported by this version of rindc",
			At:      at,
			Help:    "write the value itself",
		})
		return cond.Value{}, false
	}
	v, ok := c.convert(t.Payload, to)
	if !ok {
		return cond.Value{}, false
	}
	if err := to.check(v); err != nil {
		c.fail(IncompleteState, diag.Diagnostic{
			Message: fmt.Sprintf("%s cannot have this payload: %v", to, err),
			At:      t.Payload.At,
			Help:    "write a table that has a value for every branch key",
		})
		return cond.Value{}, false
	}
	return v, true
}

func (c context) noPayload(to target) (cond.Value, bool) {
	switch {
	case to.kind == cond.None:
		return cond.NoneValue(), true
	case to.kind == 0, c.Broken: // a payload that could not be read is no missing one
		return cond.Value{}, false
	}
	c.fail(NoPayload, diag.Diagnostic{
		Message: fmt.Sprintf("%s needs a payload of kind %v", to, to.kind),
		At:      to.ref.At,
		Help:    "add " + payloadForms[to.kind],
	})
	return cond.Value{}, false
}

// payloadForms says how a payload of each kind is written.
var payloadForms = map[cond.Kind]string{
	cond.JSON:   "`payload = { … }` or `payload = [ … ]`",
	cond.String: "`payload = \"…\"`",
	cond.Bytes:  "`payload = \"…\"`",
	cond.None:   "no payload",
}

func (c context) convert(p unit.Any, to target) (cond.Value, bool) {
	tree, err := typing.Tree(p.Value)
	if err != nil {
		if !c.Broken { // the decoder reports what has no JSON form
			c.fail(diag.NoJSONForm, diag.Diagnostic{
				Message: err.Error(),
				At:      p.At,
				Help:    "use strings, finite numbers, booleans, arrays and tables",
			})
		}
		return cond.Value{}, false
	}
	var what string
	switch tree := tree.(type) {
	case string:
		switch to.kind {
		case cond.String:
			return cond.StringValue(tree), true
		case cond.Bytes:
			return cond.BytesValue([]byte(tree)), true
		case cond.None, cond.JSON:
		}
		what = "a string"
	case json.Number, bool:
		if to.kind == cond.String {
			return cond.StringValue(fmt.Sprint(tree)), true
		}
		what = "a number"
		if _, ok := tree.(bool); ok {
			what = "a boolean"
		}
	case []any:
		what = "an array, which is json"
	case map[string]any:
		what = "a table, which is json"
	}
	if _, text := tree.(string); to.kind == cond.JSON && !text {
		if v, err := cond.JSONValue(tree); err == nil {
			return v, true
		}
	}
	c.fail(WrongPayload, diag.Diagnostic{
		Message: fmt.Sprintf("%s has a payload of kind %v, got %s", to, to.kind, what),
		At:      p.At,
		Help:    "write " + payloadForms[to.kind],
	})
	return cond.Value{}, false
}

// reference returns the first place of v that reads another value: a table
// { from = "…" }, a string "state:…", "var:…" or "access:…", or, as the whole
// payload, group@state@path of a defined state. Everything else is literal, an
// e-mail address included.
func (c context) reference(v any, at source.Place, whole bool) (source.Place, bool) {
	switch v := v.(type) {
	case string:
		return at, c.readsState(v, whole) || readsNamed(v, "var:") || readsNamed(v, "access:")
	case []any:
		for i, item := range v {
			if found, ok := c.reference(item, at.Item(i), false); ok {
				return found, true
			}
		}
	case []map[string]any:
		for i, item := range v {
			if found, ok := c.reference(item, at.Item(i), false); ok {
				return found, true
			}
		}
	case map[string]any:
		if _, text := v["from"].(string); text && len(v) == 1 {
			return at.At("from"), true
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if found, ok := c.reference(v[key], at.At(key), false); ok {
				return found, true
			}
		}
	}
	return source.Place{}, false
}

func (c context) readsState(s string, whole bool) bool {
	if whole {
		last := strings.LastIndexByte(s, '@')
		return last > 0 && strings.Contains(s[:last], "@") && c.defined(s[:last])
	}
	name, ok := strings.CutPrefix(s, "state:")
	if !ok {
		return false
	}
	// A group has slashes too, so the path starts at the first one behind the @.
	if before, after, qualified := strings.Cut(name, "@"); qualified {
		short, _, _ := strings.Cut(after, "/")
		_, err := grammar.ParseAddress(before + "@" + short)
		return err == nil
	}
	short, _, _ := strings.Cut(name, "/")
	return c.defined(short)
}

func (c context) defined(state string) bool {
	s, _ := c.Scope.State(unit.String{Value: state})
	return s != nil
}

func readsNamed(s, prefix string) bool {
	name, ok := strings.CutPrefix(s, prefix)
	return ok && grammar.CheckName(name) == nil
}
