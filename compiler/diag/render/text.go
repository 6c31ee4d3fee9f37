// Package render writes diagnostics for people and programs, one format per
// file.
package render

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

// TextOptions configure [Text]. The zero TextOptions are fit for a file.
type TextOptions struct {
	Color bool // ANSI colours, for a terminal
}

// Text writes ds for people, in the order given, and a summary at the end:
//
//	web.toml:3:10: error: unknown socket type `tpc` [A4001]
//	3 | type = "tpc"
//	  |        ^^^^^
//	help: did you mean `tcp`?
//
// Nothing of the files reaches w that could change how a terminal behaves. A
// diagnostic without a severity is a mistake of the rule that made it: it is
// shown as such, and an error is returned.
func Text(w io.Writer, ds []diag.Diagnostic, locate func(source.Place) source.Span, o TextOptions) error {
	t := text{w: bufio.NewWriter(w), locate: locate, color: o.Color}
	var bad []error
	errorCount, warnings := 0, 0
	for _, d := range ds {
		switch d.Severity {
		case diag.Error:
			errorCount++
		case diag.Warning:
			warnings++
		default:
			bad = append(bad, fmt.Errorf("diagnostic %q has no severity: %s", d.Code, d.Message))
		}
		t.diagnostic(d)
	}
	if len(ds) > 0 {
		t.line(bold, summary(errorCount, warnings))
	}
	return errors.Join(append(bad, t.w.Flush())...)
}

func summary(errorCount, warnings int) string {
	var parts []string
	if errorCount > 0 {
		parts = append(parts, count(errorCount, "error"))
	}
	if warnings > 0 {
		parts = append(parts, count(warnings, "warning"))
	}
	return strings.Join(parts, ", ")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// style is an ANSI sequence (ECMA-48, "select graphic rendition").
type style string

const (
	plain  style = ""
	bold   style = "\x1b[1m"
	red    style = "\x1b[1;31m"
	yellow style = "\x1b[1;33m"
	blue   style = "\x1b[1;34m"
	green  style = "\x1b[1;32m"
	reset        = "\x1b[0m"
)

// text writes through a buffer that keeps the first error until Flush.
type text struct {
	w      *bufio.Writer
	locate func(source.Place) source.Span
	color  bool
}

func (t *text) write(s style, str string) {
	if t.color && s != plain && str != "" {
		str = string(s) + str + reset
	}
	t.w.WriteString(str) //nolint:errcheck // Flush returns it
}

func (t *text) line(s style, str string) {
	t.write(s, str)
	t.write(plain, "\n")
}

func (t *text) diagnostic(d diag.Diagnostic) {
	mark := red
	if d.Severity == diag.Warning {
		mark = yellow
	}
	at := d.Where(t.locate)
	t.place(at)
	t.write(mark, d.Severity.String()+": ")
	t.line(bold, fmt.Sprintf("%s [%s]", visible(d.Message), visible(string(d.Code))))
	t.snippet(at, mark)
	if d.Help != "" {
		t.write(green, "help: ")
		t.line(plain, visible(d.Help))
	}
	for _, l := range d.Labels {
		at := l.Where(t.locate)
		t.place(at)
		t.write(blue, "note: ")
		t.line(plain, visible(l.Message))
		t.snippet(at, blue)
	}
	t.line(plain, "")
}

// place writes "file:line:col: ", or nothing for a span without a file.
func (t *text) place(at source.Span) {
	if at.IsZero() {
		return
	}
	line, col := at.File.Position(at.Start)
	t.write(bold, fmt.Sprintf("%s:%d:%d: ", visible(at.File.Name), line, col))
}

// snippet writes the line of a span and marks the span below it; of a span over
// several lines, the first.
func (t *text) snippet(at source.Span, mark style) {
	if at.IsZero() {
		return
	}
	n, _ := at.File.Position(at.Start)
	start := at.File.LineStart(n)
	l := layOut(at.File.Line(n), at.Start-start, at.End-start)
	number := fmt.Sprint(n)
	t.write(blue, number+" | ")
	t.line(plain, l.text)
	t.write(blue, strings.Repeat(" ", len(number))+" | ")
	t.write(plain, strings.Repeat(" ", l.indent))
	t.line(mark, strings.Repeat("^", l.width))
}
