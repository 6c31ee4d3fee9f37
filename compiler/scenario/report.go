package scenario

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/rind-sockets/rind/plan"
)

// Formats of reports.
var Formats = []string{"text", "json", "junit"}

// Report is what became of all scenarios.
type Report struct {
	Results  []Result
	Coverage *Coverage // nil: nobody asked

	// Line returns where a unit is defined, as "web.toml:3", or "".
	Place func(unit string) string

	Verbose bool // also show what happened in scenarios that passed
}

// Failed returns how many scenarios failed.
func (r *Report) Failed() int {
	n := 0
	for i := range r.Results {
		if r.Results[i].Failed() {
			n++
		}
	}
	return n
}

// Places returns a function for [Report.Place] that finds the units of a plan.
// root is put before the names of the files.
func Places(p *plan.Plan, file func(name string) string) func(unit string) string {
	at := map[string]string{}
	for _, s := range p.Sources {
		for unit, line := range s.Units {
			at[unit] = file(s.File) + ":" + strconv.Itoa(line)
		}
	}
	return func(unit string) string { return at[unit] }
}

// index shows which of several items is meant.
func index(i, n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf("[%d]", i+1)
}

// Write writes the report in one of [Formats].
func (r *Report) Write(w io.Writer, format string) error {
	switch format {
	case "json":
		return r.writeJSON(w)
	case "junit":
		return r.writeJUnit(w)
	}
	_, err := io.WriteString(w, r.text())
	return err
}

func (r *Report) text() string {
	var b strings.Builder
	for i := range r.Results {
		res := &r.Results[i]
		where := fmt.Sprintf("%s:%d: %s", res.File.Name, res.Line, res.Title)
		if !res.Failed() {
			if r.Verbose {
				fmt.Fprintf(&b, "ok    %s\n", where)
				r.trace(&b, res)
			}
			continue
		}
		fmt.Fprintf(&b, "FAIL  %s\n", where)
		for _, f := range res.Failures {
			fmt.Fprintf(&b, "  %s:%d: %s\n", res.File.Name, f.Line, f.Message)
		}
		b.WriteString("  what happened:\n")
		r.trace(&b, res)
	}
	r.coverage(&b)
	failed := r.Failed()
	switch {
	case failed > 0:
		fmt.Fprintf(&b, "%s, %d failed\n", count(len(r.Results), "scenario"), failed)
	default:
		fmt.Fprintf(&b, "ok: %s\n", count(len(r.Results), "scenario"))
	}
	return b.String()
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// maxTrace bounds how much of a scenario is shown: the end of it.
const maxTrace = 20

func (r *Report) trace(b *strings.Builder, res *Result) {
	moments := res.Trace
	if n := len(moments) - maxTrace; n > 0 {
		fmt.Fprintf(b, "    … %s before\n", count(n, "step"))
		moments = moments[n:]
	}
	for _, m := range moments {
		fmt.Fprintf(b, "    %s:%d: %s\n", res.File.Name, m.Line, m.Text)
		for _, h := range m.Happened {
			line := "      " + h.Text
			if at := r.Place(h.Unit); at != "" {
				line += "  [" + at + "]"
			}
			b.WriteString(line + "\n")
		}
	}
}

func (r *Report) coverage(b *strings.Builder) {
	if r.Coverage == nil {
		return
	}
	for _, c := range r.Coverage.List() {
		if lacks := c.lacks(); lacks != "" {
			place := r.Place(c.Unit)
			if place != "" {
				place += ": "
			}
			fmt.Fprintf(b, "%s%s: %s %s\n", place, c.Unit, c.Part, lacks)
		}
	}
	fmt.Fprintf(b, "coverage: %.0f %% of conditions and triggers\n", r.Coverage.Percent())
}

// lacks says what no scenario has tried.
func (c *Covered) lacks() string {
	switch {
	case c.Done():
		return ""
	case c.Trigger:
		return "never runs in a scenario"
	case c.True:
		return "is never false in a scenario"
	case c.False:
		return "is never true in a scenario"
	}
	return "is never looked at in a scenario"
}

type jsonReport struct {
	Version   int            `json:"version"`
	Scenarios []jsonScenario `json:"scenarios"`
	Coverage  *jsonCoverage  `json:"coverage,omitempty"`
}

type jsonScenario struct {
	File     string        `json:"file"`
	Line     int           `json:"line"`
	Title    string        `json:"title"`
	Passed   bool          `json:"passed"`
	Failures []jsonFailure `json:"failures,omitempty"`
	Trace    []jsonMoment  `json:"trace,omitempty"`
}

type jsonFailure struct {
	Line    int    `json:"line"`
	Message string `json:"message"`
}

type jsonMoment struct {
	Line     int      `json:"line"`
	Step     string   `json:"step"`
	Happened []string `json:"happened,omitempty"`
}

type jsonCoverage struct {
	Percent float64       `json:"percent"`
	Missing []jsonCovered `json:"missing,omitempty"`
}

type jsonCovered struct {
	Unit  string `json:"unit"`
	Place string `json:"place,omitempty"`
	Part  string `json:"part"`
	Lacks string `json:"lacks"`
}

func (r *Report) writeJSON(w io.Writer) error {
	out := jsonReport{Version: 1, Scenarios: []jsonScenario{}}
	for i := range r.Results {
		res := &r.Results[i]
		s := jsonScenario{File: res.File.Name, Line: res.Line, Title: res.Title, Passed: !res.Failed()}
		for _, f := range res.Failures {
			s.Failures = append(s.Failures, jsonFailure(f))
		}
		if res.Failed() || r.Verbose {
			for _, m := range res.Trace {
				s.Trace = append(s.Trace, jsonMoment{m.Line, m.Text, texts(m.Happened)})
			}
		}
		out.Scenarios = append(out.Scenarios, s)
	}
	if r.Coverage != nil {
		out.Coverage = &jsonCoverage{Percent: r.Coverage.Percent()}
		for _, c := range r.Coverage.List() {
			if lacks := c.lacks(); lacks != "" {
				out.Coverage.Missing = append(out.Coverage.Missing, jsonCovered{c.Unit, r.Place(c.Unit), c.Part, lacks})
			}
		}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

func texts(happened []Happening) []string {
	list := make([]string, len(happened))
	for i, h := range happened {
		list[i] = h.Text
	}
	return list
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
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func (r *Report) writeJUnit(w io.Writer) error {
	out := junitReport{Name: "rindc test", Tests: len(r.Results), Failures: r.Failed()}
	for i := range r.Results {
		res := &r.Results[i]
		if n := len(out.Suites); n == 0 || out.Suites[n-1].Name != res.File.Name {
			out.Suites = append(out.Suites, junitSuite{Name: res.File.Name})
		}
		suite := &out.Suites[len(out.Suites)-1]
		c := junitCase{Name: res.Title, Class: res.File.Name, File: res.File.Name, Line: res.Line}
		suite.Tests++
		if res.Failed() {
			suite.Failures++
			var b strings.Builder
			for _, f := range res.Failures {
				fmt.Fprintf(&b, "%s:%d: %s\n", res.File.Name, f.Line, f.Message)
			}
			r.trace(&b, res)
			c.Failure = &junitFailure{Message: res.Failures[0].Message, Text: strings.ToValidUTF8(b.String(), "\ufffd")}
		}
		suite.Cases = append(suite.Cases, c)
	}
	data, err := xml.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, data)
	return err
}
