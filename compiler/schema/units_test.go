package schema_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"github.com/rind-sockets/rind/compiler/action"
	"github.com/rind-sockets/rind/compiler/schema"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/grammar"
	"github.com/rind-sockets/rind/plugins"
)

func units(t *testing.T) validator {
	t.Helper()
	text, err := schema.Units(plugins.Builtin()).Encode()
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, text)
}

// decoded returns TOML as the JSON that an editor compares with the schema.
func decoded(t *testing.T, text string) any {
	t.Helper()
	var v map[string]any
	if _, err := toml.Decode(text, &v); err != nil {
		t.Fatalf("decode\n%s\n%v", text, err)
	}
	return throughJSON(t, v)
}

func throughJSON(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestUnitsOfRepository validates every unit file of the repository.
func TestUnitsOfRepository(t *testing.T) {
	v := units(t)
	n := 0
	for _, dir := range []string{"../../examples", "../decode/testdata/clean", "../testdata"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".toml" {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			n++
			for _, bad := range v.errors(decoded(t, string(text))) {
				// The decoder does not know the options, and its test has others.
				if !strings.Contains(path, "decode") || !strings.Contains(bad, ".options.") {
					t.Errorf("%s%s", path, bad)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n == 0 {
		t.Error("there are no unit files")
	}
}

// TestActionExamples validates the example of every action.
func TestActionExamples(t *testing.T) {
	v := units(t)
	for _, a := range action.Actions {
		text := "[[service]]\nname = \"x\"\nrun.exec = \"a\"\non-start = [" + a.Example + "]\n"
		for _, bad := range v.errors(decoded(t, text)) {
			t.Errorf("example of %s: %s", a.Key, bad)
		}
	}
}

// TestMistakes checks the mistakes that an editor should mark while one types,
// beside what is right about the same key.
func TestMistakes(t *testing.T) {
	const (
		socket  = "[[socket]]\nname = \"a\"\ntype = \"tcp\"\nlisten = \"127.0.0.1:80\"\n"
		service = "[[service]]\nname = \"a\"\nrun.exec = \"a\"\n"
	)
	tests := []struct {
		name, text, want string // want: part of the only or the first error
	}{
		{"empty file", "", ""},
		{"unknown kind", "[[sokcet]]\n", ".sokcet: unknown key"},
		{"single table", "[socket]\nname = \"a\"\n", "is no array"},
		{"foreign kind", "[[mount]]\nsource = 1\n", ""},
		{"newer kind", "[[facet]]\n", ".facet: unknown key"},
		{"required key", "[[socket]]\nname = \"a\"\ntype = \"tcp\"\n", "listen is missing"},
		{"unknown key", socket + "start_on = []\n", ".start_on: unknown key"},
		{"wrong type", socket + "enabled = \"yes\"\n", ".enabled: yes is no boolean"},
		{"name", strings.ReplaceAll(socket, `"a"`, `"a@b"`), "does not match"},
		{"word", socket + "lifecycle = \"own\"\n", "is not one of"},
		{"third-party transport", strings.ReplaceAll(socket, `"tcp"`, `"vsock"`) + "options = { cid = 3 }\n", ""},
		{"option", socket + "options = { backlog = 100 }\n", ""},
		{"preferred option", socket + "options = { backlog = { prefer = 100 } }\n", ""},
		{"unknown option", socket + "options = { mode = \"0666\" }\n", "unknown key"},
		{"type of option", socket + "options = { backlog = \"many\" }\n", "none of the alternatives"},
		{"range of option", socket + "options = { backlog = 0 }\n", "none of the alternatives"},
		{"bare condition", socket + "start-on = [\"a@b\", { state = \"c@d\", target = \"x\" }]\n", ""},
		{"conditions not in an array", socket + "start-on = \"a@b\"\n", "is no array"},
		{"condition of nothing", socket + "start-on = [{ target = \"x\" }]\n", "none of the alternatives"},
		{"condition of two things", socket + "start-on = [{ state = \"a@b\", signal = \"c@d\" }]\n", "none of the alternatives"},
		{"newer key", socket + "start-on = [{ facet = \"a@b\" }]\n", "none of the alternatives"},
		{"test", socket + "start-on = [{ state = \"a@b\", target = { as = { a = 1 } } }]\n", ""},
		{"test of two kinds", socket + "start-on = [{ state = \"a@b\", target = { as = {}, contains = \"x\" } }]\n", "none of the alternatives"},
		{"trigger", socket + "trigger = [{ script = \"true\" }, { exec = \"a\", args = [\"b\"] }]\n", ""},
		{"trigger with two actions", socket + "trigger = [{ script = \"true\", exec = \"a\" }]\n", "2 of the alternatives"},
		{"trigger without an action", socket + "trigger = [{ payload = \"true\" }]\n", "0 of the alternatives"},
		{"permission ids", socket + "permissions = [\"a@b\", 1000]\n", ""},
		{"permission id", socket + "permissions = [70000]\n", "none of the alternatives"},
		{"run as a list", "[[service]]\nname = \"a\"\nrun = [{ exec = \"a\" }, { exec = \"b\", args = [\"c\"], env = { D = \"e\" } }]\n", ""},
		{"run as a string", "[[service]]\nname = \"a\"\nrun = \"a\"\n", "none of the alternatives"},
		{"env", service + "env = { A = 1 }\n", ".env.A: 1 is no string"},
		{"restart", service + "restart = { max_retries = 3, backoff = \"100ms\" }\n", ""},
		{"restart as a string", service + "restart = \"always\"\n", "none of the alternatives"},
		{"duration", service + "stop = { timeout = \"1h30m\" }\n", ""},
		{"duration in seconds", service + "stop = { timeout = 5 }\n", ""},
		{"no duration", service + "stop = { timeout = \"5 seconds\" }\n", "none of the alternatives"},
		{"resource limits", service + "limits = { nofile = 1024, nproc = \"infinity\", core = { soft = 0, hard = \"infinity\" } }\n", ""},
		{"unknown resource", service + "limits = { files = 1024 }\n", ".files: unknown key"},
		{"payload", "[[state]]\nname = \"a\"\npayload = \"text\"\n", "is not one of"},
	}
	v := units(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(v.errors(decoded(t, tt.text)), "\n")
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("errors of\n%s\n%s\nwant %q", tt.text, got, tt.want)
			}
		})
	}
}

// TestPatterns compares the patterns of the schema with the parsers.
func TestPatterns(t *testing.T) {
	v := units(t)
	timer := func(name, duration string) any {
		return map[string]any{"timer": []any{map[string]any{"name": name, "duration": duration}}}
	}
	for _, name := range []string{"a", "A.b_c-9", "", "a b", "a@b", "a/b", "é", strings.Repeat("x", 200), strings.Repeat("x", 201)} {
		if ok, want := len(v.errors(timer(name, "1s"))) == 0, grammar.CheckName(name) == nil; ok != want {
			t.Errorf("name %q is fine: %t, want %t", name, ok, want)
		}
	}
	for _, d := range []string{"1s", "100ms", "1h30m", "2d", "1.5s", "10", "5us", "", "s", "1", "1 s", "1x", "1s2", "5m5"} {
		if _, err := grammar.ParseDuration(d); (len(v.errors(timer("a", d))) == 0) != (err == nil) {
			t.Errorf("duration %q: the schema says %v, the parser %v", d, v.errors(timer("a", d)), err)
		}
	}
}

// TestUnitsAreDocumented checks that every key of the field table is in the
// schema, with its description.
func TestUnitsAreDocumented(t *testing.T) {
	s := schema.Units(plugins.Builtin())
	for _, k := range unit.Kinds {
		if k.Support == unit.Foreign {
			continue
		}
		for _, f := range k.Fields {
			got, ok := s.Definitions[k.Name].Properties[f.Key]
			if !ok || !strings.HasPrefix(got.Description, f.Doc) {
				t.Errorf("key %s of %s is %+v, want the description %q", f.Key, k.Name, got, f.Doc)
			}
		}
	}
}
