package render

import (
	"io"
	"strings"
	"unicode/utf8"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

// Report is what was found in unit files, ready to be written in any format.
type Report struct {
	Version    string            // of rindc
	Files      []string          // that were read, sorted
	Diags      []diag.Diagnostic // in the order of [diag.Sorted]
	Suppressed []diag.Suppressed
	Locate     func(source.Place) source.Span

	// Lookup returns what is known about a code.
	Lookup func(diag.Code) (diag.Info, bool)

	Text TextOptions // for the formats that people read
}

// Format is a way to write a report.
type Format struct {
	Name  string
	About string // for whom it is

	// People says that the format is for reading: it belongs on standard error,
	// with what else there is to say. The others are data.
	People bool

	Write func(w io.Writer, r Report) error
}

// Formats lists every format; the first one is the default.
var Formats = []Format{
	textFormat,
	shortFormat,
	jsonFormat,
	sarifFormat,
	githubFormat,
	gitlabFormat,
	junitFormat,
}

// Find returns the format of that name.
func Find(name string) (Format, bool) {
	for _, f := range Formats {
		if f.Name == name {
			return f, true
		}
	}
	return Format{}, false
}

// Names returns the names of the formats.
func Names() []string {
	names := make([]string, len(Formats))
	for i, f := range Formats {
		names[i] = f.Name
	}
	return names
}

// position is where a character is: line and column from 1, the column in
// characters, and the byte from 0.
type position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// bounds returns where a span begins and ends, the end excluded.
func bounds(s source.Span) (start, end position) {
	at := func(offset int) position {
		line, column := s.File.Position(offset)
		return position{line, column, offset}
	}
	return at(s.Start), at(max(s.Start, s.End))
}

// maxExcerpt bounds how many bytes of a line are shown on each side of the start
// of a mark, by the formats that show lines as they are.
const maxExcerpt = 240

// excerpt returns the line that a span begins in, or the part of it around the
// span if it is long, and the column of its first character.
func excerpt(s source.Span) (text string, column int) {
	n, _ := s.File.Position(s.Start)
	start := s.File.LineStart(n)
	line := s.File.Line(n)
	at := min(max(s.Start-start, 0), len(line))
	from, to := max(0, at-maxExcerpt), min(len(line), at+maxExcerpt)
	for from > 0 && from < at && !utf8.RuneStart(line[from]) {
		from++
	}
	for to < len(line) && to > at && !utf8.RuneStart(line[to]) {
		to--
	}
	_, column = s.File.Position(start + from)
	return strings.ToValidUTF8(string(line[from:to]), "\ufffd"), column
}

// title returns the title of a code, or nothing for one that has none.
func (r Report) title(code diag.Code) string {
	info, _ := r.Lookup(code)
	return info.Title
}

// counts has how many diagnostics there are of each severity.
type counts struct{ errors, warnings, notes int }

func tally(ds []diag.Diagnostic) counts {
	var c counts
	for _, d := range ds {
		switch d.Severity {
		case diag.Error:
			c.errors++
		case diag.Warning:
			c.warnings++
		case diag.Note:
			c.notes++
		}
	}
	return c
}

func (c counts) String() string {
	var parts []string
	for _, p := range []struct {
		n    int
		noun string
	}{{c.errors, "error"}, {c.warnings, "warning"}, {c.notes, "note"}} {
		if p.n > 0 {
			parts = append(parts, count(p.n, p.noun))
		}
	}
	return strings.Join(parts, ", ")
}
