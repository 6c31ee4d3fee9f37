package render

import (
	"bufio"
	"encoding/json"
	"io"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

// jsonVersion is raised when a field changes its meaning or goes away. New
// fields and new values of "type" do not change it.
const jsonVersion = 1

var jsonFormat = Format{
	Name:  "json",
	About: "one JSON object for each line, the last one a summary",
	Write: writeJSON,
}

type jsonDiagnostic struct {
	Version     int         `json:"version"`
	Type        string      `json:"type"` // "diagnostic"
	Severity    string      `json:"severity"`
	Code        diag.Code   `json:"code"`
	Title       string      `json:"title,omitempty"`
	Message     string      `json:"message"`
	Place       *jsonPlace  `json:"place,omitempty"`
	Help        string      `json:"help,omitempty"`
	Labels      []jsonLabel `json:"labels,omitempty"`
	Fix         *jsonFix    `json:"fix,omitempty"`
	Fingerprint string      `json:"fingerprint"`
}

type jsonPlace struct {
	File    string      `json:"file"`
	Start   position    `json:"start"`
	End     position    `json:"end"`
	Snippet jsonSnippet `json:"snippet"`
}

type jsonSnippet struct {
	Text   string `json:"text"`   // the line of the start, or a part of it
	Column int    `json:"column"` // of its first character
}

type jsonLabel struct {
	Message string     `json:"message"`
	Place   *jsonPlace `json:"place,omitempty"`
}

type jsonFix struct {
	Start       position `json:"start"`
	End         position `json:"end"`
	Replacement string   `json:"replacement"`
}

type jsonSummary struct {
	Version    int    `json:"version"`
	Type       string `json:"type"` // "summary"
	Files      int    `json:"files"`
	Errors     int    `json:"errors"`
	Warnings   int    `json:"warnings"`
	Notes      int    `json:"notes"`
	Suppressed int    `json:"suppressed"`
}

func writeJSON(w io.Writer, r Report) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	prints := diag.Fingerprints(r.Diags, r.Locate)
	for i, d := range r.Diags {
		line := jsonDiagnostic{
			Version:     jsonVersion,
			Type:        "diagnostic",
			Severity:    d.Severity.String(),
			Code:        d.Code,
			Title:       r.title(d.Code),
			Message:     d.Message,
			Place:       newJSONPlace(d.Where(r.Locate)),
			Help:        d.Help,
			Fingerprint: prints[i],
		}
		for _, l := range d.Labels {
			line.Labels = append(line.Labels, jsonLabel{l.Message, newJSONPlace(l.Where(r.Locate))})
		}
		if e, ok := d.Edit(r.Locate); ok {
			start, end := bounds(e.Span)
			line.Fix = &jsonFix{start, end, e.Text}
		}
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	n := tally(r.Diags)
	if err := enc.Encode(jsonSummary{
		Version: jsonVersion, Type: "summary", Files: len(r.Files),
		Errors: n.errors, Warnings: n.warnings, Notes: n.notes, Suppressed: len(r.Suppressed),
	}); err != nil {
		return err
	}
	return out.Flush()
}

func newJSONPlace(at source.Span) *jsonPlace {
	if at.IsZero() {
		return nil
	}
	start, end := bounds(at)
	text, column := excerpt(at)
	return &jsonPlace{File: at.File.Name, Start: start, End: end, Snippet: jsonSnippet{text, column}}
}
