package action

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/typing"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// target is what a payload is for.
type target struct {
	what  string // "state" or "signal"
	name  plan.Name
	kind  cond.Kind // 0: the definition does not say, which is reported there
	check func(cond.Value) error
	keys  []string    // that a json payload must have
	ref   unit.String // where the trigger names it
}

func (to target) String() string { return fmt.Sprintf("%s %q", to.what, to.name) }

// payload puts the payload of a trigger into an action, as the kind that its
// target has (SPEC §5): tables and arrays are json, strings are strings, numbers
// and booleans are their text for a string and themselves for json, nothing is
// none. A payload with references becomes a template.
func (c context) payload(a *plan.Action, t unit.Trigger, to target) bool {
	if !t.Payload.Set() {
		v, ok := c.noPayload(to)
		a.Payload = &v
		return ok
	}
	if t.Payload.Value == nil || to.kind == 0 {
		return false // reported already, there or at the definition
	}
	b := builder{context: c}
	node, yields, ok := b.node(t.Payload.Value, t.Payload.At, true)
	if !ok {
		return false
	}
	if b.references > 0 {
		return c.template(a, t.Payload, to, node, yields)
	}
	v, ok := c.convert(t.Payload, to)
	if !ok {
		return false
	}
	if err := to.check(v); err != nil {
		c.incomplete(t.Payload, to, err)
		return false
	}
	a.Payload = &v
	return true
}

func (c context) incomplete(p unit.Any, to target, err error) {
	c.fail(IncompleteState, diag.Diagnostic{
		Message: fmt.Sprintf("%s cannot have this payload: %v", to, err),
		At:      p.At,
		Help:    "write a table that has a value for every branch key",
	})
}

