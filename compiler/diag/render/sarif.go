package render

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

var sarifFormat = Format{
	Name:  "sarif",
	About: "SARIF 2.1.0, for code scanning",
	Write: writeSARIF,
}

// The parts of SARIF 2.1.0 (docs.oasis-open.org/sarif/sarif/v2.1.0) that are
// written, in the order of the standard.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name            string      `json:"name"`
		InformationURI  string      `json:"informationUri"`
		SemanticVersion string      `json:"semanticVersion"`
		Rules           []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               diag.Code       `json:"id"`
		ShortDescription *sarifMessage   `json:"shortDescription,omitempty"`
		FullDescription  *sarifMessage   `json:"fullDescription,omitempty"`
		Help             *sarifMultiform `json:"help,omitempty"`
		Configuration    sarifLevel      `json:"defaultConfiguration"`
	}
	sarifMultiform struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown"`
	}
	sarifLevel struct {
		Level string `json:"level"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID       diag.Code          `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Level        string             `json:"level"`
		Message      sarifMessage       `json:"message"`
		Locations    []sarifLocation    `json:"locations,omitempty"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		Related      []sarifLocation    `json:"relatedLocations,omitempty"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
		Fixes        []sarifFix         `json:"fixes,omitempty"`
	}
	sarifLocation struct {
		ID       int           `json:"id,omitempty"`
		Physical sarifPhysical `json:"physicalLocation"`
		Message  *sarifMessage `json:"message,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int           `json:"startLine"`
		StartColumn int           `json:"startColumn"`
		EndLine     int           `json:"endLine"`
		EndColumn   int           `json:"endColumn"` // of the character behind the end
		ByteOffset  int           `json:"byteOffset"`
		ByteLength  int           `json:"byteLength"`
		Snippet     *sarifMessage `json:"snippet,omitempty"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification"`
	}
	sarifFix struct {
		Description *sarifMessage `json:"description,omitempty"`
		Changes     []sarifChange `json:"artifactChanges"`
	}
	sarifChange struct {
		Artifact     sarifArtifact      `json:"artifactLocation"`
		Replacements []sarifReplacement `json:"replacements"`
	}
	sarifReplacement struct {
		Deleted  sarifRegion  `json:"deletedRegion"`
		Inserted sarifMessage `json:"insertedContent"`
	}
)

// maxMarked bounds the text of a region that is repeated in the report.
const maxMarked = 1024

func writeSARIF(w io.Writer, r Report) error {
	s := sarif{Report: r, index: map[diag.Code]int{}}
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	all := make([]diag.Diagnostic, 0, len(r.Diags)+len(r.Suppressed))
	all = append(all, r.Diags...)
	for _, d := range r.Suppressed {
		all = append(all, d.Diagnostic)
	}
	prints := diag.Fingerprints(all, r.Locate)
	for i, d := range all {
		result := s.result(d)
		result.Fingerprints = map[string]string{"rindc/v1": prints[i]}
		if n := i - len(r.Diags); n >= 0 {
			result.Suppressions = []sarifSuppression{{"inSource", r.Suppressed[n].Reason}}
		}
		run.Results = append(run.Results, result)
	}
	run.Tool.Driver = sarifDriver{Name: "rindc", InformationURI: "https://github.com/rind-sockets/rind", SemanticVersion: r.Version, Rules: s.rules}
	if run.Tool.Driver.Rules == nil {
		run.Tool.Driver.Rules = []sarifRule{} // an array also when there is nothing to explain
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0",
		Runs:    []sarifRun{run},
	})
}

// sarif collects the rules of the results as they come.
type sarif struct {
	Report

	rules []sarifRule
	index map[diag.Code]int
}

func (s *sarif) result(d diag.Diagnostic) sarifResult {
	text := d.Message
	if d.Help != "" {
		text += "\nhelp: " + d.Help
	}
	out := sarifResult{
		RuleID:    d.Code,
		RuleIndex: s.rule(d.Code),
		Level:     sarifSeverity(d.Severity),
		Message:   sarifMessage{text},
	}
	if at := d.Where(s.Locate); !at.IsZero() {
		out.Locations = []sarifLocation{{Physical: sarifAt(at)}}
	}
	for _, l := range d.Labels {
		if at := l.Where(s.Locate); !at.IsZero() {
			out.Related = append(out.Related, sarifLocation{
				ID: len(out.Related) + 1, Physical: sarifAt(at), Message: &sarifMessage{l.Message},
			})
		}
	}
	if e, ok := d.Edit(s.Locate); ok {
		fix := sarifFix{Changes: []sarifChange{{
			Artifact:     sarifArtifact{uri(e.Span.File.Name)},
			Replacements: []sarifReplacement{{Deleted: region(e.Span), Inserted: sarifMessage{e.Text}}},
		}}}
		if d.Help != "" {
			fix.Description = &sarifMessage{d.Help}
		}
		out.Fixes = []sarifFix{fix}
	}
	return out
}

// rule returns the index of the rule of a code.
func (s *sarif) rule(code diag.Code) int {
	if i, ok := s.index[code]; ok {
		return i
	}
	rule := sarifRule{ID: code, Configuration: sarifLevel{"error"}}
	if info, ok := s.Lookup(code); ok {
		rule.Configuration.Level = sarifSeverity(info.Severity)
		rule.ShortDescription = &sarifMessage{info.Title}
		rule.FullDescription = &sarifMessage{strings.ReplaceAll(info.Text, "\n", " ")}
		rule.Help = &sarifMultiform{Text: Explain(info), Markdown: markdown(info)}
	}
	s.index[code] = len(s.rules)
	s.rules = append(s.rules, rule)
	return s.index[code]
}

func markdown(info diag.Info) string {
	var b strings.Builder
	b.WriteString(info.Text + "\n")
	for _, e := range []struct{ what, example string }{{"Wrong", info.Wrong}, {"Right", info.Right}} {
		if e.example != "" {
			fmt.Fprintf(&b, "\n%s:\n\n```toml\n%s\n```\n", e.what, strings.Trim(e.example, "\n"))
		}
	}
	return strings.ToValidUTF8(b.String(), "\ufffd")
}

func sarifSeverity(s diag.Severity) string {
	switch s {
	case diag.Warning:
		return "warning"
	case diag.Note:
		return "note"
	case diag.Error:
	}
	return "error"
}

func sarifAt(at source.Span) sarifPhysical {
	p := sarifPhysical{Artifact: sarifArtifact{uri(at.File.Name)}, Region: region(at)}
	if marked := at.File.Text[at.Start:min(max(at.Start, at.End), len(at.File.Text))]; len(marked) <= maxMarked {
		p.Region.Snippet = &sarifMessage{strings.ToValidUTF8(string(marked), "\ufffd")}
	}
	return p
}

func region(at source.Span) sarifRegion {
	start, end := bounds(at)
	return sarifRegion{
		StartLine: start.Line, StartColumn: start.Column, EndLine: end.Line, EndColumn: end.Column,
		ByteOffset: start.Byte, ByteLength: end.Byte - start.Byte,
	}
}

// uri returns a file name as a URI reference: a relative one stays relative, so
// that it means the same in every checkout.
func uri(name string) string {
	u := url.URL{Path: name}
	if path.IsAbs(name) {
		u.Scheme = "file"
	}
	return u.String()
}
