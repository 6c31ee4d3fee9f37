package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/policy"
	"github.com/rind-sockets/rind/compiler/source"
)

var infos = map[diag.Code]diag.Info{
	"K1001":           {Code: "K1001", Severity: diag.Error},
	"F5001":           {Code: "F5001", Severity: diag.Error},
	"K1303":           {Code: "K1303", Severity: diag.Warning},
	"F5009":           {Code: "F5009", Severity: diag.Note},
	"A4201":           {Code: "A4201", Severity: diag.Warning, Strict: true},
	diag.UnusedIgnore: {Code: diag.UnusedIgnore, Severity: diag.Warning},
}

func lookup(code diag.Code) (diag.Info, bool) {
	info, ok := infos[code]
	return info, ok
}

func at(f *source.File, kind string, unit int, path ...string) source.Place {
	p := source.UnitOnLine(f, kind, unit, decode.HeaderLine(f, kind, unit))
	for _, step := range path {
		p = p.At(step)
	}
	return p
}

// apply applies a policy to findings of one file and shows the results as
// "line severity CODE message".
func apply(t *testing.T, p policy.Policy, f *source.File, partial bool, ds ...diag.Diagnostic) (kept, suppressed []string) {
	t.Helper()
	index := &decode.Index{}
	show := func(d diag.Diagnostic) string {
		line, _ := f.Position(d.Where(index.Locate).Start)
		return strings.TrimSpace(fmt.Sprintf("%d %s %s %s", line, d.Severity, d.Code, d.Message))
	}
	list, hidden := p.Apply(listOf(ds), policy.Context{Files: []*source.File{f}, Find: index, Lookup: lookup, Partial: partial})
	for _, d := range list.All() {
		kept = append(kept, show(d))
	}
	for _, d := range hidden {
		suppressed = append(suppressed, show(d.Diagnostic)+": "+d.Reason)
	}
	return kept, suppressed
}

