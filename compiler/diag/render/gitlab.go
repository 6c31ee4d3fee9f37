package render

import (
	"encoding/json"
	"io"

	"github.com/rind-sockets/rind/compiler/diag"
)

var gitlabFormat = Format{
	Name:  "gitlab",
	About: "a Code Quality report of GitLab",
	Write: writeGitLab,
}

// gitlabIssue has what GitLab reads of an issue (docs.gitlab.com, "Code
// Quality", "Import Code Quality results from a CI/CD job").
type gitlabIssue struct {
	Description string         `json:"description"`
	CheckName   diag.Code      `json:"check_name"`
	Fingerprint string         `json:"fingerprint"`
	Severity    string         `json:"severity"`
	Location    gitlabLocation `json:"location"`
}

type gitlabLocation struct {
	Path  string      `json:"path"`
	Lines gitlabLines `json:"lines"`
}

type gitlabLines struct {
	Begin int `json:"begin"`
	End   int `json:"end"`
}

func writeGitLab(w io.Writer, r Report) error {
	issues := []gitlabIssue{} // not null when there are none
	prints := diag.Fingerprints(r.Diags, r.Locate)
	for i, d := range r.Diags {
		text := d.Message
		if d.Help != "" {
			text += "; " + d.Help
		}
		issue := gitlabIssue{
			Description: text,
			CheckName:   d.Code,
			Fingerprint: prints[i],
			Severity:    gitlabSeverity(d.Severity),
			// An issue without a place is not shown, so it gets the first file.
			Location: gitlabLocation{Lines: gitlabLines{Begin: 1, End: 1}},
		}
		if at := d.Where(r.Locate); !at.IsZero() {
			issue.Location.Path = at.File.Name
			issue.Location.Lines.Begin, issue.Location.Lines.End = rangeOf(at)
		} else if len(r.Files) > 0 {
			issue.Location.Path = r.Files[0]
		}
		issues = append(issues, issue)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(issues)
}

func gitlabSeverity(s diag.Severity) string {
	switch s {
	case diag.Warning:
		return "minor"
	case diag.Note:
		return "info"
	case diag.Error:
	}
	return "major"
}
