// Package policy decides which findings count: those that comments in the files
// suppress do not, and the command line may hide some and raise others to errors.
package policy

import (
	"slices"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

// Policy is what the command line says. The zero Policy leaves everything as the
// rules have it.
type Policy struct {
	Allow        []diag.Code // are not reported; only those that may be ignored
	Deny         []diag.Code // are errors
	DenyWarnings bool        // all warnings are errors
}

// Context is what a policy needs to know besides the findings.
type Context struct {
	Files  []*source.File
	Find   Finder
	Lookup func(diag.Code) (diag.Info, bool) // what is known about a code

	Partial bool // there are files that could not be read
	Strict  bool // findings of codes that need it have been looked for
}

// Finder finds the places of diagnostics.
type Finder interface {
	// Locate returns the span of a place.
	Locate(p source.Place) source.Span
}

// Apply returns the findings that are reported, with the severity that they
// have, and those that comments in the files suppress. It adds what is wrong
// with these comments. One that suppresses nothing is only reported when there
// is no other reason that its finding is missing: errors, unread files, a check
// that is not strict, too many findings.
func (p Policy) Apply(found *diag.List, c Context) (*diag.List, []diag.Suppressed) {
	s := suppressor{find: c.Find, lookup: c.Lookup, byKey: map[key]*directive{}}
	kept := &diag.List{}
	for _, f := range c.Files {
		s.read(f, kept)
	}
	var suppressed []diag.Suppressed
	for _, d := range found.All() {
		if by := s.directive(d); by != nil {
			suppressed = append(suppressed, diag.Suppressed{Diagnostic: d, Reason: by.reason})
			continue
		}
		p.add(d, kept, c)
	}
	complete := kept.Errors() == 0 && !c.Partial
	found.Omitted(func(code diag.Code, severity diag.Severity, n int) {
		complete = false
		if d := (diag.Diagnostic{Code: code, Severity: severity}); !p.allows(d, c) {
			kept.Omit(code, p.raise(d).Severity, n)
		}
	})
	if complete {
		for _, d := range s.unused(c.Strict) {
			p.add(d, kept, c)
		}
	}
	kept.Close()
	return kept, suppressed
}

// add adds a finding unless the command line hides it.
func (p Policy) add(d diag.Diagnostic, kept *diag.List, c Context) {
	if !p.allows(d, c) {
		kept.Add(p.raise(d))
	}
}

// allows reports whether the command line hides a finding.
func (p Policy) allows(d diag.Diagnostic, c Context) bool {
	if !slices.Contains(p.Allow, d.Code) {
		return false
	}
	info, ok := c.Lookup(d.Code)
	return ok && info.Ignorable()
}

// raise makes a finding an error if the command line says so.
func (p Policy) raise(d diag.Diagnostic) diag.Diagnostic {
	if p.DenyWarnings && d.Severity == diag.Warning || slices.Contains(p.Deny, d.Code) {
		d.Severity = diag.Error
	}
	return d
}
