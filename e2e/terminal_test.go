package e2e

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// openTerminal returns both sides of a pseudo-terminal. The master reads an error whenever
// nobody has the other side open.
func openTerminal(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if controlErr := raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); controlErr != nil || err != nil {
		t.Fatalf("pseudo-terminal: %v, %v", controlErr, err)
	}
	terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return master, terminal
}

// onTerminal runs a client on a terminal of some size, and returns what it shows there.
// It ends by itself, or when it has shown until.
func (b *bed) onTerminal(columns, rows uint16, until string, env []string, args ...string) string {
	b.t.Helper()
	master, terminal := openTerminal(b.t)
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		b.t.Fatal(err)
	}
	cmd := b.command(b.t.Context(), args...)
	cmd.Env = append(append(cmd.Env, "TERM=xterm"), env...)
	cmd.Stdout = terminal
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	if err := terminal.Close(); err != nil {
		b.t.Error(err)
	}
	if err := master.SetReadDeadline(time.Now().Add(patience)); err != nil {
		b.t.Fatal(err)
	}
	var shown strings.Builder
	buf := make([]byte, 4096)
	for until == "" || !strings.Contains(shown.String(), until) {
		n, err := master.Read(buf) // EIO is its end
		shown.Write(buf[:n])
		if err != nil {
			break
		}
	}
	if until != "" {
		if err := cmd.Process.Kill(); err != nil {
			b.t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	} else if err := cmd.Wait(); err != nil {
		b.t.Errorf("rindrun %v: %v", args, err)
	}
	return strings.ReplaceAll(shown.String(), "\r\n", "\n")
}

// The status suits the terminal that it is shown on.
func TestStatusOnATerminal(t *testing.T) {
	t.Parallel()
	b := run(t, oneOwner(`lifecycle = "owned"`, probeService))
	const colours, again = "\x1b[32m", "\x1b[H\x1b[2J"
	for _, tt := range []struct {
		name          string
		columns, rows uint16
		until         string
		env, args     []string
		want, not     []string
	}{
		{
			name: "wide", columns: 200, rows: 50, args: []string{"status"},
			want: []string{colours, "LIFECYCLE", "REASON"}, not: []string{again},
		},
		{
			name: "narrow", columns: 80, rows: 50, args: []string{"status", "http"}, env: []string{"NO_COLOR=1"},
			want: []string{"\n    plan start\n"}, not: []string{"\x1b", "REASON", "LIFECYCLE"},
		},
		{
			name: "dumb", columns: 80, rows: 50, args: []string{"status"}, env: []string{"TERM=dumb"},
			want: []string{"LIFECYCLE", "REASON"}, not: []string{"\x1b"},
		},
		{
			name: "watched without colours", columns: 80, rows: 8, args: []string{"status", "--watch"}, env: []string{"NO_COLOR=1"}, until: "\x1b[?7h",
			want: []string{again, "SOCKET", "not high enough"}, not: []string{colours, "\x1b[3J", "PLUGIN"},
		},
		{
			name: "watched", columns: 80, rows: 50, args: []string{"status", "--watch"}, until: "\x1b[?7h",
			want: []string{again, colours, "PLUGIN"}, not: []string{"\x1b[3J", "not high enough"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			shown := b.onTerminal(tt.columns, tt.rows, tt.until, tt.env, tt.args...)
			for _, want := range tt.want {
				if !strings.Contains(shown, want) {
					t.Errorf("it does not show %q: %q", want, shown)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(shown, not) {
					t.Errorf("it shows %q: %q", not, shown)
				}
			}
			if tt.name != "narrow" {
				return
			}
			for line := range strings.Lines(shown) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > int(tt.columns) {
					t.Errorf("a line of %d characters on %d columns: %q", n, tt.columns, line)
				}
			}
		})
	}
}
