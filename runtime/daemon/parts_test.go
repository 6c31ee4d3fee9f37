package daemon

import (
	"context"
	"errors"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/listen"
	"github.com/rind-sockets/rind/runtime/pluginhost"
	"github.com/rind-sockets/rind/runtime/proc"
)

func TestInherited(t *testing.T) {
	in := []string{
		"A=1", "NOTIFY_SOCKET=/run/x", "WATCHDOG_PID=1", "B=NOTIFY_SOCKET=2", "JOURNAL_STREAM=8:1",
		"CREDENTIALS_DIRECTORY=/run/c", "RIND_ACCESS_UID=0", "RIND_RUNTIME_DIR=/run/r", "", "odd",
	}
	want := []string{"A=1", "B=NOTIFY_SOCKET=2", "RIND_RUNTIME_DIR=/run/r", "", "odd"}
	if diff := cmp.Diff(want, inherited(in)); diff != "" {
		t.Errorf("inherited (-want +got):\n%s", diff)
	}
}

func TestEnvironment(t *testing.T) {
	base := []string{"PATH=/bin", "HOME=/root", "USER=root", "SHELL=/bin/sh", "XDG_RUNTIME_DIR=/run/user/0", "A=1"}
	other := uint32(os.Geteuid()) + 1
	tests := []struct {
		name     string
		who      identity
		file     []string
		unit     map[string]string
		instance []string
		want     []string
	}{
		{
			name: "the daemon's own",
			want: base,
		},
		{
			name: "the unit wins",
			unit: map[string]string{"HOME": "/unit", "A": "", "Z": "=x=", "B": "2"},
			want: []string{"PATH=/bin", "USER=root", "SHELL=/bin/sh", "XDG_RUNTIME_DIR=/run/user/0", "A=", "B=2", "HOME=/unit", "Z==x="},
		},
		{
			name: "the instance over the unit over the file over the daemon",
			file: []string{"A=file", "B=file", "C=file"}, unit: map[string]string{"B": "unit", "C": "unit"}, instance: []string{"C=instance"},
			want: []string{"PATH=/bin", "HOME=/root", "USER=root", "SHELL=/bin/sh", "XDG_RUNTIME_DIR=/run/user/0", "A=file", "B=unit", "C=instance"},
		},
		{
			name: "another user",
			who:  identity{&proc.Credential{UID: other}, "/home/o", []string{"HOME=/home/o", "USER=o", "LOGNAME=o"}},
			want: []string{"PATH=/bin", "A=1", "HOME=/home/o", "USER=o", "LOGNAME=o"},
		},
		{
			name: "another user that is only a number",
			who:  identity{cred: &proc.Credential{UID: other}},
			want: []string{"PATH=/bin", "A=1"},
		},
		{
			name: "the daemon's user by name",
			who:  identity{&proc.Credential{UID: uint32(os.Geteuid())}, "/r", []string{"HOME=/r"}},
			want: []string{"PATH=/bin", "USER=root", "SHELL=/bin/sh", "XDG_RUNTIME_DIR=/run/user/0", "A=1", "HOME=/r"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := environment(base, tt.who, tt.file, tt.unit, tt.instance)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLookupIdentity(t *testing.T) {
	if who, err := lookupIdentity("", ""); err != nil || who.cred != nil || who.env != nil {
		t.Errorf("nobody in particular: %+v, %v", who, err)
	}
	who, err := lookupIdentity("root", "")
	if err != nil || who.cred == nil || who.cred.UID != 0 || len(who.env) != 4 || who.home == "" {
		t.Errorf("root: %+v, %v", who, err)
	}
	if who, err = lookupIdentity(strconv.Itoa(math.MaxInt32), "0"); err != nil || who.cred.UID != math.MaxInt32 || who.env != nil {
		t.Errorf("a number without entry: %+v, %v", who, err)
	}
	if _, err = lookupIdentity("no-such-user", ""); err == nil || !strings.Contains(err.Error(), "no-such-user") {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestExitStatus(t *testing.T) {
	tests := []struct {
		name string
		exit proc.Exit
		err  error
		want flow.ExitStatus
	}{
		{name: "success"},
		{name: "status", exit: proc.Exit{Code: 3}, want: flow.ExitStatus{Code: 3}},
		{name: "signal", exit: proc.Exit{Signal: syscall.SIGSEGV, Core: true}, want: flow.ExitStatus{Signal: "SIGSEGV"}},
		{name: "real-time signal", exit: proc.Exit{Signal: 40}, want: flow.ExitStatus{Signal: "signal 40"}},
		{name: "unknown is no success", exit: proc.Exit{Unknown: true}, want: flow.ExitStatus{Code: -1}},
		{name: "neither is an error", err: os.ErrClosed, want: flow.ExitStatus{Code: -1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := exitStatus(tt.exit, tt.err); got != tt.want {
				t.Errorf("exitStatus(%+v, %v) = %+v, want %+v", tt.exit, tt.err, got, tt.want)
			}
		})
	}
}

func TestAddress(t *testing.T) {
	o := &opener{socketDir: "/var/sock"}
	long := strings.Repeat("x", 100)
	tests := []struct {
		name    string
		def     plan.Socket
		want    string
		wantErr string
	}{
		{name: "tcp literal", def: plan.Socket{Type: "tcp", Listen: "127.0.0.1:80"}, want: "127.0.0.1:80"},
		{name: "IPv6 with zone", def: plan.Socket{Type: "udp", Listen: "[fe80::1%lo]:80"}, want: "[fe80::1%lo]:80"},
		{name: "dual stack", def: plan.Socket{Type: "tcp", Listen: "*:80"}, want: "*:80"},
		{name: "name", def: plan.Socket{Type: "tcp", Listen: "localhost:80"}, want: "127.0.0.1:80"},
		{name: "S23 absolute path", def: plan.Socket{Type: "uds", Listen: "/run/x:1.sock"}, want: "/run/x:1.sock"},
		{name: "S24 relative path", def: plan.Socket{Type: "uds", Listen: "a/b.sock"}, want: "/var/sock/a/b.sock"},
		{name: "abstract", def: plan.Socket{Type: "uds", Listen: "@name"}, want: "@name"},
		{name: "too long below the socket directory", def: plan.Socket{Type: "uds", Listen: long}, wantErr: "110 bytes, at most 107 fit into a socket address: choose a shorter --socket-dir"},
		{name: "another transport's own affair", def: plan.Socket{Type: "vsock", Listen: "host:1024"}, want: "host:1024"},
		{name: "S99 any", def: plan.Socket{Type: "uds", Listen: "/x", Permissions: []uint16{7, plan.AnyPermission}}, want: "/x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _, err := o.address(t.Context(), &tt.def)
			switch {
			case tt.wantErr == "" && err != nil:
				t.Fatal(err)
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Fatalf("address(%s) error %v, want %q in it", tt.def.Listen, err, tt.wantErr)
			case got != tt.want:
				t.Errorf("address(%s) = %q, want %q", tt.def.Listen, got, tt.want)
			}
		})
	}
}

func TestLookupFailures(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := lookup(ctx, "host.invalid", "80")
	if err == nil || !strings.HasPrefix(err.Error(), "look up host.invalid: ") {
		t.Errorf("lookup with a context that is over: %v", err)
	}
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{name: "no such host", err: &lookupError{"h", &net.DNSError{IsNotFound: true}}},
		{name: "no network yet", err: &lookupError{"h", &net.DNSError{Err: "network is unreachable"}}, want: true},
		{name: "nobody answers", err: &lookupError{"h", &net.DNSError{IsTimeout: true}}, want: true},
		{name: "address not there yet", err: &pluginhost.BindError{Code: transportv1.BindError_ADDRESS_NOT_AVAILABLE}, want: true},
		{name: "address in use", err: &pluginhost.BindError{Code: transportv1.BindError_ADDRESS_IN_USE}},
		{name: "not permitted", err: &pluginhost.BindError{Code: transportv1.BindError_PERMISSION}},
		{name: "bug of a plugin", err: &pluginhost.BindError{Code: transportv1.BindError_INTERNAL}},
		{name: "wrong descriptor", err: &listen.MismatchError{Reason: "x"}},
		{name: "short of descriptors", err: &pluginhost.PluginError{Err: syscall.EMFILE}, want: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := failure(&plan.Socket{Name: "t@s"}, tt.err)
			if got.retry != tt.want || got.fd != -1 || !strings.HasPrefix(got.err.Error(), "socket t@s: ") {
				t.Errorf("failure(%v) = %+v, want retry %v", tt.err, got, tt.want)
			}
		})
	}
}

// A socket that is refused leaves neither a descriptor nor its node; a node that
// is not its own stays.
func TestAbandon(t *testing.T) {
	checkLeaks(t)
	dir := t.TempDir()
	bound := func(name string) int {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(dir, name)}))
		return fd
	}
	tests := []struct {
		name   string
		bound  string // by the socket
		at     string // what the plugin was asked for
		leaves []string
	}{
		{name: "its own node", bound: "a", at: "a"},
		{name: "another path", bound: "b", at: "c", leaves: []string{"b", "c"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fd := bound(tt.bound)
			if tt.at != tt.bound {
				must(t, unix.Close(bound(tt.at)))
			}
			must(t, abandon(&plan.Socket{Type: "uds"}, fd, filepath.Join(dir, tt.at)))
			entries, err := os.ReadDir(dir)
			must(t, err)
			var left []string
			for _, e := range entries {
				left = append(left, e.Name())
			}
			if diff := cmp.Diff(tt.leaves, left); diff != "" {
				t.Errorf("what is left (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLockFile(t *testing.T) {
	checkLeaks(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "lock")

	// A daemon that ends has removed the file that we have open.
	gone, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	defer gone.Close()
	must(t, os.Remove(path))
	if locked, err := tryLock(gone); locked || err != nil {
		t.Errorf("lock of a file that is gone: %v, %v; want false", locked, err)
	}
	lock, err := lockDir(dir)
	must(t, err)
	if locked, err := tryLock(gone); locked || err != nil {
		t.Errorf("lock of a file that was replaced: %v, %v; want false", locked, err)
	}
	if _, err := lockDir(dir); err == nil || !strings.Contains(err.Error(), "(pid "+strconv.Itoa(os.Getpid())+")") {
		t.Errorf("a second lock: %v, want the process that has it", err)
	}
	must(t, lock.release())
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock is left: %v", err)
	}

	// A symlink is not followed: who could write to the directory would choose
	// the file that is cut to nothing.
	victim := filepath.Join(t.TempDir(), "victim")
	must(t, os.WriteFile(victim, []byte("text"), 0o600))
	must(t, os.Symlink(victim, path))
	if _, err := lockDir(dir); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a symlink in the place of the lock: %v, want ELOOP", err)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "text" {
		t.Errorf("the file behind the symlink has %q, %v", text, err)
	}
}

// Ordinary users reach the control socket, whatever the umask was.
func TestRuntimeDirectoryMode(t *testing.T) {
	old := syscall.Umask(0o077)
	t.Cleanup(func() { syscall.Umask(old) })
	dir := filepath.Join(t.TempDir(), "run")
	lock, err := lockDir(dir)
	must(t, err)
	must(t, lock.release())
	info, err := os.Stat(dir)
	must(t, err)
	if info.Mode().Perm() != dirMode {
		t.Errorf("the directory has mode %v, want %o", info.Mode(), dirMode)
	}
}