func TestComments(t *testing.T) {
	const (
		unused  = "this comment suppresses nothing: K1303 is not reported here"
		warning = "warning K1303"
	)
	tests := []struct {
		name, text string
		kept       []string // findings are: K1303 about the name of each socket
		suppressed []string
	}{
		{"none", "[[socket]]\nname = \"a\" # K1303\n", []string{"2 " + warning}, nil},
		{"on the line", "[[socket]]\nname = \"a\" # rindc:ignore K1303 on purpose\n", nil, []string{"2 " + warning + ": on purpose"}},
		{"on another line", "[[socket]] # rindc:ignore K1303 why\nname = \"a\"\n", []string{"2 " + warning, "1 warning S0101 " + unused}, nil},
		{"above the line", "[[socket]]\n# rindc:ignore K1303 why\n# more\nname = \"a\"\n", nil, []string{"4 " + warning + ": why"}},
		{"above the unit", "\n[[socket]]\n# x\n# rindc:ignore K1303 why\n\n[[socket]]\nname = \"a\"\n", nil, []string{"7 " + warning + ": why"}},
		{
			"above another unit", "[[service]]\n\n# rindc:ignore K1303 why\n[[socket]]\nname = \"a\"\n\n[[socket]]\nname = \"b\"\n",
			[]string{"8 " + warning},
			[]string{"5 " + warning + ": why"},
		},
		{
			"at the top of the file", "# about\n# rindc:ignore K1303 why\n\n# x\n[[socket]]\nname = \"a\"\n[[socket]]\nname = \"b\"\n",
			nil,
			[]string{"6 " + warning + ": why", "8 " + warning + ": why"},
		},
		{
			"at the top, behind a byte order mark", source.BOM + "# rindc:ignore K1303 why\r\n\r\n[[socket]]\r\nname = \"a\"\r\n",
			nil,
			[]string{"4 " + warning + ": why"},
		},
		{"first in the file, but above a unit", "# rindc:ignore K1303 why\n[[socket]]\nname = \"a\"\n[[socket]]\nname = \"b\"\n", []string{"5 " + warning}, []string{"3 " + warning + ": why"}},
		{"another code", "[[socket]]\nname = \"a\" # rindc:ignore F5009 why\n", []string{"2 " + warning, "2 warning S0101 " + strings.Replace(unused, "K1303", "F5009", 1)}, nil},
		{"twice", "# rindc:ignore K1303 one\n\n[[socket]]\nname = \"a\" # rindc:ignore K1303 two\n", []string{"1 warning S0101 " + unused}, []string{"4 " + warning + ": two"}},
		{"in a string", "[[socket]]\nname = \"a # rindc:ignore K1303 why\"\n", []string{"2 " + warning}, nil},
		{"in a long string", "[[socket]]\nname = '''\n# rindc:ignore K1303 why\na'''\n", []string{"2 " + warning}, nil},
		{"behind a string", "[[socket]]\nname = '''\n#''' # rindc:ignore K1303 why\n", []string{"2 " + warning, "3 warning S0101 " + unused}, nil},
		{"in an array", "[[socket]]\nx = [\n  # rindc:ignore K1303 why\n  1, # rindc:ignore K1303 why\n]\nname = \"a\"\n", []string{
			"6 " + warning, "3 warning S0101 " + unused, "4 warning S0101 " + unused,
		}, nil},
		{"the last line", "[[socket]]\nname = \"a\"\n# rindc:ignore K1303 why", []string{"2 " + warning, "3 warning S0101 " + unused}, nil},
		{"tabs and more marks", "[[socket]]\nname = \"a\" ##\trindc:ignore\tK1303\t two  words \n", nil, []string{"2 " + warning + ": two  words"}},
		{"without a reason", "[[socket]]\nname = \"a\" # rindc:ignore K1303\n", []string{"2 error S0102 the comment does not say why K1303 is ignored"}, []string{"2 " + warning + ":"}},
		{"without a code", "[[socket]]\nname = \"a\" # rindc:ignore\n", []string{"2 error S0102 the comment does not say which code to ignore", "2 " + warning}, nil},
		{"unknown code", "[[socket]]\nname = \"a\" # rindc:ignore K1330 why\n", []string{`2 error S0102 there is no code "K1330"`, "2 " + warning}, nil},
		{"an error", "[[socket]]\nname = \"a\" # rindc:ignore K1001 why\n", []string{"2 error S0102 K1001 cannot be ignored", "2 " + warning}, nil},
		{"only in a strict check", "[[socket]]\nname = \"a\" # rindc:ignore A4201 why\n", []string{"2 " + warning}, nil},
		{"misspelt", "[[socket]]\nname = \"a\" # rindc:ingore K1303 why\n", []string{`2 error S0102 there is no comment "rindc:ingore"`, "2 " + warning}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &source.File{Name: "f", Text: []byte(tt.text)}
			var ds []diag.Diagnostic
			for i := range strings.Count(tt.text, "[[socket]]") {
				place := at(f, "socket", i, "name")
				if span := decode.Locate(place); strings.HasPrefix(string(f.Text[span.Start:]), "[[") {
					continue // this one has no name
				}
				ds = append(ds, diag.Diagnostic{Code: "K1303", Severity: diag.Warning, At: place})
			}
			kept, suppressed := apply(t, policy.Policy{}, f, false, ds...)
			for i := range suppressed {
				suppressed[i] = strings.TrimRight(suppressed[i], " ")
			}
			slices.Sort(kept)
			slices.Sort(tt.kept)
			if diff := cmp.Diff(tt.kept, kept); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.suppressed, suppressed); diff != "" {
				t.Errorf("suppressed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPolicy(t *testing.T) {
	const ignored = "[[socket]] # rindc:ignore K1303 why\nname = \"a\"\n"
	finding := func(code diag.Code, s diag.Severity) diag.Diagnostic { return diag.Diagnostic{Code: code, Severity: s} }
	all := []diag.Diagnostic{
		finding("F5001", diag.Error), finding("K1303", diag.Warning), finding("F5009", diag.Note),
	}
	tests := []struct {
		name    string
		policy  policy.Policy
		text    string
		partial bool
		ds      []diag.Diagnostic
		want    []string
	}{
		{"nothing said", policy.Policy{}, "", false, all, []string{"error F5001", "warning K1303", "note F5009"}},
		{"deny warnings", policy.Policy{DenyWarnings: true}, "", false, all, []string{"error F5001", "error K1303", "note F5009"}},
		{"deny a code", policy.Policy{Deny: []diag.Code{"F5009"}}, "", false, all, []string{"error F5001", "warning K1303", "error F5009"}},
		{"allow", policy.Policy{Allow: []diag.Code{"K1303", "F5001", "F5009"}}, "", false, all, []string{"error F5001"}},
		{"allow before deny", policy.Policy{Allow: []diag.Code{"K1303"}, DenyWarnings: true}, "", false, all, []string{"error F5001", "note F5009"}},
		{"an error cannot be allowed", policy.Policy{Allow: []diag.Code{"K1001"}}, "", false, []diag.Diagnostic{finding("K1001", diag.Error)}, []string{"error K1001"}},
		{"unused is a warning", policy.Policy{}, ignored, false, nil, []string{"warning S0101"}},
		{"unused can be denied", policy.Policy{DenyWarnings: true}, ignored, false, nil, []string{"error S0101"}},
		{"unused can be allowed", policy.Policy{Allow: []diag.Code{diag.UnusedIgnore}}, ignored, false, nil, nil},
		{"unused is not known with an error", policy.Policy{}, ignored, false, all[:1], []string{"error F5001"}},
		{"unused is not known with a denied warning", policy.Policy{Deny: []diag.Code{"F5009"}}, ignored, false, all[2:], []string{"error F5009"}},
		{"unused is not known without all files", policy.Policy{}, ignored, true, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kept, _ := apply(t, tt.policy, &source.File{Name: "f", Text: []byte(tt.text)}, tt.partial, tt.ds...)
			var got []string
			for _, k := range kept {
				words := strings.Fields(k)
				got = append(got, words[1]+" "+words[2])
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTooManyComments: a file of nothing but comments is no way to make us slow.
func TestTooManyComments(t *testing.T) {
	const line = "# rindc:ignore K1303 why\n"
	count := func(n int) map[diag.Code]int {
		f := &source.File{Name: "f", Text: []byte(strings.Repeat(line, n))}
		list, _ := policy.Policy{}.Apply(&diag.List{}, policy.Context{Files: []*source.File{f}, Find: &decode.Index{}, Lookup: lookup})
		found := map[diag.Code]int{}
		for _, d := range list.All() {
			found[d.Code]++
		}
		return found
	}
	if diff := cmp.Diff(map[diag.Code]int{diag.UnusedIgnore: 10_000}, count(10_000)); diff != "" {
		t.Errorf("10000 comments (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[diag.Code]int{diag.TooManyIgnores: 1}, count(10_001)); diff != "" {
		t.Errorf("10001 comments (-want +got):\n%s", diff)
	}
}

// TestCommentsLaws: whatever the file has, a comment for us is found once, and
// only outside of strings.
func TestCommentsLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		want := 0
		for range rapid.IntRange(0, 12).Draw(t, "parts") {
			part := rapid.SampledFrom([]string{
				"x = 1", "\n", "\n\n", "# other\n", "s = \"# rindc:ignore K1303 no\"\n", "s = '''\n# rindc:ignore K1303 no\n'''", "\"\\\"\"", "[[socket]]\n",
				"# rindc:ignore K1303 yes\n", "\t#rindc:ignore K1303 yes\r\n",
			}).Draw(t, "part")
			if strings.Contains(part, "yes") {
				want++
			}
			b.WriteString(part)
		}
		f := &source.File{Name: "f", Text: []byte(b.String())}
		list, _ := policy.Policy{}.Apply(&diag.List{}, policy.Context{Files: []*source.File{f}, Find: &decode.Index{}, Lookup: lookup})
		if got := len(list.All()); got != want {
			t.Fatalf("%d comments reported, want %d, in %q", got, want, b.String())
		}
	})
}

func listOf(ds []diag.Diagnostic) *diag.List {
	l := &diag.List{}
	for _, d := range ds {
		l.Add(d)
	}
	return l
}
