package sat

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/plan/cond"
)

// Branch is one branch of a state.
type Branch struct {
	Value cond.Value
	Keys  map[string]any // nil for a state without branches
}

// state is a state of a world; without branches it is not set.
type state struct {
	name     string
	branches []Branch
}

// World is what a formula can be asked about: states, and at most one signal
// that is being delivered. It implements [cond.Facts].
type World struct {
	states  []state // that the formula mentions
	signal  string
	payload cond.Value
}

// Branches implements [cond.Facts].
func (w World) Branches(name string, yield func(cond.Value, map[string]any) bool) {
	i := slices.IndexFunc(w.states, func(s state) bool { return s.name == name })
	if i < 0 {
		return
	}
	for _, b := range w.states[i].branches {
		if !yield(b.Value, b.Keys) {
			return
		}
	}
}

// Signal implements [cond.Facts].
func (w World) Signal(name string) (cond.Value, bool) {
	return w.payload, w.signal != "" && w.signal == name
}

// mentioned is how many states a description names.
const mentioned = 8

// String describes the world in words: what is set, then what is not, then the
// signal. Of a world in which nothing matters it is "".
func (w World) String() string {
	var there, absent []string
	states := slices.Clone(w.states)
	slices.SortFunc(states, func(a, b state) int { return strings.Compare(a.name, b.name) })
	for _, s := range states {
		if len(s.branches) > 0 {
			there = append(there, fmt.Sprintf("state %q %s", s.name, describe(s.branches)))
		} else {
			absent = append(absent, fmt.Sprintf("state %q is not set", s.name))
		}
	}
	parts := slices.Concat(there, absent)
	if n := len(parts) - mentioned; n > 0 {
		parts = append(parts[:mentioned], fmt.Sprintf("%d more are not set or as they have to be", n))
	}
	if w.signal != "" {
		text := fmt.Sprintf("signal %q arrives", w.signal)
		if w.payload.Kind() != cond.None {
			text += " with " + Quote(w.payload)
		}
		parts = append(parts, text)
	}
	switch n := len(parts); n {
	case 0:
		return ""
	case 1:
		return parts[0]
	default:
		return strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
}

func describe(branches []Branch) string {
	if branches[0].Value.Kind() == cond.None {
		return "is set"
	}
	verb := "is "
	if len(branches) > 1 || branches[0].Keys != nil {
		verb = "has "
	}
	texts := make([]string, len(branches))
	for i, b := range branches {
		texts[i] = Quote(b.Value)
	}
	return verb + strings.Join(texts, " and ")
}

// longest is how much of a payload a description shows, in characters.
const longest = 80

// Quote shows a payload as it is written in a unit file, if it is not too long.
func Quote(v cond.Value) string {
	text := []rune(v.Text())
	if len(text) > longest {
		text = append(text[:longest], '…')
	}
	if v.Kind() == cond.JSON {
		return string(text)
	}
	return fmt.Sprintf("%q", string(text))
}
