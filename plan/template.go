package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/rind-sockets/rind/plan/cond"
)

// Template is a payload that is known only when its action runs. Values that a
// string needs become their text, json values their canonical text.
type Template struct {
	Kind cond.Kind `json:"kind"` // of the payload that it makes

	// Each is the state whose branches the action runs for, one after the other;
	// not at all if it has none. A reference to it means the branch in turn, a
	// reference to any other state its first branch.
	Each Name `json:"each,omitempty"`

	Node
}

// Node is a part of a template. Exactly one of its fields is set, Path aside;
// a literal is the only one that may be null.
type Node struct {
	Lit    any             `json:"lit,omitempty"` // JSON data without references
	State  Name            `json:"state,omitempty"`
	Path   []string        `json:"path,omitempty"` // into the json payload of State
	Var    string          `json:"var,omitempty"`
	Access string          `json:"access,omitempty"` // one of [Facts]
	Object map[string]Node `json:"object,omitempty"`
	Array  []Node          `json:"array,omitempty"`
}

// Fact is something that is known of an access, for the references "access:NAME".
type Fact struct {
	Name string
	Kind cond.Kind // JSON: a number
	Doc  string
}

// Facts lists what is known of an access. What the kernel does not know of a
// peer is empty, or null for a number.
var Facts = []Fact{
	{"socket", cond.String, "the address of the socket"},
	{"local", cond.String, "the endpoint that was accessed"},
	{"remote", cond.String, "the endpoint of the peer"},
	{"uid", cond.JSON, "the user of the peer"},
	{"gid", cond.JSON, "the group of the peer"},
	{"pid", cond.JSON, "the process of the peer"},
	{"data", cond.Bytes, "what was sent; only of a socket without owner"},
}

// AccessData is the fact that only the runtime's own reading of a socket finds.
const AccessData = "data"

// LookupFact returns the fact with that name.
func LookupFact(name string) (Fact, bool) {
	i := slices.IndexFunc(Facts, func(f Fact) bool { return f.Name == name })
	if i < 0 {
		return Fact{}, false
	}
	return Facts[i], true
}

// UnmarshalJSON implements [json.Unmarshaler]. It keeps the spelling of numbers.
func (t *Template) UnmarshalJSON(data []byte) error {
	var w struct {
		Kind cond.Kind
		Each Name
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*t = Template{Kind: w.Kind, Each: w.Each}
	return json.Unmarshal(data, &t.Node)
}

// UnmarshalJSON implements [json.Unmarshaler]. It keeps the spelling of numbers.
func (n *Node) UnmarshalJSON(data []byte) error {
	type plain Node // without this method
	var w struct {
		plain
		Lit json.RawMessage `json:"lit"`
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*n = Node(w.plain)
	if w.Lit == nil {
		return nil
	}
	v, err := cond.ParseJSON(w.Lit)
	n.Lit = v.Tree()
	return err
}

// References calls f for every node of n that refers to something, keys sorted.
func (n *Node) References(f func(*Node)) {
	if n.State != "" || n.Var != "" || n.Access != "" {
		f(n)
	}
	for _, key := range slices.Sorted(maps.Keys(n.Object)) {
		item := n.Object[key]
		item.References(f)
	}
	for i := range n.Array {
		n.Array[i].References(f)
	}
}

// template checks the payload template of an action.
func (v *validator) template(t *Template, want cond.Kind) error {
	if want == cond.None {
		return errors.New("a payload of kind none has no template")
	}
	if t.Kind != want {
		return fmt.Errorf("the template makes a payload of kind %v, want %v", t.Kind, want)
	}
	if t.Each != "" {
		if _, ok := v.index.State(t.Each); !ok {
			return fmt.Errorf("the template is for each branch of %q, which is no state of the plan", t.Each)
		}
	}
	return v.node(&t.Node)
}

func (v *validator) node(n *Node) error {
	set := 0
	for _, is := range []bool{n.Lit != nil, n.State != "", n.Var != "", n.Access != "", n.Object != nil, n.Array != nil} {
		if is {
			set++
		}
	}
	if set > 1 {
		return errors.New("a part of a template is one of lit, state, var, access, object, array")
	}
	if len(n.Path) > 0 && n.State == "" {
		return errors.New("a path of a template is one into a state")
	}
	if n.State != "" {
		s, ok := v.index.State(n.State)
		switch {
		case !ok:
			return fmt.Errorf("the template refers to %q, which is no state of the plan", n.State)
		case len(n.Path) > 0 && s.Payload != cond.JSON:
			return fmt.Errorf("the template has a path into state %s, whose payload is of kind %v", n.State, s.Payload)
		}
	}
	if n.Var != "" {
		if _, ok := v.index.Variable(n.Var); !ok {
			return fmt.Errorf("the template refers to %q, which is no variable of the plan", n.Var)
		}
	}
	if n.Access != "" {
		if _, ok := LookupFact(n.Access); !ok {
			return fmt.Errorf("the template refers to %q, which is nothing that is known of an access", n.Access)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(n.Object)) {
		item := n.Object[key]
		if err := v.node(&item); err != nil {
			return err
		}
	}
	for i := range n.Array {
		if err := v.node(&n.Array[i]); err != nil {
			return err
		}
	}
	return nil
}
