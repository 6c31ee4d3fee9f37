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

var textFormat = Format{
	Name:   "text",
	About:  "for people, with source lines",
	People: true,
	Write: func(w io.Writer, r Report) error {
		return Text(w, r.Diags, r.Locate, r.Text)
	},
}

// TextOptions configure [Text]. The zero TextOptions are fit for a file.
type TextOptions struct {
	Color bool // ANSI colours, for a terminal

	// Limit is how many diagnostics are shown; of more, the least severe are
	// left out first. 0 means all.
	Limit int

	// Hint is what the summary says about diagnostics that have a fix, with one
	// %d for their number. Without it nothing is said.
	Hint string
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
	t := newText(w, locate, o.Color)
	shown := limit(ds, o.Limit)
	var bad []error
	for _, d := range shown {
		if d.Severity < diag.Error || d.Severity > diag.Note {
			bad = append(bad, fmt.Errorf("diagnostic %q has no severity: %s", d.Code, d.Message))
		}
		t.diagnostic(d)
	}
	if len(ds) > 0 {
		summary := tally(ds).String()
		if more := len(ds) - len(shown); more > 0 {
			summary += fmt.Sprintf("; %d more are not shown", more)
		}
		if n := fixable(ds, locate); n > 0 && o.Hint != "" {
			summary += "; " + fmt.Sprintf(o.Hint, n)
		}
		t.line(bold, summary)
	}
	return errors.Join(append(bad, t.w.Flush())...)
}

// limit returns the n most severe of ds, or all if n is 0, in their order.
func limit(ds []diag.Diagnostic, n int) []diag.Diagnostic {
	if n <= 0 || len(ds) <= n {
		return ds
	}
	room := n
	taken := make([]bool, len(ds))
	for s := diag.Severity(0); s <= diag.Note; s++ {
		for i, d := range ds {
			if d.Severity == s && room > 0 {
				taken[i] = true
				room--
			}
		}
	}
	shown := make([]diag.Diagnostic, 0, n)
	for i, d := range ds {
		if taken[i] {
			shown = append(shown, d)
		}
	}
	return shown
}

func fixable(ds []diag.Diagnostic, locate func(source.Place) source.Span) int {
	n := 0
	for _, d := range ds {
		if d.Fix == nil {
			continue // it need not be located
		}
		if _, ok := d.Edit(locate); ok {
			n++
		}
	}
	return n
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

func newText(w io.Writer, locate func(source.Place) source.Span, color bool) *text {
	return &text{w: bufio.NewWriter(w), locate: locate, color: color}
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
	switch d.Severity {
	case diag.Warning:
		mark = yellow
	case diag.Note:
		mark = blue
	case diag.Error:
	}
	at := d.Where(t.locate)
	t.write(bold, place(at))
	t.write(mark, d.Severity.String()+": ")
	t.line(bold, fmt.Sprintf("%s [%s]", Visible(d.Message), Visible(string(d.Code))))
	t.snippet(at, mark)
	if d.Help != "" {
		t.write(green, "help: ")
		t.line(plain, Visible(d.Help))
	}
	for _, l := range d.Labels {
		at := l.Where(t.locate)
		t.write(bold, place(at))
		t.write(blue, "note: ")
		t.line(plain, Visible(l.Message))
		t.snippet(at, blue)
	}
	t.line(plain, "")
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
