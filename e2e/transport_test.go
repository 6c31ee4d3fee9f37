package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plugins/transport"
	"github.com/rind-sockets/rind/plugins/transport/transporttest"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
)

// pythonPlugin is a plugin that is not written in Go.
const pythonPlugin = "testdata/python/rind-transport-loopback"

// needPython skips a test where the plugin's library is missing.
func needPython(t *testing.T) {
	t.Helper()
	if err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", "import grpc").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("python3-grpcio is not installed (run tools/setup): %v", err)
		}
		t.Skipf("python3-grpcio is not installed: %v", err)
	}
}

// TestS173PluginInPython runs the conformance kit on a plugin that is not written
// in Go.
func TestS173PluginInPython(t *testing.T) {
	t.Parallel()
	needPython(t)
	path, err := filepath.Abs(pythonPlugin)
	if err != nil {
		t.Fatal(err)
	}
	at := func(address string) *transportv1.Endpoint {
		return &transportv1.Endpoint{Scheme: "loopback", Address: address}
	}
	transporttest.Run(t, transporttest.Plugin{
		Path:  path,
		Binds: []transporttest.Bind{{Name: "port", Endpoint: at("0"), Shared: true}},
		Many:  func(int) *transportv1.Endpoint { return at("0") },
		Refusals: []transporttest.Refusal{
			{Name: "no number", Endpoint: at("-1"), Code: transport.InvalidAddress},
			{
				Name: "option of another type", Code: transport.InvalidOption,
				Endpoint: &transportv1.Endpoint{Scheme: "loopback", Address: "0", Options: map[string]string{"mark": "no"}},
			},
		},
	})
}

// lockPlugin installs a plugin for a bed, locks it and takes its manifest away:
// from then on the lock file is all that rindc has.
func lockPlugin(b *bed, name, executable string) {
	b.t.Helper()
	b.plugins = b.file("plugins")
	if err := os.MkdirAll(b.plugins, 0o755); err != nil {
		b.t.Fatal(err)
	}
	data, err := os.ReadFile(executable)
	if err != nil {
		b.t.Fatal(err)
	}
	path := filepath.Join(b.plugins, "rind-transport-"+name)
	if err := os.WriteFile(path, data, 0o755); err != nil {
		b.t.Fatal(err)
	}
	manifest, err := exec.CommandContext(b.t.Context(), path, "-rind-manifest").Output()
	if err != nil {
		b.t.Fatal(err)
	}
	b.write("plugins/"+name+".rindplugin.toml", string(manifest))
	b.rindc("plugins", "lock", "--file", b.file("rind.lock.toml"), b.plugins)
	if err := os.Remove(b.file("plugins/" + name + ".rindplugin.toml")); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) rindc(args ...string) string {
	b.t.Helper()
	out, err := exec.CommandContext(b.t.Context(), program("rindc"), args...).CombinedOutput()
	if err != nil {
		b.t.Fatalf("rindc %q: %v\n%s", args, err, out)
	}
	return string(out)
}

const loopback = `
-- web.toml --
[[socket]]
name = "loop"
type = "loopback"
listen = "7391"
owner = "app"
lifecycle = "owned"
options = { priority = 3 }

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }
`

// TestS173PluginInPythonRunsAPlan activates a service through it.
func TestS173PluginInPythonRunsAPlan(t *testing.T) {
	t.Parallel()
	needPython(t)
	b := newBed(t, loopback)
	lockPlugin(b, "loopback", pythonPlugin)
	b.compile()
	b.start()
	if s := b.awaitSocket("web@loop", "listening"); !slices.Equal(s.Addresses, []string{"127.0.0.1:7391"}) {
		t.Errorf("the status has the addresses %q, want 127.0.0.1:7391", s.Addresses)
	}
	if got := b.must("tcp", "127.0.0.1:7391", "echo hello"); got != "hello" {
		t.Errorf("answer %q, want hello", got)
	}
}

// TestS173PluginOfAnotherModuleRunsAPlan builds a plugin as its author would.
func TestS173PluginOfAnotherModuleRunsAPlan(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../plugins/transport/testdata/netlink")); err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile("../go.sum")
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
	executable := filepath.Join(dir, "netlink")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-mod=mod", "-o", executable, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}

	b := newBed(t, `
-- dev.toml --
[[socket]]
name = "devices"
type = "netlink"
listen = "uevent:1"
owner = "app"
options = { receive-buffer = "64K" }

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app", "-report", "$REPORT"] }
`)
	lockPlugin(b, "netlink", executable)
	b.compile()
	b.start()
	if s := b.awaitSocket("dev@devices", "listening"); !slices.Equal(s.Addresses, []string{"uevent:1"}) {
		t.Errorf("the status has the addresses %q, want uevent:1", s.Addresses)
	}
	b.do("start", "service", "dev@app")
	if r := b.nextReport("app"); r.Env["LISTEN_FDNAMES"] != "devices" {
		t.Errorf("the owner has the environment %v, want LISTEN_FDNAMES=devices", r.Env)
	}
}

