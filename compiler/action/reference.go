package action

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/grammar"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// reference is a value of a payload that is read when the trigger runs, as
// written (SPEC §5).
type reference struct {
	kind string // "state", "var" or "access"
	name string
	path []string

	at     source.Place // of the whole string
	nameAt [2]int       // the bytes of it that are the name
}

func (r reference) namePlace() source.Place { return r.at.Within(r.nameAt[0], r.nameAt[1]) }

const referenceForm = "write `state:group@name/path`, `var:name` or `access:uid`"

// referenceIn returns the reference that a string is, if it is one: everything
// else is literal, an e-mail address included. whole says that the string is the
// payload, and not part of a table or array.
func (c context) referenceIn(s string, at source.Place, whole bool) (reference, bool) {
	for _, kind := range []string{"var", "access"} {
		if name, ok := strings.CutPrefix(s, kind+":"); ok && grammar.CheckName(name) == nil && (kind != "access" || nearFact(name)) {
			return reference{kind: kind, name: name, at: at, nameAt: [2]int{len(kind) + 1, len(s)}}, true
		}
	}
	if whole {
		return c.oldReference(s, at)
	}
	if !strings.HasPrefix(s, "state:") {
		return reference{}, false
	}
	r, ok := stateReference(s, at)
	if !ok || !strings.Contains(r.name, "@") && !c.defined(r.name) {
		return reference{}, false
	}
	return r, true
}

// nearFact reports whether a name is that of a fact, or one written wrongly: other texts,
// such as access:denied, are no references.
func nearFact(name string) bool {
	names := make([]string, len(plan.Facts))
	for i, f := range plan.Facts {
		if f.Name == name {
			return true
		}
		names[i] = f.Name
	}
	_, near := diag.Nearest(name, names)
	return near
}

// oldReference reads group@state@path, which is a reference only where group@state
// is a defined state.
func (c context) oldReference(s string, at source.Place) (reference, bool) {
	last := strings.LastIndexByte(s, '@')
	if last <= 0 || !strings.Contains(s[:last], "@") || !c.defined(s[:last]) {
		return reference{}, false
	}
	r := reference{kind: "state", name: s[:last], at: at, nameAt: [2]int{0, last}}
	if s[last+1:] != "" {
		r.path = strings.Split(s[last+1:], "/")
	}
	return r, true
}

// stateReference reads state:group@name/path or state:name/path. A group has
// slashes too, so that the path starts at the first one behind the "@".
func stateReference(s string, at source.Place) (reference, bool) {
	const prefix = len("state:")
	from := prefix + strings.IndexByte(s[prefix:], '@') + 1 // prefix without a group
	name, path, found := strings.Cut(s[from:], "/")
	end := from + len(name)
	r := reference{kind: "state", name: s[prefix:end], at: at, nameAt: [2]int{prefix, end}}
	if found {
		r.path = strings.Split(path, "/")
	}
	_, bad := grammar.ParseAddress(r.name)
	return r, bad == nil
}

func (c context) defined(state string) bool {
	s, _ := c.Scope.Quiet().State(unit.String{Value: state})
	return s != nil
}

// from reads the text of { from = "…" }, which has to be a reference.
func (c context) from(s string, at source.Place) (reference, bool) {
	if r, ok := c.referenceIn(s, at, false); ok {
		return r, true
	}
	if strings.HasPrefix(s, "state:") {
		r, ok := stateReference(s, at)
		if ok {
			return r, true
		}
		c.fail(InvalidReference, diag.Diagnostic{
			Message: fmt.Sprintf("%q is no name of a state", r.name),
			At:      at,
			Help:    referenceForm,
		})
		return reference{}, false
	}
	c.fail(InvalidReference, noReference(s, at, c.defined))
	return reference{}, false
}

// noReference says that s, the text of from, is none: it may lack what kind of
// reference it is, or have that misspelt.
func noReference(s string, at source.Place, isState func(string) bool) diag.Diagnostic {
	d := diag.Diagnostic{
		Message: fmt.Sprintf("`from` must be a reference, got %q", clip(s)),
		At:      at,
		Help:    referenceForm,
	}
	if kind, _, ok := strings.Cut(s, ":"); ok {
		if near, found := diag.Nearest(kind, []string{"state", "var", "access"}); found {
			d.At = at.Within(0, len(kind))
			d.Help = fmt.Sprintf("did you mean `%s:`?", near)
			d.Fix = diag.Misspelt(kind, near)
		}
		return d
	}
	if r, ok := stateReference("state:"+s, at); ok && isState(r.name) {
		d.Help = fmt.Sprintf("write `state:%s`", s)
		d.Fix = &diag.Fix{Old: s, New: "state:" + s}
	}
	return d
}

