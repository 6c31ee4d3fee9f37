package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

const badAndGood = `
-- bad.toml --
[[socket]]
name = "tcp"
type = "tcp"
listen = "$IP:$PORT"
enabled = false
-- good.toml --
[[socket]]
name = "udp"
type = "udp"
listen = "$IP:7001"
owner = "app"
lifecycle = "owned"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }
`

// privatePlugins gives a bed a plugin folder of its own, where rind-transport-tcp
// is the given program.
func privatePlugins(b *bed, tcp string) {
	b.t.Helper()
	b.plugins = b.file("plugins")
	if err := os.Mkdir(b.plugins, 0o755); err != nil {
		b.t.Fatal(err)
	}
	for name, target := range map[string]string{
		"rind-transport-tcp": program(tcp),
		"rind-transport-udp": program("rind-transport-udp"),
		"rind-transport-uds": program("rind-transport-uds"),
	} {
		// A hard link or copy, so that the program finds what is beside it.
		data, err := os.ReadFile(target)
		if err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(b.plugins, name), data, 0o755); err != nil {
			b.t.Fatal(err)
		}
	}
}

func TestS170BadPlugins(t *testing.T) {
	t.Parallel()
	tests := []struct {
		mode string
		want string // in the reason
	}{
		{"not a socket", "device"},
		{"wrong family", "uds"},
		{"wrong type", "udp"},
		{"wrong port", "bound to"},
		{"wrong address", "0.0.0.0:"},
		{"not bound", "bound"},
		{"listening", "listen"},
		{"connected", "connected"},
		{"two descriptors", "2"},
		{"wrong count", "descriptor"},
		{"no descriptor", "descriptor"},
		{"wrong token", "descriptor"},
		{"truncated frame", "descriptor"},
		{"exit", "rind-transport-tcp"},
		{"hang", "within 5"},
	}
	for i, tt := range tests {
		t.Run(tt.mode, func(t *testing.T) {
			t.Parallel()
			// One of them takes its port on every address.
			b := newBed(t, strings.ReplaceAll(badAndGood, "$PORT", strconv.Itoa(4700+i)))
			b.compile()
			privatePlugins(b, "badplugin")
			b.write("plugins/mode", tt.mode)
			b.start()
			b.refused(tt.want, "start", "socket", "bad@tcp")
			before := b.status()
			if s := b.socketOf(before, "bad@tcp"); !strings.Contains(s.LastError, tt.want) {
				t.Errorf("the status says %q, want %q", s.LastError, tt.want)
			}
			b.refused(tt.want, "start", "socket", "bad@tcp")
			b.await("no descriptor is left", func(after *controlv1.StatusResponse) bool {
				return after.OpenDescriptors <= before.OpenDescriptors
			})
			// The daemon goes on: with other plugins, and with this one once it
			// does what it should.
			if got := b.must("udp", b.ip+":7001", "echo hello"); got != "hello" {
				t.Errorf("answer %q, want hello", got)
			}
			b.write("plugins/mode", "right")
			b.await("the socket can be started", func(*controlv1.StatusResponse) bool {
				return b.rindrun("start", "socket", "bad@tcp").code == 0
			})
		})
	}
}

func pluginPID(st *controlv1.StatusResponse, name string) int {
	for _, p := range st.Plugins {
		if p.Name == name {
			return int(p.Pid)
		}
	}
	return 0
}

func TestS172NothingReachesAPlugin(t *testing.T) {
	t.Parallel()
	b := newBed(t, strings.ReplaceAll(badAndGood, "$PORT", "7001"))
	b.compile()
	b.start("SECRET=of the daemon", "LISTEN_FDS=1", "LISTEN_PID=1")
	b.do("start", "socket", "bad@tcp")
	pid := pluginPID(b.status(), "tcp")
	if pid == 0 {
		t.Fatal("the plugin does not run")
	}
	environ, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if err != nil {
		t.Fatal(err)
	}
	for pair := range strings.SplitSeq(strings.TrimSuffix(string(environ), "\x00"), "\x00") {
		name, _, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "PLUGIN_") && !strings.HasPrefix(name, "RIND_PLUGIN_") && name != "RIND_TRANSPORT_PLUGIN" {
			t.Errorf("the plugin has %s in its environment", pair)
		}
	}
	// The sockets that the daemon holds: none of them is the plugin's.
	ours := socketsOf(t, b.daemon.Process.Pid)
	for link := range socketsOf(t, pid) {
		if ours[link] {
			t.Errorf("plugin and daemon share %s", link)
		}
	}
}

// socketsOf returns the sockets that a process has.
func socketsOf(t *testing.T, pid int) map[string]bool {
	t.Helper()
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	links := map[string]bool{}
	for _, e := range entries {
		link, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err == nil && strings.HasPrefix(link, "socket:") {
			links[link] = true
		}
	}
	return links
}

func TestS153KilledPluginsCostNothing(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- web.toml --
[[socket]]
name = "tcp"
type = "tcp"
listen = "$IP:7001"
owner = "app"
lifecycle = "owned"

[[socket]]
name = "uds"
type = "uds"
listen = "web.sock"
owner = "app"
lifecycle = "owned"

[[socket]]
name = "udp"
type = "udp"
listen = "$IP:7001"
owner = "app"
lifecycle = "owned"

# It ends often, so that activations go on while plugins die.
[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app", "-requests", "100"] }
`)
	load := b.load(8, 100,
		target{"tcp", b.ip + ":7001"}, target{"unix", b.file("sock/web.sock")}, target{"udp", b.ip + ":7001"})
	st := b.status()
	if len(st.Plugins) != 3 {
		t.Fatalf("the status has %d plugins, want 3", len(st.Plugins))
	}
	for _, p := range st.Plugins {
		if err := syscall.Kill(int(p.Pid), syscall.SIGKILL); err != nil {
			t.Fatalf("plugin %s: %v", p.Name, err)
		}
	}
	b.await("the daemon knows that its plugins are gone", func(st *controlv1.StatusResponse) bool {
		for _, p := range st.Plugins {
			if p.Pid != 0 {
				return false
			}
		}
		return true
	})
	load.wait()

	// The next start works.
	for _, name := range []string{"tcp", "uds", "udp"} {
		b.do("stop", "socket", "web@"+name)
		b.do("start", "socket", "web@"+name)
	}
	b.load(2, 10,
		target{"tcp", b.ip + ":7001"}, target{"unix", b.file("sock/web.sock")}, target{"udp", b.ip + ":7001"}).wait()
	for _, p := range b.status().Plugins {
		if p.Launches != 2 {
			t.Errorf("plugin %s was started %d times, want twice", p.Name, p.Launches)
		}
	}
}
