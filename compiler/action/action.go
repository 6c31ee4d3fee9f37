// Package action has the actions of triggers. Each is one file with a row that
// says how it is written, checks what its keys mean together, and lowers itself
// to one of the few operations of the plan.
package action

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/typing"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
)

// Action is one action: the key that names it, and what it means.
type Action struct {
	Key  string   // the key that names it
	Also []string // the keys that it allows beside its own
	Doc  string   // what it does, for the manual

	// Example is a trigger object that uses it. Its references are to the
	// definitions of the examples: state "mode" (string), state "link" (json),
	// signal "note" (string), service "web", timer "idle", socket "http".
	Example string

	value func(unit.Trigger) unit.String // of Key
	lower func(context, unit.Trigger) (plan.Action, bool)
}

// Actions lists every action, in the order in which messages name them.
var Actions = []Action{script, exec, state, signal, service, timer, socket}

// extras lists the keys of a trigger object that name no action.
var extras = []struct {
	key string
	at  func(unit.Trigger) source.Place // zero: not written
}{
	{"args", func(t unit.Trigger) source.Place { return t.Args.At }},
	{"payload", func(t unit.Trigger) source.Place { return t.Payload.At }},
	{"stop", func(t unit.Trigger) source.Place { return t.Stop.At }},
	{"remove", func(t unit.Trigger) source.Place { return t.Remove.At }},
	{"branch", func(t unit.Trigger) source.Place { return t.Branch.At }},
}

// Where says what a list of triggers may read.
type Where struct {
	Access bool // it runs on an access
	Owned  bool // of a socket that has an owner
}

// context is where a trigger stands, and what its mistakes are reported to.
type context struct {
	typing.Typer

	where  Where
	broken bool // the trigger has mistakes that are reported already
}

func (c context) fail(code diag.Code, d diag.Diagnostic) {
	d.Code, d.Severity = code, diag.Error
	c.Report(d)
}

// reportKnown reports the diagnostic of a failed lookup, if there is one.
func (c context) reportKnown(d *diag.Diagnostic) {
	if d != nil {
		c.Report(*d)
	}
}

// Lower returns the actions of a trigger list that are sound, and reports the
// mistakes of the others through t. The list does not run on an access.
func Lower(t typing.Typer, list unit.Triggers) []plan.Action { return LowerIn(t, list, Where{}) }

// LowerIn is [Lower] for a list that stands somewhere special.
func LowerIn(t typing.Typer, list unit.Triggers, where Where) []plan.Action {
	var out []plan.Action
	for _, item := range list.Items {
		if a, ok := (context{t, where, item.Broken}).lower(item); ok {
			out = append(out, a)
		}
	}
	return out
}

func (c context) lower(t unit.Trigger) (plan.Action, bool) {
	var named []Action
	for _, a := range Actions {
		if a.value(t).Set() {
			named = append(named, a)
		}
	}
	switch len(named) {
	case 0:
		if !c.broken {
			c.fail(NoAction, diag.Diagnostic{
				Message: "a trigger needs an action",
				At:      t.At,
				Help:    "add one of " + quote(keys(Actions), ", "),
			})
		}
		return plan.Action{}, false
	case 1:
	default:
		c.several(t, named)
		return plan.Action{}, false
	}
	a := named[0]
	sound := c.allowed(a, t)
	lowered, ok := a.lower(c, t)
	return lowered, ok && sound
}

func (c context) several(t unit.Trigger, named []Action) {
	d := diag.Diagnostic{
		Message: fmt.Sprintf("a trigger performs one action, not %s", quote(keys(named), " and ")),
		At:      named[1].value(t).At.OfKey(),
		Help:    "write one trigger for each action; a list runs in order",
	}
	for i, a := range named {
		if i != 1 {
			d.Labels = append(d.Labels, diag.Label{At: a.value(t).At.OfKey(), Message: "an action"})
		}
	}
	c.fail(SeveralActions, d)
}

// allowed reports keys that do not go with a.
func (c context) allowed(a Action, t unit.Trigger) bool {
	sound := true
	for _, x := range extras {
		at := x.at(t)
		if at.IsZero() || slices.Contains(a.Also, x.key) {
			continue
		}
		sound = false
		c.fail(WrongKey, diag.Diagnostic{
			Message: fmt.Sprintf("`%s` does not go with `%s`", x.key, a.Key),
			At:      at.OfKey(),
			Help:    fmt.Sprintf("remove it: `%s` goes with %s", x.key, quote(with(x.key), ", ")),
		})
	}
	return sound
}

// with returns the keys of the actions that allow key.
func with(key string) []string {
	var out []string
	for _, a := range Actions {
		if slices.Contains(a.Also, key) {
			out = append(out, a.Key)
		}
	}
	return out
}

func keys(list []Action) []string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.Key
	}
	return out
}

// quote joins keys for a message.
func quote(list []string, separator string) string {
	return "`" + strings.Join(list, "`"+separator+"`") + "`"
}
