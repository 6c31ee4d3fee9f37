package render

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

// maxAnnotations is how many annotations of each severity GitHub shows for a
// step. What comes later is dropped there without a word.
const maxAnnotations = 10

var githubFormat = Format{
	Name:  "github",
	About: "annotations of GitHub Actions, the most important first",
	Write: writeGitHub,
}

// writeGitHub writes workflow commands (docs.github.com, "Workflow commands for
// GitHub Actions"). Findings that would not be shown are lines of the log.
func writeGitHub(w io.Writer, r Report) error {
	out := bufio.NewWriter(w)
	put := func(format string, args ...any) {
		fmt.Fprintf(out, format, args...) //nolint:errcheck // Flush returns it
	}
	ds := slices.Clone(r.Diags)
	slices.SortStableFunc(ds, func(a, b diag.Diagnostic) int { return rank(a) - rank(b) })
	shown := map[diag.Severity]int{}
	var hidden []diag.Diagnostic
	for _, d := range ds {
		if shown[d.Severity] == maxAnnotations {
			hidden = append(hidden, d)
			continue
		}
		shown[d.Severity]++
		put("::%s %s::%s\n", githubLevel(d.Severity), githubProperties(r, d), githubText(d))
	}
	for _, d := range hidden {
		// The place is not first, so that a file name cannot be a command; the
		// older form of commands may be anywhere in a line.
		l := strings.TrimSpace(headline(d) + " " + strings.TrimSuffix(place(d.Where(r.Locate)), ": "))
		put("%s\n", strings.ReplaceAll(l, "##[", "## ["))
	}
	if len(ds) > 0 {
		put("rindc: %s", tally(ds))
		if len(hidden) > 0 {
			put("; GitHub shows %d annotations of a kind, %d more are in this log", maxAnnotations, len(hidden))
		}
		put("\n")
	}
	return out.Flush()
}

// rank puts errors first, and of these the ones that may be the cause of others.
func rank(d diag.Diagnostic) int {
	n := 2 * int(d.Severity)
	if strings.HasPrefix(string(d.Code), "S") || strings.HasPrefix(string(d.Code), "X") {
		n--
	}
	return n
}

func githubLevel(s diag.Severity) string {
	switch s {
	case diag.Warning:
		return "warning"
	case diag.Note:
		return "notice"
	case diag.Error:
	}
	return "error"
}

func githubProperties(r Report, d diag.Diagnostic) string {
	title := "title=" + githubProperty(strings.TrimSpace(fmt.Sprintf("%s %s", d.Code, r.title(d.Code))))
	at := d.Where(r.Locate)
	if at.IsZero() {
		return title
	}
	start, end := bounds(at)
	place := fmt.Sprintf("file=%s,line=%d,endLine=%d", githubProperty(at.File.Name), start.Line, end.Line)
	if start.Line == end.Line { // columns are for a single line only
		place += fmt.Sprintf(",col=%d,endColumn=%d", start.Column, max(start.Column+1, end.Column))
	}
	return place + "," + title
}

func githubText(d diag.Diagnostic) string {
	text := Visible(d.Message)
	if d.Help != "" {
		text += "\nhelp: " + Visible(d.Help)
	}
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

func githubProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}

// rangeOf is for formats that know lines only.
func rangeOf(at source.Span) (first, last int) {
	start, end := bounds(at)
	if end.Column == 1 && end.Line > start.Line {
		return start.Line, end.Line - 1 // it ends with the line before
	}
	return start.Line, end.Line
}
