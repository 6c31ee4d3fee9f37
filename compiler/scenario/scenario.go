// Package scenario runs scenarios: what happens to the units of a plan when
// states change, sockets are accessed, services exit and time passes. The engine
// is the one that runs in production; the world around it is simulated, and the
// same every time.
package scenario

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/grammar"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// Extension is what the name of a scenario file ends in.
const Extension = ".scenario"

// Codes of what is wrong with scenario files; `rindc explain` has their texts.
const (
	Invalid      = diag.InvalidScenario
	UnknownUnit  = diag.UnknownInScenario
	InvalidValue = diag.InvalidInScenario
)

// Scenario is one scenario of a file.
type Scenario struct {
	Title string
	File  *source.File
	Line  int

	given []step // what is so before the plan starts
	steps []step
}

// step is a statement whose names are resolved.
type step struct {
	grammar.Statement

	line  int
	name  plan.Name   // what it is about, or empty
	value *cond.Value // nil: none is given
	guard *cond.Guard
}

// String returns the statement as it is written, on one line.
func (s *Scenario) text(st step) string {
	return strings.Join(strings.Fields(string(s.File.Text[st.At.From:st.At.To])), " ")
}

// reader makes the scenarios of one file.
type reader struct {
	file  *source.File
	group string
	plan  *plan.Plan
	ds    *diag.List
}

// Read reads the scenarios of a file and reports what is wrong with it. A name
// without a group means a unit of the given group first, as it does in a unit
// file of that group.
func Read(f *source.File, group string, p *plan.Plan, ds *diag.List) []*Scenario {
	r := reader{file: f, group: group, plan: p, ds: ds}
	statements, bad := grammar.ParseScenario(string(f.Text))
	for _, b := range bad {
		r.report(Invalid, b.From, b.To, b.Help, b.Message)
	}
	var list []*Scenario
	titles, alone := map[string]int{}, false
	for _, s := range statements {
		line, _ := f.Position(s.At.From)
		if s.Verb == "scenario" {
			if first, twice := titles[s.Text]; twice {
				r.report(Invalid, s.At.From, s.At.To, "give it another title", fmt.Sprintf("the scenario of line %d has the same title", first))
			}
			titles[s.Text] = line
			list = append(list, &Scenario{Title: s.Text, File: f, Line: line})
			continue
		}
		if len(list) == 0 {
			if !alone && !brokenTitle(string(f.Text[:s.At.From])) {
				r.report(Invalid, s.At.From, s.At.To, "write `scenario \"TITLE\"` above it", "the statement is in no scenario")
			}
			alone = true
			continue
		}
		st := step{Statement: s, line: line}
		r.resolve(&st)
		list[len(list)-1].add(st, &r)
	}
	return list
}

// brokenTitle reports whether there is a line for a title in front of a statement, which
// is reported.
func brokenTitle(before string) bool {
	for line := range strings.Lines(before) {
		if strings.HasPrefix(strings.TrimSpace(line), "scenario") {
			return true
		}
	}
	return false
}

// add adds a step. What is given comes first.
func (s *Scenario) add(st step, r *reader) {
	switch {
	case st.Verb == "given state" && len(s.steps) > 0:
		r.report(Invalid, st.At.From, st.At.To, "move it to the top of the scenario, or write `set state`",
			"the plan has started: nothing can be given any more")
	case st.Verb == "given state", !st.acts() && !st.expects() && len(s.steps) == 0:
		s.given = append(s.given, st)
	default:
		s.steps = append(s.steps, st)
	}
}

// expects reports whether the step is an expectation.
func (st *step) expects() bool { return strings.HasPrefix(st.Verb, "expect ") }

// acts reports whether something happens by the step, other than that the world
// behaves differently from now on.
func (st *step) acts() bool {
	switch strings.Fields(st.Verb)[0] {
	case "socket", "service", "program", "given", "expect":
		return false
	}
	return true
}

func (r *reader) report(code diag.Code, from, to int, help, message string) {
	r.ds.Add(diag.Diagnostic{
		Code: code, Severity: diag.Error, Message: message, Help: help,
		Span: source.Span{File: r.file, Start: from, End: to},
	})
}

// kindOf returns the kind of unit that a statement is about, "" if none.
func (st *step) kindOf() string {
	for word := range strings.FieldsSeq(st.Verb) {
		switch word {
		case "socket", "service", "timer", "state", "signal":
			return word
		case "denied", "refused":
			return "socket"
		}
	}
	return ""
}

// resolve finds what the names of a step mean and checks its values.
func (r *reader) resolve(st *step) {
	if kind := st.kindOf(); kind != "" && st.Unit.Text != "" {
		st.name = r.find(kind, st.Unit)
		r.payload(kind, st)
	}
	if st.Guard != nil {
		st.guard = r.test(st)
	}
	if words := stateWords(st.Verb); words != nil && len(st.Words) == 1 {
		r.word(st.Words[0], words)
	}
}

// stateWords returns the words that a unit can be expected to be.
func stateWords(verb string) []string {
	switch verb {
	case "expect socket":
		return []string{"inactive", "starting", "listening", "held", "paused", "failed", "stopping"}
	case "expect service":
		return []string{"inactive", "waiting", "starting", "active", "stopping", "failed"}
	case "expect timer":
		return []string{"inactive", "running"}
	}
	return nil
}

func (r *reader) word(w grammar.Word, words []string) {
	if slices.Contains(words, w.Text) {
		return
	}
	help := "write one of " + strings.Join(words, ", ")
	if near, ok := diag.Nearest(w.Text, words); ok {
		help = fmt.Sprintf("did you mean `%s`?", near)
	}
	r.report(Invalid, w.At.From, w.At.To, help, fmt.Sprintf("no unit of that kind can be %q", w.Text))
}

