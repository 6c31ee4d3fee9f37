// Package words says in words what parts of a plan mean, for people who read
// its graph, its explanation or a difference of two plans.
package words

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// FirstFD is the descriptor of a service's first socket (sd_listen_fds(3)).
const FirstFD = 3

// verbs says what each operation does, to be followed by what it does it to.
var verbs = map[plan.Op]string{
	plan.OpScript:       "runs the script",
	plan.OpExec:         "runs",
	plan.OpSetState:     "sets state",
	plan.OpRemoveState:  "removes state",
	plan.OpEmit:         "emits signal",
	plan.OpStartService: "starts service",
	plan.OpStopService:  "stops service",
	plan.OpStartSocket:  "starts socket",
	plan.OpStopSocket:   "stops socket",
	plan.OpStartTimer:   "starts timer",
	plan.OpStopTimer:    "stops timer",
}

// Action returns what a does: `emits signal ops@halt with "now"`.
func Action(a *plan.Action) string {
	verb, ok := verbs[a.Do]
	if !ok {
		verb = string(a.Do)
	}
	parts := []string{verb}
	if a.Command != "" {
		parts = append(parts, Command(a.Command, a.Args))
	}
	if a.Target != "" {
		parts = append(parts, string(a.Target))
	}
	if p := Parameters(a); p != "" {
		parts = append(parts, p)
	}
	return strings.Join(parts, " ")
}

// Parameters returns what qualifies an action with a target: its payload, or
// which branches it removes.
func Parameters(a *plan.Action) string {
	switch {
	case a.Template != nil:
		return "with " + Template(a.Template)
	case a.Payload != nil && a.Payload.Kind() != cond.None:
		return "with " + Value(*a.Payload)
	case a.Filter != nil:
		return "where " + a.Filter.String()
	}
	return ""
}

// Command returns a command as a shell would read it. A script is one word.
func Command(name string, args []string) string {
	all := []string{Quote(name)}
	for _, a := range args {
		all = append(all, Quote(a))
	}
	return strings.Join(all, " ")
}

// Quote returns a word as a shell would read it: with quotes if it needs them.
func Quote(word string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_./:=@%+,-", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return strconv.Quote(word)
}

// Value returns a payload: a string in quotes, json as it is.
func Value(v cond.Value) string {
	switch v.Kind() {
	case cond.JSON:
		return v.Text()
	case cond.String:
		return strconv.Quote(v.Text())
	case cond.Bytes:
		return "the bytes " + strconv.Quote(string(v.Raw()))
	case cond.None:
	}
	return "nothing"
}

// Template returns a payload with its references: {"id":state net@link/name}.
func Template(t *plan.Template) string {
	text := node(&t.Node)
	if t.Each != "" {
		text += " for each branch of state " + string(t.Each)
	}
	return text
}

// Reference returns what a part of a template refers to.
func Reference(n *plan.Node) string {
	switch {
	case n.State != "":
		return strings.Join(append([]string{"state " + string(n.State)}, n.Path...), "/")
	case n.Var != "":
		return "var:" + n.Var
	}
	return "access:" + n.Access
}

func node(n *plan.Node) string {
	switch {
	case n.State != "" || n.Var != "" || n.Access != "":
		return Reference(n)
	case n.Object != nil:
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(n.Object)) {
			item := n.Object[key]
			parts = append(parts, strconv.Quote(key)+":"+node(&item))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case n.Array != nil:
		var parts []string
		for i := range n.Array {
			parts = append(parts, node(&n.Array[i]))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return JSON(n.Lit)
}

// JSON returns plain data as compact JSON.
func JSON(v any) string {
	text, err := cond.Canonical(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return text
}

// Duration returns a duration without units that are zero: "1h".
func Duration(d plan.Duration) string {
	text := d.String()
	if s, ok := strings.CutSuffix(text, "m0s"); ok {
		text = s + "m"
	}
	if s, ok := strings.CutSuffix(text, "h0m"); ok {
		text = s + "h"
	}
	return text
}

// Key returns the key of a unit file for a field of the plan: "start-on".
func Key(field string) string { return strings.ReplaceAll(field, "_", "-") }

// Clip returns the start of a text that is longer than most characters.
func Clip(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}
