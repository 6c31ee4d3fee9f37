package daemon

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadEnvFile(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
		faults     []string
	}{
		{name: "nothing"},
		{name: "plain", text: "A=1\nB=two words\n", want: []string{"A=1", "B=two words"}},
		{name: "no newline at the end", text: "A=1", want: []string{"A=1"}},
		{name: "of a DOS editor", text: "A=1\r\nB=2\r\n", want: []string{"A=1", "B=2"}},
		{name: "spaces around", text: "  A = x  y \t\n\tB=\t1", want: []string{"A=x  y", "B=1"}},
		{name: "empty", text: "A=\nB=''\nC=\"\"\nD=  \n", want: []string{"A=", "B=", "C=", "D="}},
		{name: "comments", text: "# A=1\n ; B=2\n#a\\\nC=3\nD=4 # not one\n", want: []string{"D=4 # not one"}},
		{name: "single quotes", text: `A='x "\n $y ` + "\n" + `z'`, want: []string{"A=x \"\\n $y \nz"}},
		{name: "double quotes", text: `A="x \"q\" \\ \$ \` + "`" + ` \n 'y'"`, want: []string{"A=x \"q\" \\ $ ` \\n 'y'"}},
		{name: "lines joined in double quotes", text: "A=\"x\\\ny\"\n", want: []string{"A=xy"}},
		{name: "lines joined without quotes", text: "A=x \\\n y\nB=1\n", want: []string{"A=x  y", "B=1"}},
		{name: "a joined line that is all", text: "A=\\\nx\n", want: []string{"A=x"}},
		{name: "escapes without quotes", text: `A=\'x\' \\ \ ` + "\nB=1", want: []string{`A='x' \  `, "B=1"}},
		{name: "parts joined", text: `A='a b'"c d" e`, want: []string{"A=a bc de"}},
		{name: "a quote within", text: `A=it's "so"`, want: []string{`A=it's "so"`}},
		{name: "quotes that never end", text: "A='x\ny", want: []string{"A=x\ny"}},
		{name: "a backslash at the end", text: `A=x\`, want: []string{"A=x"}},
		{name: "no variable is put in", text: "A=$HOME\nB=\"${A}\"\n", want: []string{"A=$HOME", "B=${A}"}},
		{name: "the last of two is the caller's business", text: "A=1\nA=2\n", want: []string{"A=1", "A=2"}},
		{
			name: "what is none", text: "export A=1\nB\nÄ=1\n1C=x\n=x\nD=1\n", want: []string{"D=1"},
			faults: []string{
				`FILE:1: "export A" is no name of a variable`, "FILE:2: no assignment",
				`FILE:3: "Ä" is no name of a variable`, `FILE:4: "1C" is no name of a variable`, `FILE:5: "" is no name of a variable`,
			},
		},
		{name: "lines are counted", text: "A='\n\n'\n\\\nB=\\\n1\nx\n", want: []string{"A=\n\n", "B=1"}, faults: []string{"FILE:4: no assignment", "FILE:7: no assignment"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := t.TempDir() + "/env"
			must(t, os.WriteFile(path, []byte(tt.text), 0o600))
			got, faults, err := readEnvFile(path)
			must(t, err)
			for i := range faults {
				faults[i] = strings.ReplaceAll(faults[i], path, "FILE")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("variables (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.faults, faults); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadEnvFileBounds(t *testing.T) {
	path := t.TempDir() + "/env"
	must(t, os.WriteFile(path, []byte("A="+strings.Repeat("x", maxEnvFile-2)), 0o600))
	if env, _, err := readEnvFile(path); err != nil || len(env) != 1 {
		t.Errorf("the longest: %d variables, %v", len(env), err)
	}
	must(t, os.WriteFile(path, []byte("A="+strings.Repeat("x", maxEnvFile-1)), 0o600))
	if _, _, err := readEnvFile(path); err == nil || err.Error() != "env-file: "+path+" is longer than 1048576 bytes" {
		t.Errorf("a longer one: %v", err)
	}
}

// Whatever is in the file, what comes of it is an environment.
func FuzzReadEnv(f *testing.F) {
	for _, s := range []string{"A=1\n", "A='x\ny'\n", "A=\"\\\"\\\n\"", "#\\\n;\nB=\\\n", "=\\", "A=\\\r\nB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := envReader{text: text, line: 1}
		for r.skipBlank() {
			left := len(r.text)
			if key, ok := r.key(); ok {
				r.value()
				if strings.ContainsAny(key, "=\n") {
					t.Errorf("name %q", key)
				}
			}
			if len(r.text) >= left {
				t.Fatalf("it does not go on at %q", r.text)
			}
		}
		if lines := 1 + strings.Count(text, "\n"); r.line > lines {
			t.Errorf("line %d of %d", r.line, lines)
		}
	})
}
