package grammar

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
	"github.com/google/go-cmp/cmp"
)

// TestPlain has what has to be plain, so that a large plan compiles fast, and
// what has not.
func TestPlain(t *testing.T) {
	condition := func(s string) bool { _, ok := acceptCondition(s); return ok }
	inet := func(s string) bool { _, ok := acceptInet(s); return ok }
	unix := func(s string) bool { _, ok := acceptUnix(s); return ok }
	tests := []struct {
		name   string
		accept func(string) bool
		in     string
		want   bool
	}{
		{"name", condition, "ready", true},
		{"address", condition, "rind@online", true},
		{"state", condition, "state rind@maintenance-mode", true},
		{"signal", condition, " signal  ops@halt ", true},
		{"guard", condition, `signal ops@halt(target contains "now")`, true},
		{"guard of several tests", condition, `a(target/b == 1, not branch/c or target is json and target/d)`, true},
		{"operators", condition, `state rind@net-configured(branch/name == "eth0") and not state rind@maintenance-mode or b`, true},
		{"brackets", condition, "a and (b or not (c))", true},
		{"brackets in a guard", condition, "a((target/b or branch/c), not (target/d))", true},
		{"call", condition, "all(a, any(b, c and d))", true},
		{"list", condition, "a(target in [1, 2])", false},
		{"index", condition, "a(target[0] == 1)", false},
		{"two nots", condition, "not " + "not a", true},
		{"too deep", condition, strings.Repeat("(", 65) + "a" + strings.Repeat(")", 65), false},
		{"half a bracket", condition, "(a", false},
		{"call of nothing", condition, "all()", false},
		{"call without brackets", condition, "all", false},
		{"nothing", condition, "", false},
		{"half a guard", condition, "a(target == 1", false},
		{"too much", condition, "a b", false},

		{"IPv4", inet, "127.0.0.1:80", true},
		{"IPv6", inet, "[fe80::1%eth0]:80", true},
		{"any", inet, ":80", true},
		{"star", inet, "*:80", true},
		{"host", inet, "localhost:0", true},
		{"no port", inet, "127.0.0.1:", false},
		{"no colon", inet, "127.0.0.1", false},
		{"two colons", inet, "::80", false},
		{"open bracket", inet, "[::1:80", false},

		{"path", unix, "/run/web.sock", true},
		{"short path", unix, "/a", true},
		{"path that is not clean", unix, "/run//a", false},
		{"relative path", unix, "web.sock", false},
		{"abstract", unix, "@web", false},
		{"directory", unix, "/run/", false},
		{"root", unix, "/", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.accept(tt.in); got != tt.want {
				t.Errorf("%q is plain: %t, want %t", tt.in, got, tt.want)
			}
		})
	}
}

// checkPlain checks that what is plain has the tree that its grammar makes of it.
func checkPlain(t *testing.T, s string) (plain bool) {
	t.Helper()
	if s == "" {
		return false
	}
	if tree, ok := acceptInet(s); ok {
		plain = true
		compareTrees(t, inetParser(), s, &tree)
	}
	if tree, ok := acceptUnix(s); ok {
		plain = true
		compareTrees(t, unixParser(), s, &tree)
	}
	if len(s) > MaxCondition {
		return plain
	}
	if tree, ok := acceptCondition(s); ok {
		plain = true
		if bad := checkBrackets(s); bad != nil {
			t.Errorf("%q is plain, but its brackets are not: %s", s, bad.Message)
			return plain
		}
		compareTrees(t, conditionParser(), s, tree)
	}
	return plain
}

func compareTrees[T any](t *testing.T, parser *participle.Parser[T], s string, got *T) {
	t.Helper()
	want, err := parser.ParseString("", s)
	if err != nil {
		t.Errorf("%q is plain, but the grammar refuses it: %v", s, err)
		return
	}
	trees := cmp.Exporter(func(reflect.Type) bool { return true })
	offsets := cmp.Comparer(func(a, b lexer.Position) bool { return a.Offset == b.Offset }) // nobody asks for more
	if diff := cmp.Diff(want, got, trees, offsets); diff != "" {
		t.Errorf("%q (-grammar +plain):\n%s", s, diff)
	}
}

// TestPlainLaws checks sentences made of the words of conditions, most of which
// are nearly right.
func TestPlainLaws(t *testing.T) {
	words := strings.Fields(`a ops@halt app/web@up state signal not and or all any ( ( ) ) , target branch / / == != contains is
		has in json "x" 'y' 1 -2.5e+3 true null [ ] { } : = $`)
	atoms := []string{"a", "state b", "signal c@d", `e(target == "x")`, "not f", "state g(branch/h contains 'i', not target)", "all", "is"}
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same sentences in every run
	pick := func(list []string) string { return list[rng.IntN(len(list))] }
	const sentences = 5_000
	plain := 0
	for range sentences {
		var b strings.Builder
		for i := range 1 + rng.IntN(4) {
			if i > 0 {
				b.WriteString(pick([]string{" and ", " or ", " ", "\tand "}))
			}
			b.WriteString(pick(atoms))
		}
		s := b.String()
		if rng.IntN(2) == 0 {
			i := rng.IntN(len(s) + 1)
			s = s[:i] + pick([]string{"", " "}) + pick(words) + s[i:]
		}
		if checkPlain(t, s) {
			plain++
		}
	}
	if plain < sentences/10 || plain > sentences*9/10 {
		t.Errorf("%d of %d sentences are plain: the test shows nothing", plain, sentences)
	}
}

func FuzzPlain(f *testing.F) {
	for _, s := range []string{
		`state rind@net-configured(branch/name == "eth0") and not state rind@maintenance-mode`,
		`a(target is json, not branch or target/"k" has 'x' and branch/b <= -1e+3)`, `not signal not`, `state state(target)`,
		"127.0.0.1:80", "[fe80::1%eth0]:80", "*:1", ":2", "/run/a.sock", "/a/./b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkPlain(t, s) })
}
