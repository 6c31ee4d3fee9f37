package transporttest_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plugins/transport/transporttest"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
)

// targetKey names the variable that makes TestTarget run the kit on a plugin,
// in a process of its own, because the kit is expected to fail there.
const targetKey = "TRANSPORTTEST_TARGET"

func TestTarget(t *testing.T) {
	path := os.Getenv(targetKey)
	if path == "" {
		t.Skip("skipped: it is for TestFaultsAreFound")
	}
	at := func(address string) *transportv1.Endpoint {
		return &transportv1.Endpoint{Scheme: "faulty", Address: address}
	}
	transporttest.Run(t, transporttest.Plugin{
		Path: path,
		Binds: []transporttest.Bind{
			{Name: "good", Endpoint: at("127.0.0.1:0"), Domain: unix.AF_INET},
			{Name: "print", Endpoint: at("print"), Domain: unix.AF_INET, Shared: true},
			{Name: "udp", Endpoint: at("udp"), Domain: unix.AF_INET, Shared: true},
			{Name: "reuse-port", Endpoint: at("reuse-port"), Domain: unix.AF_INET, Shared: true},
			{Name: "name", Endpoint: at("name"), Domain: unix.AF_INET, Shared: true},
			{Name: "listener", Endpoint: at("listener"), Domain: unix.AF_INET, Shared: true},
			{Name: "copy", Endpoint: at("copy"), Domain: unix.AF_INET, Shared: true},
		},
		Many: func(int) *transportv1.Endpoint { return at("copy") },
	})
}

// TestFaultsAreFound runs the kit on a plugin with known faults. The list is
// exact: a check that does not find its fault, or finds one where none is, is
// as wrong as the plugin.
func TestFaultsAreFound(t *testing.T) {
	path := transporttest.Build(t, "../testdata/faulty")
	want := []string{
		"batch/41_a_cancelled_bind_leaves_nothing,_46_a_slow_host_loses_nothing",
		"batch/44b_all_or_nothing",
		"batch/48_a_thousand_binds_leave_nothing_behind",
		"bind/40_errors_have_the_right_codes/example_example",
		"bind/copy/35_no_copy_is_kept,_and_the_endpoint_is_free_again",
		"bind/good/40_a_second_socket_is_refused_while_the_first_is_open",
		"bind/listener/26_the_socket_is_what_was_asked_for",
		"bind/listener/35_no_copy_is_kept,_and_the_endpoint_is_free_again",
		"bind/name/26_the_socket_is_what_was_asked_for",
		"bind/name/35_no_copy_is_kept,_and_the_endpoint_is_free_again",
		"bind/reuse-port/26_the_socket_is_what_was_asked_for",
		"bind/udp/26_the_socket_is_what_was_asked_for",
		"validate/21_the_examples_of_the_manifest_are_true",
	}
	if diff := cmp.Diff(want, failures(t, path)); diff != "" {
		t.Errorf("failed checks (-want +got):\n%s", diff)
	}
}

// TestEarlyOutputIsFound starts a plugin that prints before its handshake.
func TestEarlyOutputIsFound(t *testing.T) {
	faulty := transporttest.Build(t, "../testdata/faulty")
	path := filepath.Join(t.TempDir(), "noisy")
	script := "#!/bin/sh\nFAULTY=stdout exec " + faulty + " \"$@\"\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	const check = "process/02_the_handshake_is_the_first_line,_and_nothing_follows_it"
	if got := failures(t, path); !slices.Contains(got, check) {
		t.Errorf("failed checks are %q, want %q among them", got, check)
	}
}

// TestS173SeparateModule builds and tests a plugin as its author would: outside
// of this module, with nothing but its public packages.
func TestS173SeparateModule(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../testdata/netlink")); err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	const rind = "github.com/rind-sockets/rind"
	mod := "module example.org/netlink\n\ngo 1.26.0\n\nrequire " + rind + " v0.0.0\n\nreplace " + rind + " => " + root + "\n"
	for name, text := range map[string][]byte{"go.mod": []byte(mod), "go.sum": sum} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-mod=mod", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=mod", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go test: %v\n%s", err, out)
	}
}

var failed = regexp.MustCompile(`(?m)^ *--- FAIL: TestTarget/?(\S*)`)

// failures returns the checks that fail for the plugin, without the groups that
// they are in.
func failures(t *testing.T, plugin string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTarget$", "-test.v")
	cmd.Env = append(os.Environ(), targetKey+"="+plugin)
	out, err := cmd.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok {
		t.Fatalf("the kit ended with %v:\n%s", err, out)
	}
	t.Logf("the kit on a faulty plugin:\n%s", out)
	var names []string
	for _, m := range failed.FindAllStringSubmatch(string(out), -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(names, func(other string) bool {
			return len(other) > len(name) && other[:len(name)] == name && (name == "" || other[len(name)] == '/')
		})
	})
}
