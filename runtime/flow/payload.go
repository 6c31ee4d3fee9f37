package flow

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// payloads returns the payloads that an action runs with, one after the other:
// the literal one, or what its template makes, for each branch of the state that
// it is for (SPEC §5).
func (e *Engine) payloads(d derived) ([]cond.Value, error) {
	t := d.action.Template
	switch {
	case t == nil && d.action.Payload == nil:
		return []cond.Value{cond.NoneValue()}, nil
	case t == nil:
		return []cond.Value{*d.action.Payload}, nil
	case t.Each == "":
		v, err := e.payload(&reading{engine: e, from: d, template: t})
		if err != nil {
			return nil, err
		}
		return []cond.Value{v}, nil
	}
	st := e.states[t.Each]
	if st == nil || len(st.branches) == 0 {
		return nil, fmt.Errorf("state %s has no branch to take the payload from", t.Each)
	}
	// Made before the first one is used: that may change the state.
	list := make([]cond.Value, 0, len(st.branches))
	var problems []error
	for i := range st.branches {
		v, err := e.payload(&reading{engine: e, from: d, template: t, branch: &st.branches[i]})
		if err != nil {
			problems = append(problems, err)
			continue
		}
		list = append(list, v)
	}
	return list, errors.Join(problems...)
}

// reading is a template that is being read for one branch of the state that it is
// for.
type reading struct {
	engine   *Engine
	from     derived
	template *plan.Template
	branch   *branch // nil: it is for no state
}

func (e *Engine) payload(r *reading) (cond.Value, error) {
	n := &r.template.Node
	switch r.template.Kind {
	case cond.String, cond.Bytes:
		text, err := r.text(n)
		if err != nil {
			return cond.Value{}, err
		}
		return cond.ParseValue(r.template.Kind, []byte(text))
	case cond.JSON:
		tree, err := r.tree(n)
		if err != nil {
			return cond.Value{}, err
		}
		return cond.JSONValue(tree)
	case cond.None:
	}
	return cond.Value{}, fmt.Errorf("a template cannot make a payload of kind %v", r.template.Kind)
}

// text returns a value as the whole of a payload that is text. Nothing, as the
// uid of a peer that nobody knows, is empty.
func (r *reading) text(n *plan.Node) (string, error) {
	switch {
	case n.Access == plan.AccessData && r.from.access != nil: // bytes stay what they are
		return string(r.from.access.Data), nil
	case n.State != "" && len(n.Path) == 0:
		v, err := r.state(n.State)
		return string(v.Raw()), err
	}
	tree, err := r.tree(n)
	if err != nil {
		return "", err
	}
	switch v := tree.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	}
	return cond.Canonical(tree)
}

// tree returns a value as a part of json.
func (r *reading) tree(n *plan.Node) (any, error) {
	switch {
	case n.State != "":
		v, err := r.state(n.State)
		if err != nil {
			return nil, err
		}
		return inside(n, v)
	case n.Var != "":
		v, ok := r.engine.variable(n.Var)
		if !ok {
			return nil, fmt.Errorf("variable %s has no value", n.Var)
		}
		return jsonOf(v, "variable "+n.Var)
	case n.Access != "":
		return r.fact(n.Access)
	case n.Object != nil:
		doc := make(map[string]any, len(n.Object))
		for key, item := range n.Object {
			value, err := r.tree(&item)
			if err != nil {
				return nil, err
			}
			doc[key] = value
		}
		return doc, nil
	case n.Array != nil:
		list := make([]any, len(n.Array))
		for i := range n.Array {
			var err error
			if list[i], err = r.tree(&n.Array[i]); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	return n.Lit, nil
}

// state returns the payload of a state: of the branch that the template is read
// for, or else of its first branch.
func (r *reading) state(name plan.Name) (cond.Value, error) {
	if r.branch != nil && name == r.template.Each {
		return r.branch.value, nil
	}
	st := r.engine.states[name]
	if st == nil || len(st.branches) == 0 {
		return cond.Value{}, fmt.Errorf("state %s is not set", name)
	}
	return st.branches[0].value, nil
}

// inside follows a path into the payload of a state.
func inside(n *plan.Node, v cond.Value) (any, error) {
	tree, err := jsonOf(v, "state "+string(n.State))
	for i, segment := range n.Path {
		if err != nil {
			break
		}
		found := false
		switch t := tree.(type) {
		case map[string]any:
			tree, found = t[segment]
		case []any:
			if at, bad := strconv.Atoi(segment); bad == nil && at >= 0 && at < len(t) {
				tree, found = t[at], true
			}
		}
		if !found {
			err = fmt.Errorf("there is nothing at %s in the payload of state %s", strings.Join(n.Path[:i+1], "/"), n.State)
		}
	}
	return tree, err
}

// jsonOf returns a payload as a part of json.
func jsonOf(v cond.Value, what string) (any, error) {
	switch v.Kind() {
	case cond.JSON:
		return v.Tree(), nil
	case cond.None:
		return nil, nil
	case cond.String, cond.Bytes:
	}
	return textOf(string(v.Raw()), what)
}

func textOf(text, what string) (any, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("%s is not text: only a payload of kind bytes can take it over", what)
	}
	return text, nil
}

// fact returns what is known of the access that ran the trigger.
func (r *reading) fact(name string) (any, error) {
	if r.from.socket == nil {
		return nil, fmt.Errorf("access:%s: no access runs this trigger", name)
	}
	known := Access{UID: -1, GID: -1, PID: -1}
	if r.from.access != nil {
		known = *r.from.access
	}
	switch name {
	case "socket":
		return string(r.from.socket.def.Name), nil
	case "local":
		return known.Local, nil
	case "remote":
		return known.Remote, nil
	case "uid":
		return number(known.UID), nil
	case "gid":
		return number(known.GID), nil
	case "pid":
		return number(known.PID), nil
	case plan.AccessData:
		return textOf(string(known.Data), "access:data")
	}
	return nil, fmt.Errorf("access:%s: nothing is known of an access by that name", name)
}

// number returns an id as a number of json, null if nobody knows it.
func number(id int) any {
	if id < 0 {
		return nil
	}
	return json.Number(strconv.Itoa(id))
}
