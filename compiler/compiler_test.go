package compiler_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/action"
	"github.com/rind-sockets/rind/compiler/check"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/typing"
	"github.com/rind-sockets/rind/compiler/workload"
	"github.com/rind-sockets/rind/plan"
)

func input(group, text string) compiler.Input {
	return compiler.Input{Name: group + ".toml", Group: group, Text: []byte(text)}
}

// compile compiles inputs that have no errors.
func compile(tb testing.TB, inputs ...compiler.Input) *plan.Plan {
	tb.Helper()
	res := compiler.Compile(inputs, compiler.Options{Compiler: "rindc test"})
	if res.Plan == nil {
		tb.Fatalf("compile: %q", problems(res))
	}
	if err := res.Plan.Validate(); err != nil {
		tb.Fatalf("the plan is invalid: %v", err)
	}
	return res.Plan
}

// problems shows what was reported as "file:line CODE message", sorted.
func problems(res compiler.Result) []string {
	var out []string
	for _, d := range diag.Sorted(res.Diags.All(), res.Locate) {
		place := ""
		if at := d.Where(res.Locate); at.File != nil {
			line, _ := at.File.Position(at.Start)
			place = fmt.Sprintf("%s:%d ", at.File.Name, line)
		}
		out = append(out, fmt.Sprintf("%s%s %s", place, d.Code, d.Message))
	}
	return out
}

// everything returns unit files that use every field that this version supports.
func everything(tb testing.TB) []compiler.Input {
	tb.Helper()
	var inputs []compiler.Input
	for _, group := range []string{"web/http", "defs"} {
		text, err := os.ReadFile(filepath.Join("testdata", "everything", group+".toml"))
		if err != nil {
			tb.Fatal(err)
		}
		inputs = append(inputs, input(group, string(text)))
	}
	return inputs
}

func TestS162Deterministic(t *testing.T) {
	sorted := everything(t)
	want, err := compile(t, sorted...).Encode()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		inputs := rapid.Permutation(sorted).Draw(t, "inputs")
		res := compiler.Compile(inputs, compiler.Options{Compiler: "rindc test"})
		got, err := res.Plan.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("the order of inputs changes the plan:\n%s", cmp.Diff(string(want), string(got)))
		}
	})
}

// The checks share the units out among the processors; what is found, and what is
// suggested while there is something left of that, is the same with any number.
func TestS162DeterministicOnAnyMachine(t *testing.T) {
	inputs := inputsOf(workload.Files(400))
	for i := range inputs {
		inputs[i].Text = fmt.Appendf(inputs[i].Text, "\n[[socket]]\nname = \"bad\"\ntype = \"tcp\"\nlisten = \"127.0.0.1:%d\"\nowner = \"app-00%02d\"\nstart-on = ['stat ready%d']\n", i+1, i, i)
	}
	valid := inputsOf(workload.Files(400))
	var want []string
	var built []byte
	for _, processors := range []int{1, 2, 8} {
		before := runtime.GOMAXPROCS(processors)
		got := problems(compiler.Compile(inputs, compiler.Options{}))
		text, err := compile(t, valid...).Encode()
		runtime.GOMAXPROCS(before)
		if err != nil {
			t.Fatal(err)
		}
		if built == nil {
			built = text
		}
		if !bytes.Equal(built, text) {
			t.Errorf("with %d processors the plan is another one", processors)
		}
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("with %d processors (-with 1 +now):\n%s", processors, diff)
		}
	}
	if len(want) < 2*len(inputs) {
		t.Errorf("%d findings in %d broken files", len(want), len(inputs))
	}
}

func TestRoundTrip(t *testing.T) {
	p := compile(t, everything(t)...)
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	q, err := plan.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := q.Encode()
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("encoding a decoded plan gives other bytes (%v):\n%s", err, cmp.Diff(string(data), string(again)))
	}
}

func TestDefaults(t *testing.T) {
	p := compile(t, input("g", "[[socket]]\nname = \"s\"\ntype = \"tcp\"\nlisten = \"LOCALHOST:80\"\n"))
	want := []plan.Socket{{Name: "g@s", Type: "tcp", Listen: "localhost:80", Lifecycle: plan.Managed, Enabled: true, FDName: "s"}}
	if diff := cmp.Diff(want, p.Sockets); diff != "" {
		t.Errorf("S7 sockets (-want +got):\n%s", diff)
	}
	if len(p.States)+len(p.Signals)+len(p.Permissions) != 0 {
		t.Errorf("builtin definitions that nothing refers to are in the plan: %+v", p)
	}
}

func TestOrderIsThatOfDefinition(t *testing.T) {
	sock := func(name string) string {
		return fmt.Sprintf("[[socket]]\nname = %q\ntype = \"uds\"\nlisten = \"/run/%s\"\nowner = \"m@srv\"\n", name, name)
	}
	p := compile(t,
		input("z", sock("a")),
		input("m", "[[service]]\nname = \"srv\"\nrun.exec = \"x\"\n"+sock("y")+sock("b")),
	)
	var got []plan.Name
	for _, s := range p.Index().SocketsOf("m@srv") {
		got = append(got, s.Name)
	}
	if want := []plan.Name{"m@y", "m@b", "z@a"}; !slices.Equal(got, want) {
		t.Errorf("SocketsOf = %v, want %v: files by group, then the order in the file", got, want)
	}
}

