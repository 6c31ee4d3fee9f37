package render_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/diag/render"
	"github.com/rind-sockets/rind/compiler/source"
)

var infos = map[diag.Code]diag.Info{
	"A4101": {
		Code: "A4101", Severity: diag.Error, Title: "unknown socket type", Text: "The type is a transport.\nIt is lower case.",
		Wrong: "\ntype = \"TCP\"\n", Right: "\ntype = \"tcp\"\n",
	},
	"K1003": {Code: "K1003", Severity: diag.Warning, Title: "foreign kind", Text: "It is ignored."},
}

func lookup(code diag.Code) (diag.Info, bool) {
	info, ok := infos[code]
	return info, ok
}

// corpus has every part that a diagnostic can have, and text that each format
// has to escape.
func corpus() render.Report {
	web := file("[[socket]]\nname = \"wéb\"\ntype = \"tpc\"\nargs = [\n  1,\n]\n")
	odd := &source.File{Name: "a,b: 100%/<ü>\x1b.toml", Text: []byte("x = \"<&\x01\x1b]]>##[\"\r\n")}
	return render.Report{
		Version: "1.2.3",
		Files:   []string{odd.Name, "clean.toml", web.Name},
		Locate:  locate,
		Lookup:  lookup,
		Diags: []diag.Diagnostic{
			{Code: "X9101", Severity: diag.Error, Message: "too many units", Help: "split them"},
			{Code: "K1003", Severity: diag.Warning, Message: "100% <odd> \x1b[2J\n##[x]", Span: find(odd, "\"<&\x01\x1b]]>##[\"")},
			{
				Code: "A4101", Severity: diag.Error, Message: "unknown socket type `tpc`", At: source.UnitPlace(web, `"tpc"`, 0),
				Help: "did you mean `tcp`?", Fix: &diag.Fix{Old: "tpc", New: "tcp"},
				Labels: []diag.Label{{Span: find(web, `"wéb"`), Message: "of this socket"}, {Message: "without a place"}},
			},
			{Code: "F5001", Severity: diag.Note, Message: "not analysed", Span: find(web, "[\n  1,\n]")},
		},
		Suppressed: []diag.Suppressed{{
			Diagnostic: diag.Diagnostic{Code: "K1003", Severity: diag.Warning, Message: "old", Span: find(web, "[[socket]]")},
			Reason:     "the rescue system reads it",
		}},
		Text: render.TextOptions{Hint: "--fix can correct %d"},
	}
}

func write(t *testing.T, name string, r render.Report) string {
	t.Helper()
	f, ok := render.Find(name)
	if !ok {
		t.Fatalf("there is no format %s", name)
	}
	var b strings.Builder
	if err := f.Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestS160Formats renders one corpus in every format.
func TestS160Formats(t *testing.T) {
	for _, f := range render.Formats {
		t.Run(f.Name, func(t *testing.T) {
			if f.About == "" {
				t.Error("the format does not say for whom it is")
			}
			golden(t, "format-"+f.Name, write(t, f.Name, corpus()))
			golden(t, "format-"+f.Name+"-clean", write(t, f.Name, render.Report{
				Version: "1.2.3", Files: []string{"clean.toml"}, Locate: locate, Lookup: lookup,
			}))
			full := errors.New("no space left")
			if err := f.Write(brokenWriter{full}, corpus()); !errors.Is(err, full) {
				t.Errorf("on a full disk it returns %v", err)
			}
		})
	}
	if diff := cmp.Diff([]string{"text", "short", "json", "sarif", "github", "gitlab", "junit"}, render.Names()); diff != "" {
		t.Errorf("formats (-want +got):\n%s", diff)
	}
	if f, ok := render.Find("yaml"); ok {
		t.Errorf("Find(yaml) = %v", f)
	}
}

func TestJSONLines(t *testing.T) {
	r := corpus()
	lines := strings.Split(strings.TrimSuffix(write(t, "json", r), "\n"), "\n")
	if len(lines) != len(r.Diags)+1 {
		t.Fatalf("%d lines for %d diagnostics and a summary", len(lines), len(r.Diags))
	}
	type position struct{ Line, Column, Byte int }
	type place struct {
		File       string
		Start, End position
		Snippet    struct {
			Text   string
			Column int
		}
	}
	var got struct {
		Version int
		Type    string
		Place   place
		Fix     struct {
			Start, End  position
			Replacement string
		}
	}
	if err := json.Unmarshal([]byte(lines[2]), &got); err != nil {
		t.Fatal(err)
	}
	want := got
	want.Version, want.Type = 1, "diagnostic"
	want.Place.File, want.Place.Start, want.Place.End = "web.toml", position{3, 8, 32}, position{3, 13, 37}
	want.Place.Snippet.Text, want.Place.Snippet.Column = `type = "tpc"`, 1
	want.Fix.Start, want.Fix.End, want.Fix.Replacement = want.Place.Start, want.Place.End, `"tcp"`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("line 3 (-want +got):\n%s", diff)
	}
	t.Run("a long line is cut", func(t *testing.T) {
		f := file("x = \"" + strings.Repeat("é", 5000) + "!" + strings.Repeat("é", 5000) + "\"")
		r := render.Report{Locate: locate, Lookup: lookup, Diags: []diag.Diagnostic{{Code: "K1005", Severity: diag.Error, Span: find(f, "!")}}}
		out := write(t, "json", r)
		if len(out) > 2000 || !strings.Contains(out, "é!é") || strings.Contains(out, "\ufffd") || !strings.Contains(out, `"column":4886`) {
			t.Errorf("%d bytes: %s", len(out), out)
		}
	})
}

