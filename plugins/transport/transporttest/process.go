package transporttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/rind-sockets/rind/plugins/transport/transportv1"
)

// process checks how the plugin behaves as a process.
func (k *kit) process(t *testing.T) {
	t.Run("01 without the cookie it says what it is and fails", k.withoutCookie)
	k.each(t, []check{
		{"02 the handshake is the first line, and nothing follows it", quietStdout},
		{"04 its socket is in the given directory and nobody else's", privateSocket},
		{"10 the channel is close-on-exec", closeOnExec},
		{"11 it ends with the channel", endsWithChannel},
		{"12 it ends when asked", endsWhenAsked},
		{"13 it ends by SIGTERM", endsBySIGTERM},
		{"14 it survives SIGINT", survivesSIGINT},
		{"15 it leaves no process", leavesNoProcess},
	})
}

func (k *kit) withoutCookie(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, k.Path)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = []string{}
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() < 1 {
		t.Errorf("run by hand it ended with %v, want an exit status that is not 0", err)
	}
	if stderr.Len() == 0 || stdout.Len() > 0 {
		t.Errorf("run by hand it printed %q and the error %q, want only an explanation on standard error", &stdout, &stderr)
	}
}

// quietStdout runs a call first: handshake and calls take different ways to
// standard output in many runtimes.
func quietStdout(s *session) {
	t := s.t
	s.describe(t)
	s.shutdown(t)
	if out := s.stdout.rest.String(); out != "" {
		t.Errorf("after the handshake it printed %q", out)
	}
}

func privateSocket(s *session) {
	t := s.t
	path := strings.Split(strings.TrimSpace(s.handshake), "|")[3]
	fi, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode()&fs.ModeSocket == 0 || fi.Mode().Perm()&0o007 != 0 {
		t.Errorf("%s is %s, want a socket without permissions for others", path, fi.Mode())
	}
	entries, err := os.ReadDir(s.socketDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			t.Errorf("the socket directory also has %s", e.Name())
		}
	}
}

func closeOnExec(s *session) {
	t := s.t
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/3", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "flags:")
	field, _, _ := strings.Cut(strings.TrimSpace(after), "\n")
	flags, err := strconv.ParseUint(field, 8, 64)
	if err != nil {
		t.Fatalf("flags of descriptor 3: %v", err)
	}
	if flags&unix.O_CLOEXEC == 0 {
		t.Errorf("flags of descriptor 3 are %#o, without O_CLOEXEC: what the plugin starts keeps the channel open", flags)
	}
}

func endsWithChannel(s *session) {
	t := s.t
	s.closeChannel()
	s.waitExit(t, time.Second)
}

func endsWhenAsked(s *session) {
	t := s.t
	s.describe(t)
	s.shutdown(t)
}

func endsBySIGTERM(s *session) {
	t := s.t
	if err := s.cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.waitExit(t, 2*time.Second)
}

// survivesSIGINT reads the masks as well: the call might be served before a
// deadly signal is.
func survivesSIGINT(s *session) {
	t := s.t
	s.describe(t)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var handled uint64
	for line := range strings.SplitSeq(string(text), "\n") {
		name, value, _ := strings.Cut(line, ":")
		if name != "SigIgn" && name != "SigCgt" {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		handled |= mask
	}
	if handled&(1<<(unix.SIGINT-1)) == 0 {
		t.Fatal("SIGINT is neither ignored nor caught: Ctrl-C in the host's terminal would end the plugin")
	}
	if err := s.cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	s.describe(t)
}

func leavesNoProcess(s *session) {
	t := s.t
	s.describe(t)
	s.shutdown(t)
	if err := unix.Kill(-s.cmd.Process.Pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("its process group still has a process (%v)", err)
	}
}

func (s *session) describe(t *testing.T) *transportv1.DescribeResponse {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	resp, err := s.Describe(ctx, &transportv1.DescribeRequest{HostName: "transporttest", HostVersion: "0"})
	if err != nil {
		t.Fatalf("Describe: %v; standard error:\n%s", err, s.stderr)
	}
	return resp
}

// shutdown asks the plugin to end and waits for it.
func (s *session) shutdown(t *testing.T) {
	t.Helper()
	const limit = 1500 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	// The answer may get lost, because the plugin stops serving.
	_ = s.conn.Invoke(ctx, "/plugin.GRPCController/Shutdown", &emptypb.Empty{}, &emptypb.Empty{})
	s.waitExit(t, limit)
}