// find returns the unit of a kind that a word names.
func (r *reader) find(kind string, w grammar.Word) plan.Name {
	names := namesOf(r.plan, kind)
	var found []plan.Name
	for _, n := range names {
		switch {
		case string(n) == w.Text || n == plan.MakeName(r.group, w.Text):
			return n
		case !strings.Contains(w.Text, "@") && n.Short() == w.Text:
			found = append(found, n)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	if len(found) > 1 {
		r.report(UnknownUnit, w.At.From, w.At.To, fmt.Sprintf("write the full address, such as %q", found[0]),
			fmt.Sprintf("%s %q is defined in several groups", kind, w.Text))
		return ""
	}
	words := make([]string, len(names))
	for i, n := range names {
		words[i] = string(n)
		if !strings.Contains(w.Text, "@") {
			words[i] = n.Short()
		}
	}
	help := "the plan has only what the unit files define and use"
	if near, ok := diag.Nearest(w.Text, words); ok {
		help = fmt.Sprintf("did you mean %q?", near)
	}
	r.report(UnknownUnit, w.At.From, w.At.To, help, fmt.Sprintf("no %s is named %q", kind, w.Text))
	return ""
}

func namesOf(p *plan.Plan, kind string) []plan.Name {
	var names []plan.Name
	switch kind {
	case "socket":
		for i := range p.Sockets {
			names = append(names, p.Sockets[i].Name)
		}
	case "service":
		for i := range p.Services {
			names = append(names, p.Services[i].Name)
		}
	case "timer":
		for i := range p.Timers {
			names = append(names, p.Timers[i].Name)
		}
	case "state":
		for i := range p.States {
			names = append(names, p.States[i].Name)
		}
	case "signal":
		for i := range p.Signals {
			names = append(names, p.Signals[i].Name)
		}
	}
	return names
}

// payload checks the value of a step about a state or signal. Only an
// expectation and a removal may do without the one that the kind wants.
func (r *reader) payload(kind string, st *step) {
	payload := r.kindOfPayload(kind, st.name)
	if payload == 0 {
		return
	}
	may := st.expects() || st.Verb == "remove state"
	if st.Value == nil {
		if payload != cond.None && !may {
			r.report(InvalidValue, st.At.From, st.At.To, fmt.Sprintf("write a value behind the name: the payload is of kind %v", payload),
				fmt.Sprintf("%s %q has no value here", kind, st.name))
			return
		}
		if payload == cond.None {
			none := cond.NoneValue()
			st.value = &none
		}
		return
	}
	v, err := valueOf(payload, st.Value.Tree)
	if err != nil {
		r.report(InvalidValue, st.Value.At.From, st.Value.At.To, fmt.Sprintf("the payload of %s %s is of kind %v", kind, st.name, payload), err.Error())
		return
	}
	st.value = &v
}

func (r *reader) kindOfPayload(kind string, name plan.Name) cond.Kind {
	switch kind {
	case "state":
		for i := range r.plan.States {
			if r.plan.States[i].Name == name {
				return r.plan.States[i].Payload
			}
		}
	case "signal":
		for i := range r.plan.Signals {
			if r.plan.Signals[i].Name == name {
				return r.plan.Signals[i].Payload
			}
		}
	}
	return 0
}

// valueOf makes a payload of a kind out of what is written.
func valueOf(kind cond.Kind, tree any) (cond.Value, error) {
	text, isText := tree.(string)
	switch kind {
	case cond.JSON:
		return cond.JSONValue(tree)
	case cond.String:
		if isText {
			return cond.StringValue(text), nil
		}
		return cond.Value{}, fmt.Errorf("a string has quotes around it")
	case cond.Bytes:
		if isText {
			return cond.BytesValue([]byte(text)), nil
		}
		return cond.Value{}, fmt.Errorf("bytes are written as a string")
	case cond.None:
	}
	return cond.Value{}, fmt.Errorf("a payload of kind none has no value")
}

// test makes the guard of a step. Its decoder checks it and compiles its
// patterns.
func (r *reader) test(st *step) *cond.Guard {
	data, err := json.Marshal(guardOf(st.Guard))
	var g cond.Guard
	if err == nil {
		err = json.Unmarshal(data, &g)
	}
	if err != nil {
		r.report(InvalidValue, st.At.From, st.At.To, "correct the test in brackets", err.Error())
		return nil
	}
	return &g
}

func guardOf(g *grammar.ConditionGuard) cond.Guard {
	var out cond.Guard
	for i := range g.And {
		out.And = append(out.And, guardOf(&g.And[i]))
	}
	for i := range g.Or {
		out.Or = append(out.Or, guardOf(&g.Or[i]))
	}
	if g.Not != nil {
		x := guardOf(g.Not)
		out.Not = &x
	}
	if g.Pred != nil {
		out.Pred = &g.Pred.Pred
	}
	return out
}

// nobody is the uid that no user has: that of a user who is known by name only.
const nobody = math.MaxUint32

// peer returns who accesses a socket: root unless the step says otherwise.
func (st *step) peer() plan.Peer {
	if st.As == nil {
		return plan.Peer{User: "root"}
	}
	who := plan.Peer{User: st.As.User.Text, UID: nobody}
	if who.User == "root" {
		who.UID = 0
	}
	if n, err := strconv.ParseUint(st.As.UID.Text, 10, 32); err == nil {
		who.UID = uint32(n)
	}
	for _, g := range st.As.Groups {
		who.Groups = append(who.Groups, g.Text)
	}
	return who
}

// wait returns how long a step lets time pass.
func (st *step) wait() time.Duration { return st.Time }
