package proc

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// protocolEnv is what a service with these descriptors must find.
func protocolEnv(f facts, fds string, names ...string) []string {
	n, joined := strconv.Itoa(len(names)), strings.Join(names, ":")
	env := []string{
		"LISTEN_FDS=" + n, "LISTEN_FDNAMES=" + joined, fmt.Sprintf("LISTEN_PID=%d", f.PID),
		"RIND_SOCKET_FDS=" + fds, "RIND_SOCKET_COUNT=" + n, "RIND_SOCKET_NAMES=" + joined,
	}
	if f.Inode != "" {
		env = append(env, "LISTEN_PIDFDID="+f.Inode)
	}
	return env
}

func sorted(lists ...[]string) []string { return slices.Sorted(slices.Values(slices.Concat(lists...))) }

func TestEnvironmentAndDescriptors(t *testing.T) {
	stale := []string{
		"LISTEN_FDS=9", "LISTEN_PID=1", "LISTEN_PIDFDID=7", "LISTEN_FDNAMES=old",
		"RIND_SOCKET_FDS=8", "RIND_SOCKET_COUNT=9", "RIND_SOCKET_NAMES=old",
	}
	plain := []string{"A=1", "LISTEN_ADDR=:80", "B=\xff not utf-8"}
	tests := []struct {
		name  string
		env   []string
		names []string
		fds   string
	}{
		{"S78 without sockets", append(stale, plain...), nil, ""},
		{"S75 one socket", plain, []string{"http"}, "3"},
		{"S73 S74 S76 two sockets", append(stale, plain...), []string{"z", "a b"}, "3,4"},
		{"empty names", plain, []string{"", "x", ""}, "3,4,5"},
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					fds, links := listeners(t, len(tt.names))
					spec := reportSpec(0, tt.env...)
					spec.Args = []string{"x", ""}
					wantFDs := map[int]string{}
					for i, name := range tt.names {
						spec.Files = append(spec.Files, File{FD: fds[i], Name: name})
						wantFDs[3+i] = links[i]
					}
					got := report(t, w, spec)
					want := sorted(plain)
					if len(tt.names) > 0 {
						want = sorted(plain, protocolEnv(got, tt.fds, tt.names...))
					}
					// JSON has no bytes beyond UTF-8, the service has.
					want = slices.Collect(func(yield func(string) bool) {
						for _, kv := range want {
							yield(strings.ToValidUTF8(kv, "\ufffd"))
						}
					})
					if diff := cmp.Diff(want, got.Env); diff != "" {
						t.Errorf("environment (-want +got):\n%s", diff)
					}
					if diff := cmp.Diff([]string{self(), "x", ""}, got.Args); diff != "" {
						t.Errorf("arguments (-want +got):\n%s", diff)
					}
					checkInherited(t, got, wantFDs)
				})
			}
		})
	}
}

// checkInherited wants exactly 0 to 2 and the given descriptors, S72 and S141.
func checkInherited(t *testing.T, got facts, want map[int]string) {
	t.Helper()
	for fd := range 3 {
		if got.FDs[fd] == "" {
			t.Errorf("descriptor %d is closed", fd)
		}
		delete(got.FDs, fd)
	}
	if diff := cmp.Diff(want, got.FDs); diff != "" {
		t.Errorf("descriptors from 3 on (-want +got):\n%s", diff)
	}
}

// Sources lie within the places, in the wrong order, next to descriptors that
// lack close-on-exec.
func TestS77ManyOverlappingDescriptors(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			const n = 60
			fds, links := listeners(t, n)
			leak, err := unix.Dup(fds[0]) // without close-on-exec
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(leak)
			if fds[0] >= 3+n {
				t.Fatalf("the first source is %d: the test needs it below %d", fds[0], 3+n)
			}
			spec := reportSpec(0)
			want := map[int]string{}
			for i := range n {
				from := n - 1 - i
				spec.Files = append(spec.Files, File{FD: fds[from], Name: strconv.Itoa(from), NonBlock: i%2 == 0})
				want[3+i] = links[from]
			}
			got := report(t, w, spec)
			for i := range n {
				if got.NonBlock[3+i] != (i%2 == 0) {
					t.Errorf("O_NONBLOCK of descriptor %d is %v", 3+i, got.NonBlock[3+i])
				}
			}
			checkInherited(t, got, want)
		})
	}
}

func TestS77StandardInputClosedInDaemon(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			got := decodeFacts(t, daemon(t, w, exec.CommandContext(t.Context(), self()), "closed-stdin"))
			if got.FDs[0] != "/dev/null" {
				t.Errorf("standard input is %q", got.FDs[0])
			}
			if !strings.HasPrefix(got.FDs[3], "socket:") {
				t.Errorf("descriptor 3 is %q", got.FDs[3])
			}
			delete(got.FDs, 3)
			checkInherited(t, got, map[int]string{})
		})
	}
}

