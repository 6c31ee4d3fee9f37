package compiler_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/compiler/action"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/plugins"
)

// TestLanguageManual keeps docs/language.md true: its examples compile, and it
// names every kind, key, operator, action, reference, transport and option.
func TestLanguageManual(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "docs", "language.md"))
	if err != nil {
		t.Fatal(err)
	}
	manual := string(data)
	blocks := strings.Split(manual, "```toml\n")[1:]
	if len(blocks) == 0 {
		t.Error("no example found")
	}
	for _, b := range blocks {
		text, _, _ := strings.Cut(b, "```")
		compile(t, input("example", text))
	}
	mention := func(what, word string) {
		if !strings.Contains(manual, word) {
			t.Errorf("%s %s is not documented", what, word)
		}
	}
	seen := map[*unit.Table]bool{}
	var keys func(t *unit.Table)
	keys = func(t *unit.Table) {
		if seen[t] {
			return
		}
		seen[t] = true
		for _, f := range t.Fields {
			mention("key of "+t.Name, "`"+f.Key)
			if inner, ok := f.Table(); ok {
				keys(inner)
			}
		}
		for _, key := range t.Foreign {
			mention("foreign key of "+t.Name, "`"+key+"`")
		}
	}
	for i := range unit.Kinds {
		mention("kind", "`"+unit.Kinds[i].Name+"`")
		keys(&unit.Kinds[i].Table)
	}
	for _, o := range cond.Operators {
		if o.Op != cond.OpExists { // a path alone
			mention("operator", "`"+string(o.Op)+"`")
		}
	}
	for _, name := range cond.TypeNames {
		mention("type", "`"+name+"`")
	}
	for _, f := range plan.Facts {
		mention("fact", "`"+f.Name+"`")
	}
	ebnf, err := os.ReadFile(filepath.Join("..", "grammar", "testdata", "condition.ebnf"))
	if err != nil {
		t.Fatal(err)
	}
	mention("grammar", "```ebnf\n"+string(ebnf)+"```")
	for _, a := range action.Actions {
		mention("action", "`"+a.Key)
	}
	for _, m := range plugins.Builtin() {
		for _, s := range m.Schemes {
			for _, o := range s.Options {
				mention("option of "+s.Name, "`"+o.Name+"`")
			}
		}
	}
}

// TestPlanManual keeps the lists of docs/plan.md true.
func TestPlanManual(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "docs", "plan.md"))
	if err != nil {
		t.Fatal(err)
	}
	manual := string(data)
	for _, op := range plan.Ops {
		if !strings.Contains(manual, "`"+string(op)+"`") {
			t.Errorf("operation %s is not documented", op)
		}
	}
	for _, f := range plan.Features {
		if row := "| `" + f.Name + "` | " + f.Doc + " |"; !strings.Contains(manual, row) {
			t.Errorf("the manual lacks the row %s", row)
		}
	}
}
