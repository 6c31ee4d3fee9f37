package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"
)

// bin is the folder with the built programs. The plugins are beside rindrun,
// as `make build` puts them.
var bin string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	flag.Parse()
	// Most tests wait for processes, not for a processor.
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "rind-bin")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// A service with a user of its own is one of the programs.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	bin = dir
	// A race ends the program that has it, so that no test can overlook it; and
	// no program waits for races that may still come.
	if err := os.Setenv("GORACE", "halt_on_error=1 atexit_sleep_ms=0"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build builds every program into dir: rindc and rindrun with the race detector
// if the tests have it. Plugins do not see the environment that tells the
// detector not to wait a second at the end of a process.
func build(dir string) error {
	for _, args := range [][]string{
		{fmt.Sprintf("-race=%t", raceDetector()), "-o", dir + "/", "./cmd/..."},
		{"-o", filepath.Join(dir, "rind-transport-tcp"), "./plugins/tcp"},
		{"-o", filepath.Join(dir, "rind-transport-udp"), "./plugins/udp"},
		{"-o", filepath.Join(dir, "rind-transport-uds"), "./plugins/uds"},
		{"-o", dir + "/", "./e2e/...", "./examples/..."},
	} {
		cmd := exec.Command("go", append([]string{"build", "-buildvcs=false"}, args...)...)
		cmd.Dir = ".."
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("go build %v: %w\n%s", args, err, out.String())
		}
	}
	return nil
}

// raceDetector reports whether the tests run with the race detector.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// withoutRaceDetector builds rindrun as it is shipped, for what is said of its memory
// and speed: the detector itself keeps some of everything that it has ever seen.
var withoutRaceDetector = sync.OnceValues(func() (string, error) {
	path := filepath.Join(bin, "shipped", "rindrun")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, "./cmd/rindrun")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// program returns the path of a built program.
func program(name string) string { return filepath.Join(bin, name) }
