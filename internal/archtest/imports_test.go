package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rind-sockets/rind"

// mayImport lists every package and the packages of this module it may import.
// A package missing from the table, or listed but gone, fails the test, so the
// table is always the whole truth.
var mayImport = map[string][]string{
	// What both programs share.
	"plan":               {"plan/cond"},
	"plan/cond":          {},
	"plan/words":         {"plan", "plan/cond"},
	"plan/graph":         {"plan", "plan/cond", "plan/words"},
	"plan/diff":          {"plan", "plan/graph", "plan/words"},
	"plan/explain":       {"plan", "plan/graph", "plan/words"},
	"internal/fdpass":    {},
	"internal/ownthread": {},

	// rindc.
	"compiler/source":      {},
	"compiler/diag":        {"compiler/source"},
	"compiler/diag/render": {"compiler/diag", "compiler/source"},
	"grammar":              {"plan/cond", "compiler/source", "compiler/diag"},
	"compiler/unit":        {"compiler/source", "grammar"},
	"compiler/decode":      {"compiler/diag", "compiler/source", "compiler/unit", "grammar"},
	"compiler/resolve":     {"compiler/diag", "compiler/source", "compiler/unit", "grammar", "plan", "plan/cond"},
	"compiler/typing":      {"compiler/diag", "compiler/resolve", "compiler/source", "compiler/unit", "grammar", "plan", "plan/cond"},
	"compiler/action":      {"compiler/diag", "compiler/resolve", "compiler/source", "compiler/typing", "compiler/unit", "grammar", "plan", "plan/cond"},
	"compiler/check":       {"compiler/action", "compiler/check/graph", "compiler/check/sat", "compiler/diag", "compiler/resolve", "compiler/source", "compiler/typing", "compiler/unit", "grammar", "plan", "plan/cond", "plugins", "plugins/manifest"},
	"compiler/check/graph": {},
	"compiler/check/sat":   {"plan/cond"},
	"compiler/lower":       {"compiler/action", "compiler/check", "compiler/resolve", "compiler/source", "compiler/typing", "compiler/unit", "grammar", "plan", "plan/cond", "plugins", "plugins/manifest"},
	"compiler/format":      {"compiler/decode", "compiler/diag", "compiler/source", "grammar"},
	"compiler/schema":      {"compiler/action", "compiler/unit", "grammar", "plan", "plan/cond", "plugins/manifest"},
	"compiler/policy":      {"compiler/diag", "compiler/source", "grammar"},
	"compiler/scenario":    {"compiler/diag", "compiler/source", "grammar", "plan", "plan/cond", "runtime/flow"},
	"compiler":             {"compiler/action", "compiler/check", "compiler/decode", "compiler/diag", "compiler/lower", "compiler/policy", "compiler/resolve", "compiler/source", "compiler/typing", "compiler/unit", "plan", "plugins", "plugins/manifest"},
	"compiler/workload":    {},
	"cmd/rindc":            {"compiler", "compiler/diag", "compiler/diag/render", "compiler/format", "compiler/policy", "compiler/scenario", "compiler/schema", "compiler/source", "plan", "plan/diff", "plan/explain", "plan/graph", "plugins", "plugins/lock", "plugins/manifest"},

	// rindrun.
	"api/rind/control/v1":                  {},
	"api/rind/control/v1/controlv1connect": {"api/rind/control/v1"},
	"runtime/flow":                         {"plan", "plan/cond"},
	"runtime/loop":                         {"plan", "plan/cond", "runtime/flow"},
	"runtime/listen":                       {"internal/ownthread", "runtime/peer"},
	"runtime/record":                       {"plan", "plan/cond", "runtime/flow"},
	"runtime/store":                        {"plan", "plan/cond"},
	"runtime/notify":                       {},
	"runtime/activation":                   {"plan", "runtime/flow"},
	"runtime/metrics":                      {"plan", "runtime/activation", "runtime/flow", "runtime/unixsock"},
	"runtime/tracing":                      {"plan", "runtime/activation", "runtime/flow"},
	"runtime/peer":                         {},
	"runtime/unixsock":                     {},
	"runtime/proc":                         {"runtime/proc/nofile"},
	"runtime/proc/nofile":                  {},
	"runtime/pluginhost":                   {"internal/fdpass", "plugins/transport/transportv1", "plugins/transport/wire"},
	"runtime/control":                      {"api/rind/control/v1", "api/rind/control/v1/controlv1connect", "plan", "plan/cond", "runtime/flow", "runtime/loop", "runtime/peer", "runtime/unixsock"},
	"runtime/daemon":                       {"api/rind/control/v1", "plan", "plan/cond", "plan/diff", "plugins/transport/transportv1", "runtime/control", "runtime/flow", "runtime/listen", "runtime/loop", "runtime/metrics", "runtime/notify", "runtime/peer", "runtime/pluginhost", "runtime/proc", "runtime/record", "runtime/store", "runtime/tracing"},
	"cmd/rindrun":                          {"api/rind/control/v1", "api/rind/control/v1/controlv1connect", "plan", "runtime/control", "runtime/daemon", "runtime/metrics", "runtime/proc", "runtime/record"},

	// Plugins.
	"plugins":                         {"plugins/manifest"},
	"plugins/manifest":                {},
	"plugins/lock":                    {"plugins", "plugins/manifest"},
	"plugins/transport":               {"internal/fdpass", "plugins/manifest", "plugins/transport/transportv1", "plugins/transport/wire"},
	"plugins/transport/wire":          {},
	"plugins/transport/transportv1":   {},
	"plugins/transport/transporttest": {"internal/fdpass", "plugins/manifest", "plugins/transport", "plugins/transport/transportv1", "plugins/transport/wire"},
	"plugins/*":                       {"plugins", "plugins/transport"}, // any other folder is one plugin

	// Tests and examples: they know the programs from outside, and the messages
	// of the control interface.
	"e2e":                       {},
	"e2e/badplugin":             {"internal/fdpass", "plugins", "plugins/manifest", "plugins/transport/transportv1", "plugins/transport/wire"},
	"e2e/activationd":           {},
	"e2e/compilebench":          {"compiler", "compiler/workload"},
	"e2e/probe":                 {"e2e"},
	"examples/demo":             {"api/rind/control/v1"},
	"examples/quickstart/echod": {},
	"internal/archtest":         {},
}