func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// shape is what is known of a value before the trigger runs.
type shape uint8

const (
	_      shape = iota
	text         // a string
	scalar       // a number or boolean
	tree         // a table or array
	octets
	nothing // the payload of a state of kind none
	unknown // whatever is behind a path, or in a json state
)

// read returns the node of a reference and what it yields, after checking that
// there is such a thing here.
func (c context) read(r reference) (plan.Node, shape, bool) {
	switch r.kind {
	case "var":
		v, bad := c.Names().Variable(unit.String{Value: r.name, At: r.namePlace()})
		c.reportKnown(bad)
		if v == nil {
			return plan.Node{}, 0, false
		}
		return plan.Node{Var: v.Name}, shapeOf(v.Unit.Default.Value), true
	case "access":
		return c.readAccess(r)
	}
	s, bad := c.Names().State(unit.String{Value: r.name, At: r.namePlace()})
	c.reportKnown(bad)
	if s == nil || !c.readable(r, s) {
		return plan.Node{}, 0, false
	}
	n := plan.Node{State: s.Name, Path: r.path}
	switch s.Payload {
	case cond.String:
		return n, text, true
	case cond.Bytes:
		return n, octets, true
	case cond.None:
		return n, nothing, true
	case cond.JSON:
	}
	if r.path == nil {
		return n, tree, true // a json state is a table
	}
	return n, unknown, true
}

// readable checks the path of a reference to a state. A state without a kind is
// reported at its definition.
func (c context) readable(r reference, s *resolve.State) bool {
	switch {
	case s.Payload == 0:
		return false
	case len(r.path) > 0 && s.Payload != cond.JSON:
		c.fail(PathOfNonJSON, diag.Diagnostic{
			Message: fmt.Sprintf("a path leads into a json payload, but state %q has one of kind %v", s.Name, s.Payload),
			At:      r.at,
			Help:    fmt.Sprintf("write `{ from = \"state:%s\" }` for all of it", s.Name),
		})
		return false
	case slices.Contains(r.path, ""):
		c.fail(InvalidReference, diag.Diagnostic{
			Message: "a part of the path is empty",
			At:      r.at,
			Help:    "write the keys that lead to the value, with one `/` between them",
		})
		return false
	}
	return true
}

func (c context) readAccess(r reference) (plan.Node, shape, bool) {
	fact, ok := plan.LookupFact(r.name)
	d := diag.Diagnostic{At: r.at}
	switch {
	case !ok:
		names := make([]string, len(plan.Facts))
		for i, f := range plan.Facts {
			names[i] = f.Name
		}
		d.Message = fmt.Sprintf("nothing is known of an access by the name %q", r.name)
		d.Help = "write one of " + quote(names, ", ")
		if near, found := diag.Nearest(r.name, names); found {
			d.At = r.namePlace()
			d.Help = fmt.Sprintf("did you mean `access:%s`?", near)
			d.Fix = diag.Misspelt(r.name, near)
		}
		c.fail(InvalidReference, d)
		return plan.Node{}, 0, false
	case !c.where.Access:
		d.Message = fmt.Sprintf("`access:%s` has no access to read here", r.name)
		d.Help = "use it in the `trigger` list of a socket"
		c.fail(NoAccess, d)
		return plan.Node{}, 0, false
	case r.name == plan.AccessData && c.where.Owned:
		d.Message = "`access:data` is of sockets without owner: here the owner reads what is sent"
		d.Help = "remove `owner` from the socket, or the reference from the payload"
		c.fail(DataOfOwned, d)
		return plan.Node{}, 0, false
	}
	n := plan.Node{Access: fact.Name}
	switch fact.Kind {
	case cond.JSON:
		return n, scalar, true
	case cond.Bytes:
		return n, octets, true
	case cond.String, cond.None:
	}
	return n, text, true
}

// shapeOf returns the shape of a TOML value; an absent one is text.
func shapeOf(v any) shape {
	switch v.(type) {
	case nil, string:
		return text
	case []any, []map[string]any, map[string]any:
		return tree
	}
	return scalar
}
