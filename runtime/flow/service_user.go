package flow

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// The state that says who has a session, and its field with the name of the user.
const (
	sessionState plan.Name = "rind@user_session"
	sessionField string    = "username"
)

// resolve returns a process of the plan's run list without its variable.
func (e *Engine) resolve(c *plan.Command) (plan.Command, error) {
	if c.Variable == "" {
		return *c, nil
	}
	v, ok := e.variable(c.Variable)
	if !ok {
		return plan.Command{}, fmt.Errorf("variable %s, which says what to run, has no value", c.Variable)
	}
	out, err := commandOf(v)
	if err != nil {
		return plan.Command{}, fmt.Errorf("variable %s, which says what to run: %w", c.Variable, err)
	}
	return out, nil
}

// commandOf reads a table with exec, args and env, as `run` has them.
func commandOf(v cond.Value) (plan.Command, error) {
	var c plan.Command
	table, ok := v.Tree().(map[string]any)
	if !ok {
		return c, errors.New("it is no table with exec, args and env")
	}
	for key, value := range sorted(table) {
		switch key {
		case "exec":
			c.Exec, ok = value.(string)
		case "args":
			c.Args, ok = texts(value)
		case "env":
			c.Env, ok = textTable(value)
		default:
			return c, fmt.Errorf("it has %q; there are exec, args and env", key)
		}
		if !ok {
			return c, fmt.Errorf("its %s is not what `run` has there: exec is a string, args a list of strings, env a table of strings", key)
		}
	}
	if c.Exec == "" {
		return c, errors.New("it has no exec")
	}
	return c, nil
}

// sorted yields a table in the order of its keys: of several faults it is always
// the same that is told.
func sorted(table map[string]any) func(yield func(string, any) bool) {
	return func(yield func(string, any) bool) {
		keys := make([]string, 0, len(table))
		for key := range table {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		for _, key := range keys {
			if !yield(key, table[key]) {
				return
			}
		}
	}
}

func texts(value any) ([]string, bool) {
	list, ok := value.([]any)
	if !ok {
		return nil, false
	}
	out := make([]string, len(list))
	for i, item := range list {
		if out[i], ok = item.(string); !ok {
			return nil, false
		}
	}
	return out, true
}

func textTable(value any) (map[string]string, bool) {
	table, ok := value.(map[string]any)
	if !ok {
		return nil, false
	}
	out := make(map[string]string, len(table))
	for key, item := range table {
		if out[key], ok = item.(string); !ok {
			return nil, false
		}
	}
	return out, true
}

// userOf returns the user that an instance belongs to now, "" if it does not
// belong to any.
func (e *Engine) userOf(in *instance) (string, error) {
	space := in.service.def.Space
	switch {
	case space == nil:
		return "", nil
	case space.User != "":
		return space.User, nil
	}
	state, field := cmp.Or(space.State, sessionState), cmp.Or(space.Field, sessionField)
	var users []string
	for b := range e.branchesFor(in, state) {
		doc, _ := b.value.Tree().(map[string]any)
		name, ok := doc[field].(string)
		if !ok || name == "" {
			return "", fmt.Errorf("it belongs to a user, but a branch of state %s has no text in the field %q", state, field)
		}
		if !slices.Contains(users, name) {
			users = append(users, name)
		}
	}
	switch len(users) {
	case 0:
		return "", fmt.Errorf("it belongs to a user, but state %s names nobody", state)
	case 1:
		return users[0], nil
	}
	slices.Sort(users)
	return "", fmt.Errorf("it belongs to one user, but state %s names several: %s", state, strings.Join(users, ", "))
}

// branchesFor yields the branches of a state that may say whom an instance
// belongs to: its own, those that have the same key as its own, or all.
func (e *Engine) branchesFor(in *instance, state plan.Name) func(yield func(*branch) bool) {
	return func(yield func(*branch) bool) {
		st := e.states[state]
		if st == nil {
			return
		}
		fits := e.fits(in, state)
		for i := range st.branches {
			if b := &st.branches[i]; fits(b) && !yield(b) {
				return
			}
		}
	}
}

func (e *Engine) fits(in *instance, state plan.Name) func(*branch) bool {
	svc := in.service
	own := func(b *branch) bool {
		name, ok := svc.branchName(b)
		return ok && name == in.name
	}
	branching, key := svc.def.Branching, svc.def.Space.BranchKey
	switch {
	case branching == nil:
		return func(*branch) bool { return true }
	case branching.State == state:
		return own
	case key == "" || e.states[branching.State] == nil:
		return func(*branch) bool { return true }
	}
	var wanted []string
	source := e.states[branching.State]
	for i := range source.branches {
		if b := &source.branches[i]; own(b) {
			if text, ok := field(b.value, key); ok {
				wanted = append(wanted, text)
			}
		}
	}
	return func(b *branch) bool {
		text, ok := field(b.value, key)
		return ok && slices.Contains(wanted, text)
	}
}
