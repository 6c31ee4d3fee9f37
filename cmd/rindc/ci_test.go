package main

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const examplesCI = "../../examples/ci"

// ciCommand finds the commands of ours in the YAML files of examples/ci.
var ciCommand = regexp.MustCompile(`(?m)^\s*(?:- |- run: |run: |entry: )(rindc .*)$`)

func ciCommands(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(examplesCI, name))
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for _, m := range ciCommand.FindAllStringSubmatch(string(text), -1) {
		commands = append(commands, m[1])
	}
	return commands
}

// shell runs a command as a CI runner does, and returns its output and status.
func shell(t *testing.T, dir, command string) (out string, status int) {
	t.Helper()
	cmd := exec.Command("sh", "-e", "-c", command)
	cmd.Dir = dir
	data, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("%s: %v", command, err)
	}
	return string(data), cmd.ProcessState.ExitCode()
}

// checkout returns a directory with units in it.
func checkout(t *testing.T, unit string) string {
	t.Helper()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "units", "web.toml"), unit)
	return dir
}

const warnUnit = goodUnit + "\n[[mount]]\n"

// TestCIExamples runs every command of ours in the examples, on units that are
// right, that have a warning, and that are wrong.
func TestCIExamples(t *testing.T) {
	tests := []struct {
		file string
		want map[string][3]int // exit statuses by command
	}{
		{"github-workflow.yml", map[string][3]int{
			"rindc check --format github --deny warnings units":               {0, 1, 1},
			"rindc fmt --check --diff units":                                  {0, 0, 0},
			"rindc check --format sarif units > rindc.sarif || test $? -eq 1": {0, 0, 0},
		}},
		{"gitlab-ci.yml", map[string][3]int{
			"rindc check --format gitlab units > gl-code-quality-report.json || test $? -eq 1": {0, 0, 0},
			"rindc check --format junit units > rindc.xml || test $? -eq 1":                    {0, 0, 0},
			"rindc check --deny warnings units":                                                {0, 1, 1},
		}},
		{"pre-commit-config.yaml", map[string][3]int{
			"rindc check --deny warnings units": {0, 1, 1},
			"rindc fmt":                         {2, 2, 2}, // without the files that pre-commit adds
		}},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			got := map[string][3]int{}
			for _, command := range ciCommands(t, tt.file) {
				var statuses [3]int
				for i, unit := range []string{goodUnit, warnUnit, badUnit} {
					_, statuses[i] = shell(t, checkout(t, unit), command)
				}
				got[command] = statuses
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("exit statuses (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCIReports: a report that a platform reads says what is wrong, and a run
// that fails for another reason does not pass for one with findings.
func TestCIReports(t *testing.T) {
	tests := []struct {
		file, command, report string
		findings              func(data []byte) (int, error)
	}{
		{"github-workflow.yml", "rindc check --format sarif", "rindc.sarif", func(data []byte) (int, error) {
			var log struct{ Runs []struct{ Results []any } }
			err := json.Unmarshal(data, &log)
			return len(log.Runs[0].Results), err
		}},
		{"gitlab-ci.yml", "rindc check --format gitlab", "gl-code-quality-report.json", func(data []byte) (int, error) {
			var issues []any
			err := json.Unmarshal(data, &issues)
			return len(issues), err
		}},
		{"gitlab-ci.yml", "rindc check --format junit", "rindc.xml", func(data []byte) (int, error) {
			var suites struct {
				Failures int `xml:"failures,attr"`
			}
			err := xml.Unmarshal(data, &suites)
			return suites.Failures, err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.report, func(t *testing.T) {
			for _, command := range ciCommands(t, tt.file) {
				if !strings.HasPrefix(command, tt.command) {
					continue
				}
				for unit, want := range map[string]int{goodUnit: 0, badUnit: 1} {
					dir := checkout(t, unit)
					if out, status := shell(t, dir, command); status != 0 {
						t.Fatalf("%s: exit status %d: %s", command, status, out)
					}
					data, err := os.ReadFile(filepath.Join(dir, tt.report))
					if err != nil {
						t.Fatal(err)
					}
					if got, err := tt.findings(data); err != nil || got != want {
						t.Errorf("%d findings, %v, want %d: %s", got, err, want, data)
					}
				}
				if out, status := shell(t, t.TempDir(), command); status != 1 || !strings.Contains(out, "stat units") {
					t.Errorf("without units: exit status %d: %s", status, out)
				}
				return
			}
			t.Errorf("%s has no command %s", tt.file, tt.command)
		})
	}
}

// TestGitHook commits to a repository that has the hook.
func TestGitHook(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	dir := checkout(t, goodUnit)
	hook, err := os.ReadFile(filepath.Join(examplesCI, "pre-commit"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	t.Setenv("GIT_CONFIG_COUNT", "0")
	if out, status := shell(t, dir, "git init -q . && git config user.name t && git config user.email t@example.com"); status != 0 {
		t.Fatalf("git init: %s", out)
	}
	if err := os.WriteFile(filepath.Join(dir, ".git", "hooks", "pre-commit"), hook, 0o777); err != nil {
		t.Fatal(err)
	}
	web := filepath.Join(dir, "units", "web.toml")
	tests := []struct {
		name   string
		change func()
		want   int
		says   string
	}{
		{"right units", func() {}, 0, "ok: 1 unit in 1 file"},
		{"wrong units", func() { put(t, web, badUnit) }, 1, "units/web.toml:1:1: error: "},
		{"something else", func() { put(t, web, goodUnit); put(t, filepath.Join(dir, "README"), "x") }, 0, ""},
		{"no units any more", func() { _ = os.Remove(web) }, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.change()
			out, status := shell(t, dir, "git add -A && git commit -q -m x")
			if status != tt.want || !strings.Contains(out, tt.says) {
				t.Errorf("exit status %d, want %d and %q: %s", status, tt.want, tt.says, out)
			}
		})
	}
	t.Run("what is staged counts, not what is in the working tree", func(t *testing.T) {
		put(t, web, badUnit)
		if out, status := shell(t, dir, "git add -A"); status != 0 {
			t.Fatal(out)
		}
		put(t, web, goodUnit)
		if out, status := shell(t, dir, "git commit -q -m x"); status != 1 {
			t.Errorf("exit status %d: %s", status, out)
		}
	})
}