func (c context) noPayload(to target) (cond.Value, bool) {
	switch {
	case to.kind == cond.None:
		return cond.NoneValue(), true
	case to.kind == 0, c.broken: // a payload that could not be read is no missing one
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

// convert returns a payload without references.
func (c context) convert(p unit.Any, to target) (cond.Value, bool) {
	data, err := typing.Tree(p.Value)
	if err != nil {
		if !c.broken { // the decoder reports what has no JSON form
			c.fail(diag.NoJSONForm, diag.Diagnostic{
				Message: err.Error(),
				At:      p.At,
				Help:    "use strings, finite numbers, booleans, arrays and tables",
			})
		}
		return cond.Value{}, false
	}
	yields := shapeOf(p.Value)
	if !yields.fits(to.kind) {
		c.wrongPayload(p, to, describe(data))
		return cond.Value{}, false
	}
	switch to.kind {
	case cond.String:
		return cond.StringValue(fmt.Sprint(data)), true
	case cond.Bytes:
		return cond.BytesValue(fmt.Append(nil, data)), true
	case cond.JSON, cond.None:
	}
	v, err := cond.JSONValue(data)
	return v, err == nil
}

// fits reports whether a value of the shape can be a payload of kind k.
func (s shape) fits(k cond.Kind) bool {
	switch k {
	case cond.String:
		return s == text || s == scalar || s == unknown
	case cond.Bytes:
		return s == text || s == octets || s == unknown
	case cond.JSON:
		return s == tree || s == scalar || s == unknown
	case cond.None:
	}
	return false
}

func (c context) wrongPayload(p unit.Any, to target, got string) {
	c.fail(WrongPayload, diag.Diagnostic{
		Message: fmt.Sprintf("%s has a payload of kind %v, got %s", to, to.kind, got),
		At:      p.At,
		Help:    "write " + payloadForms[to.kind],
	})
}

// wrongReference is wrongPayload for what is read when the trigger runs, where
// another literal is no help.
func (c context) wrongReference(p unit.Any, to target, yields shape) {
	help := "refer to something else, or write " + payloadForms[to.kind]
	switch {
	case to.kind == cond.None:
		help = "remove the payload"
	case yields == octets && to.kind == cond.String:
		help = fmt.Sprintf("declare `payload = \"bytes\"` for %s: what is sent need not be text", to)
	case yields == tree || yields == nothing:
	case to.kind == cond.JSON:
		help = "put it into a table: `payload = { key = … }`"
	}
	c.fail(WrongPayload, diag.Diagnostic{
		Message: fmt.Sprintf("%s has a payload of kind %v, got %s", to, to.kind, yields.reference()),
		At:      p.At,
		Help:    help,
	})
}

func describe(data any) string {
	switch data.(type) {
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "a boolean"
	case []any:
		return "an array, which is json"
	}
	return "a table, which is json"
}

// template makes the payload of an action out of a tree with references.
func (c context) template(a *plan.Action, p unit.Any, to target, node plan.Node, yields shape) bool {
	if !yields.fits(to.kind) {
		c.wrongReference(p, to, yields)
		return false
	}
	if to.keys != nil && yields == tree && node.State == "" && node.Var == "" {
		for _, key := range to.keys {
			if _, ok := node.Object[key]; !ok {
				c.incomplete(p, to, fmt.Errorf("the branch key %q is missing", key))
				return false
			}
		}
	}
	a.Template = &plan.Template{Kind: to.kind, Each: c.each(&node), Node: node}
	return true
}

// reference says what a reference yields, for messages.
func (s shape) reference() string {
	switch s {
	case text:
		return "a reference to a string"
	case scalar:
		return "a reference to a number or boolean"
	case octets:
		return "a reference to bytes"
	case nothing:
		return "a reference to a state without payload"
	case tree:
		return "json"
	case unknown:
	}
	return "a reference to a part of json"
}

// each returns the first state, keys sorted, that a template refers to and that
// may have several branches.
func (c context) each(n *plan.Node) plan.Name {
	var first plan.Name
	n.References(func(n *plan.Node) {
		if n.State == "" || first != "" {
			return
		}
		s, _ := c.Scope.Quiet().State(unit.String{Value: string(n.State)})
		if s != nil && (s.Branching() || s.Name == resolve.ActiveState) {
			first = s.Name
		}
	})
	return first
}

// builder turns a payload into the tree of a template.
type builder struct {
	context

	references int
}

// node returns the tree of a value and its shape. Parts without references stay
// as they are.
func (b *builder) node(v any, at source.Place, whole bool) (plan.Node, shape, bool) {
	switch v := v.(type) {
	case string:
		if r, ok := b.referenceIn(v, at, whole); ok {
			return b.read(r, whole)
		}
	case map[string]any:
		if text, ok := v["from"].(string); ok && len(v) == 1 {
			r, ok := b.from(text, at.At("from"))
			if !ok {
				return plan.Node{}, 0, false
			}
			return b.read(r, whole)
		}
		return b.object(v, at)
	case []any:
		return b.array(v, at)
	case []map[string]any: // how the decoder gives an array of tables
		items := make([]any, len(v))
		for i := range v {
			items[i] = v[i]
		}
		return b.array(items, at)
	}
	data, err := typing.Tree(v)
	if err != nil { // reported when the payload is converted
		data = nil
	}
	return plan.Node{Lit: data}, shapeOf(v), true
}

func (b *builder) read(r reference, whole bool) (plan.Node, shape, bool) {
	b.references++
	n, yields, ok := b.context.read(r)
	if ok && !whole && yields == nothing {
		b.fail(WrongPayload, diag.Diagnostic{
			Message: fmt.Sprintf("state %q has no payload to put into a table", n.State),
			At:      r.at,
			Help:    "remove the reference",
		})
		return n, yields, false
	}
	return n, yields, ok
}

func (b *builder) object(v map[string]any, at source.Place) (plan.Node, shape, bool) {
	before, sound := b.references, true
	n := plan.Node{Object: map[string]plan.Node{}}
	for _, key := range slices.Sorted(maps.Keys(v)) {
		item, _, ok := b.node(v[key], at.At(key), false)
		n.Object[key] = item
		sound = sound && ok
	}
	return b.literal(n, v, before), tree, sound
}

func (b *builder) array(v []any, at source.Place) (plan.Node, shape, bool) {
	before, sound := b.references, true
	var n plan.Node
	for i, value := range v {
		item, _, ok := b.node(value, at.Item(i), false)
		n.Array = append(n.Array, item)
		sound = sound && ok
	}
	return b.literal(n, v, before), tree, sound
}

// literal returns n, or the value that it is made of when nothing in it is a
// reference.
func (b *builder) literal(n plan.Node, v any, before int) plan.Node {
	if b.references > before {
		return n
	}
	data, err := typing.Tree(v)
	if err != nil { // reported when the payload is converted
		return plan.Node{}
	}
	return plan.Node{Lit: data}
}