// TestS171ChangedPluginIsNeverExecuted replaces a plugin after it was locked.
func TestS171ChangedPluginIsNeverExecuted(t *testing.T) {
	t.Parallel()
	needPython(t)
	b := newBed(t, strings.Replace(loopback, "7391", "7392", 1)+`
-- good.toml --
[[socket]]
name = "tcp"
type = "tcp"
listen = "$IP:7001"
owner = "web@app"
lifecycle = "owned"
`)
	lockPlugin(b, "loopback", pythonPlugin)
	if err := os.Symlink(program("rind-transport-tcp"), filepath.Join(b.plugins, "rind-transport-tcp")); err != nil {
		t.Fatal(err)
	}
	b.compile()
	path := filepath.Join(b.plugins, "rind-transport-loopback")
	original, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	marker := b.file("executed")
	if err := os.WriteFile(path, []byte("#!/bin/sh\ntouch "+marker+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.start()
	const want = "it is not the executable that the plan was compiled for, and was not started"
	b.refused(want, "start", "socket", "web@loop")
	if s := b.socket("web@loop"); !strings.Contains(s.LastError, want) || !strings.Contains(s.LastError, path) {
		t.Errorf("the status says %q, want %q and the path %s", s.LastError, want, path)
	}
	if _, err := os.Lstat(marker); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the plugin was executed (%v)", err)
	}
	if got := b.must("tcp", b.ip+":7001", "echo hello"); got != "hello" {
		t.Errorf("answer %q, want hello", got)
	}

	if err := os.WriteFile(path, original, 0o755); err != nil {
		t.Fatal(err)
	}
	b.do("start", "socket", "web@loop")
}

// TestUnlockedTransport compiles a plan of a plugin that nobody locked.
func TestUnlockedTransport(t *testing.T) {
	t.Parallel()
	b := newBed(t, loopback)
	out, err := exec.CommandContext(t.Context(), program("rindc"), "check", b.file("units")).CombinedOutput()
	if code := exitCode(err); code != 1 || !strings.Contains(string(out), "[A4108]") || !strings.Contains(string(out), "rindc plugins lock") {
		t.Errorf("rindc check: exit status %d\n%s\nwant 1, A4108 and the command", code, out)
	}
}

func exitCode(err error) int {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	return 0
}

// TestOptions starts sockets with options that a daemon without capabilities may
// not set, and that the system does not give in full.
func TestOptions(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("runs the daemon as another user")
	}
	b := newBed(t, `
-- web.toml --
[[socket]]
name = "wish"
type = "tcp"
listen = "$IP:7001"
options = { mark = { prefer = 5 }, keepalive = { prefer = { time = "60s", probes = 3 } }, receive-buffer = "256M", backlog = 1000000 }
trigger = [{ exec = "/bin/true" }]

[[socket]]
name = "must"
type = "tcp"
listen = "$IP:7002"
options = { mark = 5 }
enabled = false

[[socket]]
name = "node"
type = "uds"
listen = "$DIR/new/er/node.sock"
options = { mode = "0600", dir-mode = "0710", symlinks = ["$DIR/link", "$DIR/other/link"], pass-credentials = true }
`)
	var err error
	if b.user, err = user.Lookup("nobody"); err != nil {
		t.Fatal(err)
	}
	b.compile()
	b.start()
	s := b.awaitSocket("web@wish", "listening")
	for _, want := range []string{
		"option mark refused: operation not permitted (needs CAP_NET_ADMIN)",
		"option receive-buffer: the kernel gave ",
		"option backlog: the kernel cuts 1000000 to ",
	} {
		if !slices.ContainsFunc(s.Options, func(note string) bool { return strings.HasPrefix(note, want) }) {
			t.Errorf("the status has the notes %q, want %q", s.Options, want)
		}
	}
	if len(s.Options) != 3 {
		t.Errorf("the status has the notes %q, want 3", s.Options)
	}
	if text := b.do("status"); !strings.Contains(text, "option mark refused: operation not permitted (needs CAP_NET_ADMIN)") {
		t.Errorf("rindrun status does not show the refusal:\n%s", text)
	}
	b.refused("socket web@must: option mark: operation not permitted (needs CAP_NET_ADMIN)", "start", "socket", "web@must")

	b.awaitSocket("web@node", "listening")
	node := b.file("new/er/node.sock")
	for path, want := range map[string]string{"new": "drwx--x---", "new/er": "drwx--x---", "other": "drwx--x---", "new/er/node.sock": "Srw-------"} {
		info, err := os.Stat(b.file(path))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().String(); got != want {
			t.Errorf("%s has the mode %s, want %s", path, got, want)
		}
	}
	links := []string{b.file("link"), b.file("other/link")}
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || target != node {
			t.Errorf("%s leads to %q (%v), want %s", link, target, err, node)
		}
	}
	// A link that somebody else put there is not removed.
	if err := os.Remove(links[1]); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/elsewhere", links[1]); err != nil {
		t.Fatal(err)
	}
	b.do("stop", "socket", "web@node")
	b.await("the socket is stopped", func(st *controlv1.StatusResponse) bool {
		return b.socketOf(st, "web@node").State == "inactive"
	})
	for _, path := range []string{node, links[0]} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left (%v)", path, err)
		}
	}
	if target, err := os.Readlink(links[1]); err != nil || target != "/elsewhere" {
		t.Errorf("the link of somebody else leads to %q (%v)", target, err)
	}
}

// TestOptionsOfTheOwner looks at what the owner inherits.
func TestOptionsOfTheOwner(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- web.toml --
[[socket]]
name = "udp"
type = "udp"
listen = "*:7395"
owner = "app"
lifecycle = "owned"
options = { multicast = ["239.77.9.9%lo"], packet-info = true, broadcast = true, ttl = 9 }

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app", "-report", "$REPORT"] }
`)
	b.awaitSocket("web@udp", "listening")
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	lo := &unix.IPMreqn{Ifindex: 1}
	if err := unix.SetsockoptIPMreqn(fd, unix.SOL_IP, unix.IP_MULTICAST_IF, lo); err != nil {
		t.Fatal(err)
	}
	if err := unix.Sendto(fd, []byte("echo hello"), 0, &unix.SockaddrInet4{Port: 7395, Addr: [4]byte{239, 77, 9, 9}}); err != nil {
		t.Fatal(fmt.Errorf("send to the group: %w", err))
	}
	b.nextReport("app")
}
