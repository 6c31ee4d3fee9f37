package render

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
)

var junitFormat = Format{
	Name:  "junit",
	About: "JUnit XML: a test suite for each file, a failure for each error",
	Write: writeJUnit,
}

type junitReport struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string    `xml:"message,attr"`
	Type    diag.Code `xml:"type,attr"`
	Text    string    `xml:",chardata"`
}

// noFile is the suite of what is in no file.
const noFile = "rindc"

func writeJUnit(w io.Writer, r Report) error {
	report := junitReport{Name: "rindc"}
	byFile := map[string][]diag.Diagnostic{}
	for _, d := range r.Diags {
		name := noFile
		if at := d.Where(r.Locate); !at.IsZero() {
			name = at.File.Name
		}
		byFile[name] = append(byFile[name], d)
	}
	files := r.Files
	if len(byFile[noFile]) > 0 {
		files = append([]string{noFile}, files...)
	}
	for _, name := range files {
		s := r.junitSuite(name, byFile[name])
		report.Tests += s.Tests
		report.Failures += s.Failures
		report.Suites = append(report.Suites, s)
	}
	data, err := xml.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, data)
	return err
}

// junitSuite has one case for each diagnostic, and one that passes for a file
// without any.
func (r Report) junitSuite(name string, ds []diag.Diagnostic) junitSuite {
	s := junitSuite{Name: name}
	for _, d := range ds {
		c := junitCase{Name: string(d.Code), Class: name}
		if at := d.Where(r.Locate); !at.IsZero() {
			start, _ := bounds(at)
			c.Name = fmt.Sprintf("%s at %d:%d", d.Code, start.Line, start.Column)
		}
		text := r.plain(d)
		if d.Severity == diag.Error {
			c.Failure = &junitFailure{Message: d.Message, Type: d.Code, Text: text}
			s.Failures++
		} else {
			c.Out = text // JUnit has no warnings: the case passes and says so
		}
		s.Cases = append(s.Cases, c)
	}
	if len(ds) == 0 {
		s.Cases = []junitCase{{Name: "check", Class: name}}
	}
	s.Tests = len(s.Cases)
	return s
}

// plain returns a diagnostic as [Text] shows it, without colours.
func (r Report) plain(d diag.Diagnostic) string {
	var b strings.Builder
	t := newText(&b, r.Locate, false)
	t.diagnostic(d)
	t.w.Flush() //nolint:errcheck // a strings.Builder takes everything
	return strings.TrimSuffix(b.String(), "\n")
}