func TestGitHub(t *testing.T) {
	f := file(strings.Repeat("x\n", 40))
	var ds []diag.Diagnostic
	for i := range 36 {
		at := source.Span{File: f, Start: 2 * i, End: 2*i + 1}
		d := diag.Diagnostic{Code: "K1005", Severity: diag.Severity(3 - i%3), Message: fmt.Sprintf("number %d", i), Span: at}
		if i == 35 {
			d.Code = "S0001"
		}
		ds = append(ds, d)
	}
	f.Name = "::add-mask::x"
	out := write(t, "github", render.Report{Diags: ds, Locate: locate, Lookup: lookup})
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	command := regexp.MustCompile(`^::(error|warning|notice) `)
	shown := map[string]int{}
	for i, l := range lines {
		if m := command.FindStringSubmatch(l); m != nil {
			shown[m[1]]++
		} else if i < 30 || strings.HasPrefix(l, "::") {
			t.Errorf("line %d is %q", i+1, l)
		}
	}
	if diff := cmp.Diff(map[string]int{"error": 10, "warning": 10, "notice": 10}, shown); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(lines[0], "::error ") || !strings.Contains(lines[0], "S0001") {
		t.Errorf("the first line is %q, want the syntax error", lines[0])
	}
	want := "rindc: 12 errors, 12 warnings, 12 notes; GitHub shows 10 annotations of a kind, 6 more are in this log"
	if last := lines[len(lines)-1]; last != want || len(lines) != 30+6+1 {
		t.Errorf("%d lines, the last is %q, want 37 and %q", len(lines), last, want)
	}
}

func TestGitLab(t *testing.T) {
	var issues []struct {
		Description, Fingerprint, Severity string
		CheckName                          string `json:"check_name"`
		Location                           struct {
			Path  string
			Lines struct{ Begin, End int }
		}
	}
	if err := json.Unmarshal([]byte(write(t, "gitlab", corpus())), &issues); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, i := range issues {
		if i.Description == "" || i.CheckName == "" || i.Location.Path == "" || i.Location.Lines.Begin < 1 || i.Location.Lines.End < i.Location.Lines.Begin {
			t.Errorf("incomplete: %+v", i)
		}
		if !slices.Contains([]string{"info", "minor", "major", "critical", "blocker"}, i.Severity) {
			t.Errorf("severity %q", i.Severity)
		}
		if seen[i.Fingerprint] || i.Fingerprint == "" {
			t.Errorf("fingerprint %q is not of its own", i.Fingerprint)
		}
		seen[i.Fingerprint] = true
	}
	if len(issues) != 4 || issues[3].Location.Lines.Begin != 4 || issues[3].Location.Lines.End != 6 {
		t.Errorf("issues %+v", issues)
	}
}

func TestJUnit(t *testing.T) {
	var got struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Tests int    `xml:"tests,attr"`
			Cases []struct {
				Name    string  `xml:"name,attr"`
				Failure *string `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(write(t, "junit", corpus())), &got); err != nil {
		t.Fatal(err)
	}
	tests, failures := 0, 0
	var names []string
	for _, s := range got.Suites {
		names = append(names, s.Name)
		for _, c := range s.Cases {
			tests++
			if c.Failure != nil {
				failures++
			}
		}
	}
	if tests != got.Tests || failures != got.Failures || tests != 5 || failures != 2 {
		t.Errorf("%d tests with %d failures, announced as %d and %d", tests, failures, got.Tests, got.Failures)
	}
	if diff := cmp.Diff([]string{"rindc", "a,b: 100%/<ü>\ufffd.toml", "clean.toml", "web.toml"}, names); diff != "" {
		t.Errorf("suites (-want +got):\n%s", diff)
	}
}

func TestLimit(t *testing.T) {
	f := file("x\n")
	d := func(s diag.Severity, message string) diag.Diagnostic {
		return diag.Diagnostic{Code: "K1005", Severity: s, Message: message, Span: source.Span{File: f, Start: 0, End: 1}}
	}
	ds := []diag.Diagnostic{d(diag.Note, "n1"), d(diag.Warning, "w1"), d(diag.Error, "e1"), d(diag.Warning, "w2"), d(diag.Error, "e2")}
	tests := []struct {
		name    string
		limit   int
		want    []string
		summary string
	}{
		{"none", 0, []string{"n1", "w1", "e1", "w2", "e2"}, "2 errors, 2 warnings, 1 note"},
		{"enough", 5, []string{"n1", "w1", "e1", "w2", "e2"}, "2 errors, 2 warnings, 1 note"},
		{"the least severe go first", 3, []string{"w1", "e1", "e2"}, "2 errors, 2 warnings, 1 note; 2 more are not shown"},
		{"one", 1, []string{"e1"}, "2 errors, 2 warnings, 1 note; 4 more are not shown"},
	}
	message := regexp.MustCompile(`(?m): (\w+) \[K1005\]$`)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			if err := render.Text(&b, ds, locate, render.TextOptions{Limit: tt.limit}); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range message.FindAllStringSubmatch(b.String(), -1) {
				got = append(got, m[1])
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("shown (-want +got):\n%s", diff)
			}
			if !strings.HasSuffix(b.String(), "\n\n"+tt.summary+"\n") {
				t.Errorf("the end is not %q:\n%s", tt.summary, b.String())
			}
		})
	}
}
