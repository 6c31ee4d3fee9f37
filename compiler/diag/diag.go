// Package diag has the diagnostics of the compiler: what is wrong, where, and
// what to do. Rendering them is the business of compiler/diag/render.
package diag

import "github.com/rind-sockets/rind/compiler/source"

// Severity says whether a diagnostic stops compilation. The smaller is the more
// severe.
type Severity uint8

// Severities. The zero Severity is invalid, so a forgotten field is caught by
// the renderer instead of being shown as an error.
const (
	_       Severity = iota
	Error            // there is no plan
	Warning          // there is one, which is probably not what was meant
	Note             // worth knowing; `--deny warnings` does not mean it
)

func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	case Note:
		return "note"
	}
	return "invalid severity"
}

// Code identifies a kind of diagnostic for ever: S syntax, K keys and values,
// N names, T types, A addresses and endpoints, F flow, P permissions, X limits
// and input.
type Code string

// Label is a further place of a diagnostic and what it has to do with it.
type Label struct {
	At      source.Place
	Span    source.Span // used when At is zero
	Message string
}

// Diagnostic is one finding.
type Diagnostic struct {
	Code     Code
	Severity Severity
	Message  string       // one line, lower case, no period
	At       source.Place // resolved to a span when shown
	Span     source.Span  // used when At is zero: syntax errors, files
	Help     string       // what to do; always set for errors
	Labels   []Label      // further places
	Fix      *Fix         // what a program can do; nil when that needs a person
}

// Fix replaces the text at the place of a diagnostic. Old is what must be there:
// exactly, or as the content of a simple string or quoted key, whose quotes stay.
// Something else is left alone, so a fix never has to know how a value is
// written.
type Fix struct{ Old, New string }

// Suppressed is a finding that a comment in its file hides.
type Suppressed struct {
	Diagnostic

	Reason string // as the comment gives it
}