// One description in several places: a service of inetd style.
func TestSocketAsStandardInputAndOutput(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(pair[0])
			p, err := w.start(&Spec{Exec: "cat", Stdin: pair[1], Stdout: pair[1], Stderr: Null})
			unix.Close(pair[1])
			if err != nil {
				t.Fatal(err)
			}
			defer closeProcess(t, p)
			if _, err := unix.Write(pair[0], []byte("echo")); err != nil {
				t.Fatal(err)
			}
			if err := unix.Shutdown(pair[0], unix.SHUT_WR); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 10)
			if n, err := unix.Read(pair[0], buf); err != nil || string(buf[:n]) != "echo" {
				t.Errorf("read %q, %v", buf[:n], err)
			}
			if exit, err := p.Wait(t.Context()); err != nil || exit != (Exit{}) {
				t.Errorf("cat ended with %v, %v", exit, err)
			}
		})
	}
}

func TestS142BlockingModeAtEveryStart(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			for _, nonBlock := range []bool{true, false} {
				fds, _ := listeners(t, 1)
				for range 3 {
					spec := reportSpec(0)
					spec.Env = []string{modeEnv + "=flip"}
					spec.Files = []File{{FD: fds[0], Name: "s", NonBlock: nonBlock}}
					if out, _ := output(t, w, spec); out != fmt.Sprintln(nonBlock) {
						t.Errorf("O_NONBLOCK is %s, want %v", out, nonBlock)
					}
				}
			}
		})
	}
}

// A program that was written for systemd, with the library of CoreOS.
func TestS74SystemdActivationLibrary(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			fds, _ := listeners(t, 2)
			spec := reportSpec(0)
			spec.Env = []string{modeEnv + "=activation"}
			var want strings.Builder
			for i, name := range []string{"admin", "http"} {
				spec.Files = append(spec.Files, File{FD: fds[i], Name: name})
				fmt.Fprintln(&want, name, 3+i)
			}
			for i, name := range []string{"admin", "http"} {
				addr, err := unix.Getsockname(fds[i])
				if err != nil {
					t.Fatal(err)
				}
				inet, ok := addr.(*unix.SockaddrInet4)
				if !ok {
					t.Fatalf("address %v", addr)
				}
				fmt.Fprintf(&want, "%s 127.0.0.1:%d\n", name, inet.Port)
			}
			out, _ := output(t, w, spec)
			if diff := cmp.Diff(want.String(), out); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSessionAndDirectory(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			got := report(t, w, reportSpec(0))
			if got.SID != got.PID || got.PGID != got.PID {
				t.Errorf("session %d, group %d of process %d", got.SID, got.PGID, got.PID)
			}
			wd, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			if got.Dir != wd {
				t.Errorf("directory %s, want the daemon's, %s", got.Dir, wd)
			}
			spec := reportSpec(0)
			spec.Dir = "/proc"
			if got := report(t, w, spec); got.Dir != "/proc" {
				t.Errorf("directory %s, want /proc", got.Dir)
			}
		})
	}
}

// The daemon ignores signals, and the very thread that starts the service blocks
// one. Neither is the service's business.
func TestSignalsAreReset(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			ignored := []os.Signal{unix.SIGHUP, unix.SIGPIPE, unix.SIGUSR1, unix.SIGTSTP}
			signal.Ignore(ignored...)
			defer signal.Reset(ignored...)
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			block, old := unix.Sigset_t{}, unix.Sigset_t{}
			block.Val[0] = 1 << (unix.SIGUSR2 - 1)
			if err := unix.PthreadSigmask(unix.SIG_BLOCK, &block, &old); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil); err != nil {
					t.Error(err)
				}
			}()
			out, _ := output(t, w, &Spec{Exec: "cat", Args: []string{"/proc/self/status"}, Stdin: Null, Stderr: Null})
			for _, set := range []string{"ShdPnd", "SigBlk", "SigIgn", "SigCgt"} {
				if !strings.Contains(out, "\n"+set+":\t0000000000000000\n") {
					t.Errorf("%s is not empty:\n%s", set, out)
				}
			}
		})
	}
}