func TestS15OneNameForSeveralKinds(t *testing.T) {
	p := compile(t, input("g", "[[socket]]\nname = \"x\"\ntype = \"tcp\"\nlisten = \":80\"\nowner = \"x\"\n[[service]]\nname = \"x\"\nrun.exec = \"x\"\n"))
	if p.Sockets[0].Owner != "g@x" || p.Services[0].Name != "g@x" {
		t.Errorf("plan %+v, want a socket and a service g@x", p)
	}
}

// S5: one broken file hides nothing of the others, and causes no second error.
func TestS5Errors(t *testing.T) {
	tests := []struct {
		name   string
		inputs []compiler.Input
		unread []string
		want   []string
	}{
		{"every file is reported", []compiler.Input{
			input("a", "[[socket]]\nname = \"s\"\ntype = \"tcp\"\nlisten = \"x\"\n"),
			input("b", "[[service]]\nname = 5\n[[service]]\nname = \"ok\"\nrun.exec = \"ok\"\nuser = \"\"\n"),
			input("c", "[[signal]\n"),
		}, nil, []string{
			"a.toml:4 A4102 socket \"a@s\": the port is missing",
			"b.toml:1 K1008 ", "b.toml:2 K1007 ", "b.toml:6 K1304 ", "c.toml:1 K1008 signal has no `name`", "c.toml:1 K1008 signal has no `payload`", "c.toml:1 S0001 ",
		}},
		{"what a syntax error hides is not unknown", []compiler.Input{
			input("a", "[[socket]]\nname = \"s\"\ntype = \"tcp\"\nlisten = \":80\"\nowner = \"b@web\"\nstart-on = [\"b@no\"]\n"),
			input("b", "[[service]]\nname = web\nrun.exec = \"web\"\n"),
		}, nil, []string{`a.toml:6 N2103 no state or signal is named "b@no"`, "b.toml:2 S0001 "}},
		{"what could not be read is not unknown", []compiler.Input{
			input("a", "[[socket]]\nname = \"s\"\ntype = \"tcp\"\nlisten = \":80\"\nowner = \"b@web\"\nstart-on = [\"c@no\"]\n"),
		}, []string{"b"}, []string{`a.toml:6 N2103 no state or signal is named "c@no"`}},
		{"a group with a space", []compiler.Input{input("a b", "")}, nil, []string{`a b.toml:1 N2301 the path of the file cannot be a group: character ' ' is not one of A-Z a-z 0-9 _ . -`}},
		{"two files of one group", []compiler.Input{
			{Name: "x/a.toml", Group: "a"}, {Name: "y/a.toml", Group: "a"},
		}, nil, []string{`y/a.toml:1 N2302 files x/a.toml and y/a.toml are both the group "a"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := compiler.Compile(tt.inputs, compiler.Options{Unread: tt.unread})
			if res.Plan != nil {
				t.Error("there is a plan in spite of errors")
			}
			got := problems(res)
			for i := range got {
				if i < len(tt.want) && strings.HasSuffix(tt.want[i], " ") && strings.HasPrefix(got[i], tt.want[i]) {
					got[i] = tt.want[i] // only the start is given
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("reported (-want +got):\n%s", diff)
			}
		})
	}
}

// Nothing reads what a unit says by mistake, but a warning is no mistake.
func TestWarningsDoNotStop(t *testing.T) {
	res := compiler.Compile([]compiler.Input{input("g", "[[mount]]\nname = \"x\"\n")}, compiler.Options{})
	if res.Plan == nil || len(problems(res)) != 1 {
		t.Errorf("plan %v, reported %q; want a plan and one warning", res.Plan, problems(res))
	}
}

// TestCodes proves that no code means two things.
func TestCodes(t *testing.T) {
	all := slices.Concat(diag.Codes, compiler.Codes, resolve.Codes, typing.Codes, action.Codes)
	for _, r := range check.Rules() {
		all = append(all, diag.Info{Code: r.Code, Title: r.Title})
	}
	seen := map[diag.Code]string{}
	for _, i := range all {
		if other, ok := seen[i.Code]; ok {
			t.Errorf("code %s is %q and %q", i.Code, other, i.Title)
		}
		if i.Title == "" || len(i.Code) != 5 || !strings.ContainsAny(string(i.Code[0]), "SKNTAFPX") {
			t.Errorf("code %q has the title %q; want a family letter and four digits", i.Code, i.Title)
		}
		seen[i.Code] = i.Title
	}
}

func FuzzCompile(f *testing.F) {
	for _, in := range everything(f) {
		f.Add(in.Text)
	}
	for _, r := range check.Rules() {
		f.Add([]byte(r.Example))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		res := compiler.Compile([]compiler.Input{{Name: "f.toml", Group: "f", Text: text}}, compiler.Options{})
		problems(res) // every place is found without a panic
		if res.Plan == nil {
			if res.Diags.Errors() == 0 {
				t.Error("neither a plan nor an error")
			}
			return
		}
		data, err := res.Plan.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := plan.Read(data); err != nil {
			t.Errorf("the plan is refused: %v", err)
		}
	})
}