// mayNotReach lists what a program must not contain, even indirectly.
var mayNotReach = map[string][]string{
	"cmd/rindc": {
		module + "/runtime/loop", module + "/runtime/listen", module + "/runtime/peer", module + "/runtime/proc", module + "/runtime/pluginhost",
		module + "/runtime/control", module + "/runtime/daemon", module + "/runtime/store", module + "/runtime/notify", // all but flow, for scenarios
		module + "/plugins/transport", module + "/api/", module + "/internal/fdpass",
		"google.golang.org/grpc", "github.com/hashicorp/go-plugin", "connectrpc.com/connect", "net/http",
	},
	"cmd/rindrun": {
		module + "/compiler", module + "/grammar", module + "/plugins/manifest",
		"github.com/alecthomas/participle", "github.com/BurntSushi/toml",
	},
	"plugins/*": {module + "/runtime/", module + "/compiler", module + "/grammar", module + "/plan"},
}

// generated packages carry the comments of their .proto files.
var generated = []string{
	"api/rind/control/v1", "api/rind/control/v1/controlv1connect", "plugins/transport/transportv1",
}

// pure packages compute; they do not touch the world.
var pure = []string{
	"grammar", "compiler/source", "compiler/diag", "compiler/unit", "compiler/resolve", "compiler/typing", "compiler/action",
	"compiler/check", "compiler/check/graph", "compiler/check/sat", "compiler/lower", "compiler/policy", "compiler/schema", "plan", "plan/cond", "plan/words", "plan/graph", "plan/diff",
	"plan/explain", "runtime/activation", "runtime/flow",
}

// worldly is the part of the standard library that pure packages may not use.
var worldly = []string{
	"os", "os/exec", "net", "net/http", "syscall", "log", "log/slog", "math/rand", "math/rand/v2", "sync", "sync/atomic",
}

// excepted are the parts that a pure package may use all the same.
var excepted = map[string]string{
	"grammar": "sync", // each parser is made when it is first needed, and then never changes
}

// bannedNames are package names that say nothing.
var bannedNames = []string{
	"util", "utils", "common", "helper", "helpers", "misc", "base", "types", "model", "models", "shared", "api", "lib", "internal",
}

// rule returns the entry for a package: its own, or that of its folder.
func rule[V any](table map[string]V, name string) (V, bool) {
	if v, ok := table[name]; ok {
		return v, true
	}
	v, ok := table[path.Dir(name)+"/*"]
	return v, ok
}

type pkg struct {
	ImportPath, Name, Doc string
	Imports, Deps         []string
}

// list returns the packages of the module by their path within it.
func list(t *testing.T) map[string]pkg {
	t.Helper()
	// The go command caches test results by the files that the test process
	// itself looks at, and "go list" looks at the sources in a child process.
	// Looking at every folder here keeps a stale pass from hiding a new import.
	err := filepath.WalkDir(root, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && skipped(d.Name()) {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Name,Doc,Imports,Deps", "./...")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	pkgs := map[string]pkg{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs[strings.TrimPrefix(p.ImportPath, module+"/")] = p
	}
}

func TestImports(t *testing.T) {
	pkgs := list(t)
	for name, p := range pkgs {
		allowed, ok := rule(mayImport, name)
		if !ok {
			t.Errorf("package %s is not in mayImport; say what it may import", name)
			continue
		}
		for _, imp := range p.Imports {
			if in, ok := strings.CutPrefix(imp, module+"/"); ok && !slices.Contains(allowed, in) {
				t.Errorf("%s imports %s, but may only import %v", name, in, allowed)
			}
			if slices.Contains(pure, name) && slices.Contains(worldly, imp) && excepted[name] != imp {
				t.Errorf("%s is pure but imports %q", name, imp)
			}
		}
	}
	for name := range mayImport {
		if _, ok := pkgs[name]; !ok && !strings.HasSuffix(name, "/*") {
			t.Errorf("mayImport lists %s, which does not exist", name)
		}
	}
	for _, name := range pure {
		if _, ok := pkgs[name]; !ok {
			t.Errorf("pure lists %s, which does not exist", name)
		}
	}
}

func TestPrograms(t *testing.T) {
	pkgs := list(t)
	for name, p := range pkgs {
		banned, _ := rule(mayNotReach, name)
		for _, dep := range p.Deps {
			for _, prefix := range banned {
				if strings.HasPrefix(dep, prefix) {
					t.Errorf("%s contains %s", name, dep)
				}
			}
		}
	}
}

func TestPackageDocs(t *testing.T) {
	for name, p := range list(t) {
		if slices.Contains(generated, name) {
			continue
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + path.Base(name) + " "
			if _, ok := mayImport[name]; !ok { // a plugin is named after its program
				want = "Command rind-transport-" + path.Base(name) + " "
			}
		}
		if !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s: package doc is %q, want it to begin %q", name, p.Doc, want)
		}
	}
}

func TestPackageNames(t *testing.T) {
	for name, p := range list(t) {
		if slices.Contains(bannedNames, p.Name) {
			t.Errorf("%s: package name %q says nothing about what it holds", name, p.Name)
		}
	}
}
