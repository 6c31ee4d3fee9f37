package compiler_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/compiler/action"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plugins"
)

// TestLanguageManual keeps docs/language.md true: its examples compile, and it
// names every kind, key, action, transport and option.
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
	for _, k := range unit.Kinds {
		mention("kind", "`"+k.Name+"`")
		for _, f := range k.Fields {
			mention("key of "+k.Name, "`"+f.Key)
		}
	}
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
