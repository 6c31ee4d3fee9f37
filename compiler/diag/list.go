package diag

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A file of a few megabytes can have a million mistakes, and nobody reads more
// than the first: these bounds keep time and memory in proportion to the files.
const (
	maxErrors   = 1000   // of one code, that a List keeps
	maxWarnings = 10_000 // the same, of warnings and notes: a baseline may want them all
	maxLabels   = 20     // of one diagnostic
)

// List collects diagnostics in the order they were found, and only counts those
// of a code of which it has enough. The zero List is empty and ready to use.
type List struct {
	all    []Diagnostic
	errors int // with those that are only counted

	kept    map[kind]int
	omitted map[kind]int
}

// kind is what is counted apart: the command line may raise some diagnostics of
// a code.
type kind struct {
	code     Code
	severity Severity
}

// Add appends d, or counts it.
func (l *List) Add(d Diagnostic) {
	if l.Full(d.Code, d.Severity) {
		l.Omit(d.Code, d.Severity, 1)
		return
	}
	if d.Severity == Error {
		l.errors++
	}
	if l.kept == nil {
		l.kept = map[kind]int{}
	}
	l.kept[kind{d.Code, d.Severity}]++
	if len(d.Labels) > maxLabels {
		d.Labels = slices.Clone(d.Labels[:maxLabels])
	}
	l.all = append(l.all, d)
}

// Full reports whether diagnostics of a code are only counted from now on, so
// that nobody needs to make them: Omit does.
func (l *List) Full(code Code, severity Severity) bool {
	most := maxWarnings
	if severity == Error {
		most = maxErrors
	}
	return l.kept[kind{code, severity}] >= most
}

// Omit counts n diagnostics that are not kept.
func (l *List) Omit(code Code, severity Severity, n int) {
	if severity == Error {
		l.errors += n
	}
	if l.omitted == nil {
		l.omitted = map[kind]int{}
	}
	l.omitted[kind{code, severity}] += n
}

// Append adds everything that other holds or has counted.
func (l *List) Append(other *List) {
	for _, d := range other.all {
		l.Add(d)
	}
	for k, n := range other.omitted {
		l.Omit(k.code, k.severity, n)
	}
}

// All returns the diagnostics in the order they were found.
func (l *List) All() []Diagnostic { return l.all }

// Errors returns how many of the diagnostics are errors, kept or not.
func (l *List) Errors() int { return l.errors }

// Omitted calls f for everything that was only counted, by code.
func (l *List) Omitted(f func(code Code, severity Severity, n int)) {
	for _, k := range slices.SortedFunc(maps.Keys(l.omitted), func(a, b kind) int {
		return cmp.Or(cmp.Compare(a.severity, b.severity), cmp.Compare(a.code, b.code))
	}) {
		f(k.code, k.severity, l.omitted[k])
	}
}

// Close ends the list with a diagnostic that says what was only counted, if
// anything was.
func (l *List) Close() {
	var parts []string
	worst, n := Note, 0
	l.Omitted(func(code Code, severity Severity, more int) {
		parts = append(parts, fmt.Sprintf("%d of %s", more, code))
		worst, n = min(worst, severity), n+more
	})
	if n == 0 {
		return
	}
	l.Add(Diagnostic{
		Code:     TooManyFindings,
		Severity: worst,
		Message:  fmt.Sprintf("%d more findings are not reported: %s", n, strings.Join(parts, ", ")),
		Help:     fmt.Sprintf("correct the others first: at most %d errors and %d other findings of a code are reported", maxErrors, maxWarnings),
	})
}