// Go raises its own soft limit of open files; services get the one the daemon was
// started with.
func TestOpenFilesLimit(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			spec, err := json.Marshal(&Spec{Exec: "sh", Args: []string{"-c", "ulimit -Sn; ulimit -Hn"}, Stdin: Null, Stdout: 1, Stderr: 2})
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -Sn 300; ulimit -Hn 700; exec "$0"`, self())
			cmd.Env = []string{"SPEC=" + string(spec)}
			if got := daemon(t, w, cmd, "start"); got != "300\n700\n" {
				t.Errorf("limits of the service are %q", got)
			}
		})
	}
}

func TestCredential(t *testing.T) {
	needRoot(t)
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			out, _ := output(t, w, &Spec{
				Exec: "grep", Args: []string{"-E", "^(Uid|Gid|Groups)", "/proc/self/status"},
				Cred:  &Credential{UID: 65534, GID: 12345, Groups: []uint32{7, 70000, 4294967294}},
				Stdin: Null, Stderr: Null,
			})
			want := "Uid:\t65534\t65534\t65534\t65534\nGid:\t12345\t12345\t12345\t12345\nGroups:\t7 70000 4294967294 \n"
			if diff := cmp.Diff(want, out); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			out, _ = output(t, w, &Spec{
				Exec: "grep", Args: []string{"^Groups", "/proc/self/status"},
				Cred: &Credential{UID: 65534, GID: 65534}, Stdin: Null, Stderr: Null,
			})
			if out != "Groups:\t \n" {
				t.Errorf("groups of the daemon are left: %q", out)
			}
			if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); dumpable != 1 || err != nil {
				t.Errorf("the daemon's own dumpable flag is %d, %v", dumpable, err)
			}
		})
	}
}

// A daemon that is not root: it cannot change to another user, and need not for
// its own.
func TestCredentialUnprivileged(t *testing.T) {
	needRoot(t)
	exe := public(t)
	tests := []struct {
		name string
		cred *Credential
		want string
	}{
		{"own", &Credential{UID: 65534, GID: 65534, Groups: []uint32{7, 65534}}, "ok\n"},
		{"other user", &Credential{UID: 7, GID: 65534, Groups: []uint32{7}}, "setgroups [7]: operation not permitted (needs CAP_SETGID)\n"},
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					spec, err := json.Marshal(&Spec{Exec: "echo", Args: []string{"ok"}, Cred: tt.cred, Stdin: Null, Stdout: 1, Stderr: 2})
					if err != nil {
						t.Fatal(err)
					}
					out, err := os.CreateTemp(t.TempDir(), "")
					if err != nil {
						t.Fatal(err)
					}
					defer out.Close()
					p, err := w.start(&Spec{
						Exec: exe, Env: []string{modeEnv + "=start", "WAY=" + w.name, "SPEC=" + string(spec)},
						Cred:  &Credential{UID: 65534, GID: 65534, Groups: []uint32{7}},
						Stdin: Null, Stdout: fdOf(t, out), Stderr: fdOf(t, out),
					})
					if err != nil {
						t.Fatal(err)
					}
					defer closeProcess(t, p)
					if _, err := p.Wait(t.Context()); err != nil {
						t.Fatal(err)
					}
					got, err := os.ReadFile(out.Name())
					if err != nil {
						t.Fatal(err)
					}
					if string(got) != tt.want {
						t.Errorf("got %q, want %q", got, tt.want)
					}
				})
			}
		})
	}
}

// Concurrent starts, while other goroutines keep the collector busy and the
// stacks moving.
func TestManyStarts(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			defer debug.SetGCPercent(debug.SetGCPercent(1))
			stop := make(chan struct{})
			var busy, starts sync.WaitGroup
			for range 2 {
				busy.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							deep(64)
						}
					}
				})
			}
			total := 500
			if w.name == "launcher" {
				total = 20 // each is a Go program of its own
			}
			fds, _ := listeners(t, 1)
			work := make(chan int, total)
			for i := range total {
				work <- i
			}
			close(work)
			for range min(200, total) {
				starts.Go(func() {
					for i := range work {
						runOne(t, w, fds[0], i)
					}
				})
			}
			starts.Wait()
			close(stop)
			busy.Wait()
		})
	}
}

// deep uses much stack and some heap.
func deep(n int) []byte {
	var frame [512]byte
	if n == 0 {
		return make([]byte, 4096)
	}
	b := deep(n - 1)
	b[0] = frame[n]
	return b
}

// runOne starts a service that checks its own environment.
func runOne(t *testing.T, w way, fd, i int) {
	t.Helper()
	status := i % 100
	p, err := w.start(&Spec{
		Exec: "/bin/sh", Args: []string{"-c", `[ "$LISTEN_PID" = $$ ] && exit "$1"; exit 101`, "sh", strconv.Itoa(status)},
		Files: []File{{FD: fd, Name: "s"}}, Stdin: Null, Stdout: Null, Stderr: Null,
	})
	if err != nil {
		t.Error(err)
		return
	}
	defer closeProcess(t, p)
	if exit, err := p.Wait(t.Context()); err != nil || exit != (Exit{Code: status}) {
		t.Errorf("start %d ended with %v, %v, want exit status %d", i, exit, err, status)
	}
}

func TestStartFallsBackToLauncher(t *testing.T) {
	checkLeaks(t)
	defer cloneRefused.Store(cloneRefused.Swap(true))
	out, err := OpenOutput()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(reportSpec(out.FD()))
	if err != nil {
		t.Fatal(errors.Join(err, out.Close()))
	}
	defer closeProcess(t, p)
	var lines []string
	if err := out.Run(t.Context(), func(line []byte) { lines = append(lines, string(line)) }); err != nil {
		t.Error(err)
	}
	if f := decodeFacts(t, strings.Join(lines, "\n")); f.PID != p.PID() {
		t.Errorf("the service has pid %d, Process says %d", f.PID, p.PID())
	}
	if _, err := p.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// The same where it is the kernel that has no clone3.
func TestStartUnderFilter(t *testing.T) {
	checkLeaks(t)
	got := daemon(t, way{}, exec.CommandContext(t.Context(), self()), "filtered")
	if want := "first\nsecond\nrefused: true\n"; got != want {
		t.Errorf("the daemon and its services printed %q, want %q", got, want)
	}
}
