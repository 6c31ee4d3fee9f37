// Package check has the rules about units whose names and types are known. Each
// is one file with its code, its text and an example that breaks exactly it.
package check

import (
	"cmp"
	"slices"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/plugins/manifest"
)

// Rule is one thing that can be wrong with units.
type Rule struct {
	Code     diag.Code
	Severity diag.Severity
	Title    string // without the particulars
	Text     string // why it is wrong and what to do, for people
	Example  string // a unit file in which this is the only mistake
	Right    string // the same without it: nothing is reported
	Strict   bool   // only with [Options.Strict]

	// Run reports every violation of the rule in p.
	Run func(p *Pass)
}

// Options decide which rules there are.
type Options struct {
	// Strict also runs the rules that are not wrong everywhere, and reports as
	// warnings what are notes otherwise.
	Strict bool

	// Each calls do for 0 to n-1, in any order and at the same time if it likes,
	// and returns when all have returned. Nil: one after the other. What is found
	// does not depend on it.
	Each func(n int, do func(i int))
}

func inTurn(n int, do func(i int)) {
	for i := range n {
		do(i)
	}
}

var registered []Rule

// register makes a rule one of [Rules]: a file that does so is all that a rule needs.
func register(r Rule) Rule {
	registered = append(registered, r)
	return r
}

// Rules returns every rule, in the order in which they run: those that want to know
// whether there are errors behind those that find them, and what reports on the others
// at last.
func Rules() []Rule {
	rules := slices.Clone(registered)
	slices.SortFunc(rules, func(a, b Rule) int {
		return cmp.Or(cmp.Compare(a.order(), b.order()), cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Code, b.Code))
	})
	return rules
}

// order is 1 for the rule that takes longest, see [Check], and 2 for what follows it.
func (r *Rule) order() int {
	if r.Code == neverStarts.Code {
		return 1
	}
	if r.Code == notAnalysed.Code { // what the others were not sure of
		return 2
	}
	return 0
}

// Pass is one run of one rule. Report fills in the code and the severity of the
// rule, so that a rule cannot report in the name of another.
type Pass struct {
	*Program

	rule   *Rule
	strict bool
	ds     *diag.List
}

// Report adds a violation of the rule.
func (p *Pass) Report(d diag.Diagnostic) {
	d.Code, d.Severity = p.rule.Code, p.rule.Severity
	if p.strict && d.Severity == diag.Note {
		d.Severity = diag.Warning
	}
	p.ds.Add(d)
}

// Check types the units of a table, applies every rule to them, and reports what
// it finds to ds. If ds has no errors then, the Program is ready to be lowered.
func Check(table *resolve.Table, transports []*manifest.Manifest, opts Options, ds *diag.List) *Program {
	each := opts.Each
	if each == nil {
		each = inTurn
	}
	p := bind(table, transports, each, ds)
	run := func(rules []Rule) {
		for i := range rules {
			if !rules[i].Strict || opts.Strict {
				rules[i].Run(&Pass{Program: p, rule: &rules[i], strict: opts.Strict, ds: ds})
			}
		}
	}
	// Which units ever start takes longest to find out, and needs nothing of what the
	// rules before its own find: it is found out beside them.
	rules := Rules()
	first := slices.IndexFunc(rules, func(r Rule) bool { return r.Code == neverStarts.Code })
	wanted := ds.Errors() == 0 && !p.flow.switched
	each(2, func(i int) {
		switch {
		case i == 0:
			run(rules[:first])
		case wanted:
			p.flow.reached = p.reach()
		}
	})
	run(rules[first:])
	return p
}
