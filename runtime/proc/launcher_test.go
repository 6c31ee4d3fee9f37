package proc

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestLauncherReport(t *testing.T) {
	tests := []struct {
		name, report, want string
		open               bool // the launcher goes on
	}{
		{"service runs", "r", "", false},
		{"nothing", "", "launcher: ended before exec: main of /proc/self/exe must call proc.LauncherMain first", false},
		{"step", "f" + "\x0d\x00\x00\x00" + "chdir\x00/x", "chdir /x: permission denied", false},
		{"exec", "rf" + "\x02\x00\x00\x00" + "exec\x00/no/such", "exec /no/such: no such file or directory", false},
		{"cut", "f\x0d\x00", "launcher: ended before exec: main of /proc/self/exe must call proc.LauncherMain first", false},
		{"hangs", "", "launcher: not done within 20ms, killed", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkLeaks(t)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if _, err := w.WriteString(tt.report); err != nil {
				t.Fatal(err)
			}
			if tt.open {
				defer w.Close()
			} else {
				w.Close()
			}
			got := ""
			if err := readReport(r, 20*time.Millisecond); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("error %q, want %q", got, tt.want)
			}
		})
	}
}

func TestStepErrorRoundTrip(t *testing.T) {
	e := stepError{verb: "chdir", object: strings.Repeat("x", maxReport), errno: unix.ENAMETOOLONG}
	if n := len(e.encode()); n >= maxReport {
		t.Errorf("a report of %d bytes, with its first byte, does not fit in %d", n, maxReport)
	}
}

func TestLauncherMainInOtherProcesses(t *testing.T) {
	for _, args := range [][]string{nil, {"rindrun"}, {launcherName, "x"}, {"rindrun", launcherName}} {
		if status, launched := LauncherMain(args); launched || status != 0 {
			t.Errorf("LauncherMain(%q) = %d, %v", args, status, launched)
		}
	}
}

// Somebody runs the daemon under the launcher's name: it fails and does nothing.
func TestLauncherByHand(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for name, files := range map[string][]*os.File{"no descriptors": nil, "no job": {null, null}} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), self())
			cmd.Args[0] = launcherName
			cmd.ExtraFiles = files
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != launcherFailed || len(out) > 0 {
				t.Errorf("it ended with %v and printed %q", err, out)
			}
		})
	}
}
