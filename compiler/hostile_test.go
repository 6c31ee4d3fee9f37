package compiler_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/diag/render"
)

// hostile are inputs of which each byte, or nearly so, is there to cost time or
// memory. n is how often the part is repeated that matters.
var hostile = []struct {
	name string
	make func(n int) []compiler.Input
	code diag.Code // that is reported; "" for a plan
}{
	{"ignored units", lines("", func(int) string { return "[[mount]]\n" }), diag.IgnoredKind},
	{"keys that nobody has", lines("", func(i int) string { return fmt.Sprintf("[[socket]]\nkey%d=1\n", i) }), diag.UnknownKey},
	{"a hundred errors in each unit", lines("", func(i int) string {
		return fmt.Sprintf("[[socket]]\nname='s%d'\n", i) + manyKeys
	}), diag.UnknownKey},
	{"one name", lines("", func(int) string { return "[[signal]]\nname='a'\npayload='none'\n" }), resolveDuplicate},
	{"one syntax error in each unit", lines("", func(int) string { return "[[socket]]\nname=\n" }), diag.InvalidTOML},
	{"names that are nearly those of others", lines("", func(i int) string {
		return fmt.Sprintf("[[service]]\nname='service%d'\nrun.exec='/b'\nafter=['servise%d']\n", i, i)
	}), resolveUnknown},
	{"suppression comments", lines("", func(int) string { return "# rindc:ignore K1003 why\n" }), diag.UnusedIgnore},
	{"wrong suppression comments", lines("", func(int) string { return "# rindc:ignore X why\n" }), diag.InvalidIgnore},
	{"an array", oneLine("[[state]]\nname='s'\npayload='json'\n[[socket]]\nname='a'\ntype='tcp'\nlisten=':1'\noptions.x=[", "1,", "]\n"), checkUnknownOption},
	{"a long line of mistakes", oneLine("[[socket]]\nname='a'\ntype='tcp'\nlisten=':1'\nmanaged-by=[", "true,", "]\n"), diag.WrongType},
	{"tables of one unit", lines("[[socket]]\nname='a'\n", func(i int) string { return fmt.Sprintf("[socket.t%d]\n", i) }), diag.UnknownKey},
	{"keys outside of units", lines("", func(i int) string { return fmt.Sprintf("k%d=1\n", i) }), diag.UnknownKind},
	{"nested conditions", lines("", func(i int) string {
		return fmt.Sprintf("[[signal]]\nname='g%d'\npayload='none'\nafter=[%s'state s'%s]\n", i, strings.Repeat("{all=[", 25), strings.Repeat("]}", 25))
	}), ""},
	{"parentheses", lines("", func(i int) string {
		return fmt.Sprintf("[[signal]]\nname='g%d'\npayload='none'\nafter=['%s']\n", i, strings.Repeat("(", 8000))
	}), ""},
	{"files with one error each", func(n int) []compiler.Input {
		var in []compiler.Input
		for i := range n {
			in = append(in, input(fmt.Sprintf("f%d", i), "[[socket]]\n"))
		}
		return in
	}, diag.MissingKey},
}

const (
	resolveDuplicate   diag.Code = "N2101"
	resolveUnknown     diag.Code = "N2103"
	checkUnknownOption diag.Code = "A4105"
)

var manyKeys = func() string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "k%d=1\n", i)
	}
	return b.String()
}()

func lines(head string, line func(i int) string) func(int) []compiler.Input {
	return func(n int) []compiler.Input {
		var b strings.Builder
		b.WriteString(head)
		for i := range n {
			b.WriteString(line(i))
		}
		return []compiler.Input{input("a", b.String())}
	}
}

func oneLine(head, part, tail string) func(int) []compiler.Input {
	return func(n int) []compiler.Input {
		return []compiler.Input{input("a", head+strings.Repeat(part, n)+tail)}
	}
}

// Unknown names beyond the first thousand are only counted, also by the parts of the
// units that are bound at the same time. What is shown says which name it is about.
func TestS161UnknownNamesAreCounted(t *testing.T) {
	const n = 6000
	unknown := lines("", func(i int) string {
		return fmt.Sprintf("[[service]]\nname='s%d'\nrun.exec='/b'\nafter=['nothing%d']\nstart-on=['state never%d']\n", i, i, i)
	})
	res := compiler.Compile(unknown(n), compiler.Options{})
	if got := res.Diags.Errors(); got < 2*n {
		t.Errorf("%d errors, want %d names that are unknown", got, 2*n)
	}
	for _, d := range res.Diags.All() {
		if d.Code == resolveUnknown && (!strings.Contains(d.Message, " is named ") || d.Help == "") {
			t.Fatalf("%q, help %q", d.Message, d.Help)
		}
	}
}

// TestS161Hostile bounds what is kept of each of them, whatever its size, and what
// each format makes of that.
func TestS161Hostile(t *testing.T) {
	const (
		n        = 1200
		mostKept = 25_000   // diagnostics
		mostText = 40 << 20 // bytes of a report
	)
	for _, tt := range hostile {
		t.Run(tt.name, func(t *testing.T) {
			count := n
			if tt.code == "" {
				count = n / 10 // each of them is large, and nothing is counted
			}
			res := compiler.Compile(tt.make(count), compiler.Options{})
			all := diag.Sorted(res.Diags.All(), res.Locate)
			if res.Plan == nil && res.Diags.Errors() == 0 {
				t.Error("neither a plan nor an error")
			}
			if len(all) > mostKept {
				t.Errorf("%d diagnostics", len(all))
			}
			kept := map[diag.Code]int{}
			for _, d := range all {
				if kept[d.Code]++; d.Severity == diag.Error && kept[d.Code] > 1000 {
					t.Fatalf("more than 1000 errors of %s are kept", d.Code)
				}
				if len(d.Message) > 1024 || len(d.Help) > 4096 || len(d.Labels) > 20 {
					t.Errorf("%s has a message of %d bytes, a help of %d, %d labels", d.Code, len(d.Message), len(d.Help), len(d.Labels))
				}
			}
			if tt.code != "" && kept[tt.code] == 0 {
				t.Errorf("%s is not reported, but %v", tt.code, kept)
			}
			for _, f := range render.Formats {
				w := &counter{}
				report := render.Report{Diags: all, Suppressed: res.Suppressed, Locate: res.Locate, Lookup: compiler.Lookup}
				if err := f.Write(w, report); err != nil {
					t.Errorf("%s: %v", f.Name, err)
				}
				if w.n > mostText {
					t.Errorf("%s has %d bytes", f.Name, w.n)
				}
			}
		})
	}
}

// counter counts what is written to it.
type counter struct{ n int }

func (c *counter) Write(p []byte) (int, error) {
	c.n += len(p)
	return len(p), nil
}

// BenchmarkHostile compiles and renders each of them.
func BenchmarkHostile(b *testing.B) {
	for _, tt := range hostile {
		b.Run(tt.name, func(b *testing.B) {
			inputs := tt.make(20_000)
			size := 0
			for _, in := range inputs {
				size += len(in.Text)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				res := compiler.Compile(inputs, compiler.Options{})
				if err := render.Text(io.Discard, diag.Sorted(res.Diags.All(), res.Locate), res.Locate, render.TextOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
