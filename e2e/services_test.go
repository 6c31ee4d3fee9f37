package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// client runs a program of a client, for which HOME and such are the bed's, and
// returns what it prints.
func (b *bed) client(env []string, name string, args ...string) string {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), need(b.t, name), args...)
	cmd.Env = append([]string{"PATH=" + b.path, "HOME=" + b.dir}, env...)
	cmd.Dir = b.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("%s %v: %v\n%s%s", name, args, err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// need returns the path of a program that tools/setup installs. Where it is not
// installed the test is skipped, but not where every test must run.
func need(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin"} {
		if path := filepath.Join(dir, name); isProgram(path) {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed: run tools/setup", name)
	}
	t.Skipf("%s is not installed: run tools/setup", name)
	return ""
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// checkActivatedOnce checks that the service was started by the accesses of the
// test, as one process that still runs.
func (b *bed) checkActivatedOnce(name string) {
	b.t.Helper()
	// A service may have answered before the daemon knows that it runs.
	if s := b.awaitService(name, "active"); s.Starts != 1 {
		b.t.Errorf("service %s runs after %d starts (%s), want one", name, s.Starts, s.LastError)
	}
}

func TestServiceGunicorn(t *testing.T) {
	t.Parallel()
	need(t, "gunicorn")
	b := run(t, `
-- app.py --
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%s over %s\n" % (environ["PATH_INFO"], environ.get("SERVER_NAME"))).encode()]
-- web.toml --
[[socket]]
name = "http"
type = "tcp"
listen = "$IP:7080"
owner = "gunicorn"
lifecycle = "owned"

[[socket]]
name = "local"
type = "uds"
listen = "web.sock"
owner = "gunicorn"
lifecycle = "owned"

[[service]]
name = "gunicorn"
run = { exec = "gunicorn", args = ["--workers", "2", "app:app"] }
working-dir = "$DIR/units"
`)
	curl := []string{"--silent", "--show-error", "--fail", "--max-time", "20"}
	if got := b.client(nil, "curl", append(curl, "http://"+b.ip+":7080/tcp")...); !strings.HasPrefix(got, "/tcp over") {
		t.Errorf("over tcp: %q", got)
	}
	if got := b.client(nil, "curl", append(curl, "--unix-socket", b.file("sock/web.sock"), "http://local/uds")...); !strings.HasPrefix(got, "/uds over") {
		t.Errorf("over uds: %q", got)
	}
	b.checkActivatedOnce("web@gunicorn")
}

func TestServiceUUIDD(t *testing.T) {
	t.Parallel()
	need(t, "uuidd")
	b := run(t, `
-- id.toml --
[[socket]]
name = "request"
type = "uds"
listen = "uuidd.sock"
owner = "uuidd"
lifecycle = "owned"

[[service]]
name = "uuidd"
run = { exec = "uuidd", args = ["--socket-activation"] }
`)
	if got := b.client(nil, "uuidd", "--socket", b.file("sock/uuidd.sock"), "--random"); len(got) != 36 || strings.Count(got, "-") != 4 {
		t.Errorf("the answer %q is no UUID", got)
	}
	b.checkActivatedOnce("id@uuidd")
}

func TestServiceDBus(t *testing.T) {
	t.Parallel()
	need(t, "dbus-daemon")
	b := run(t, `
-- bus.conf --
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=/nonexistent</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>
-- bus.toml --
[[socket]]
name = "bus"
type = "uds"
listen = "bus.sock"
owner = "dbus"
lifecycle = "owned"

[[service]]
name = "dbus"
run = { exec = "dbus-daemon", args = ["--config-file=$DIR/units/bus.conf", "--address=systemd:", "--nofork", "--nopidfile"] }
`)
	got := b.client([]string{"DBUS_SESSION_BUS_ADDRESS=unix:path=" + b.file("sock/bus.sock")},
		"dbus-send", "--session", "--print-reply=literal", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.ListNames")
	if !strings.Contains(got, "org.freedesktop.DBus") {
		t.Errorf("the bus answers %q", got)
	}
	b.checkActivatedOnce("bus@dbus")
}

func TestServiceRbldnsd(t *testing.T) {
	t.Parallel()
	need(t, "rbldnsd")
	b := run(t, `
-- zone --
www A 192.0.2.7
www TXT "served by rbldnsd"
-- dns.toml --
[[socket]]
name = "dns"
type = "udp"
listen = "$IP:7053"
owner = "rbldnsd"
lifecycle = "owned"

[[service]]
name = "rbldnsd"
run = { exec = "rbldnsd", args = ["-n", "-w", "$DIR/units", "rind.test:generic:zone"] }
`)
	got := b.client(nil, "dig", "+short", "+tries=1", "+timeout=20", "@"+b.ip, "-p", "7053", "www.rind.test", "A")
	if got != "192.0.2.7" {
		t.Errorf("the answer is %q, want 192.0.2.7", got)
	}
	b.checkActivatedOnce("dns@rbldnsd")
}

// The agent tells its sockets apart by their names.
func TestServiceGPGAgentWithTwoNamedSockets(t *testing.T) {
	t.Parallel()
	need(t, "gpg-agent")
	b := newBed(t, `
-- gpg.toml --
[[socket]]
name = "ssh-of-the-agent"
fd-name = "ssh"
type = "uds"
listen = "$DIR/gnupg/S.gpg-agent.ssh"
owner = "agent"
lifecycle = "owned"

[[socket]]
name = "std"
type = "uds"
listen = "$DIR/gnupg/S.gpg-agent"
options = { mode = "0600", dir-mode = "0700" }
owner = "agent"
lifecycle = "owned"

[[service]]
name = "agent"
run = { exec = "gpg-agent", args = ["--supervised"], env = { GNUPGHOME = "$DIR/gnupg" } }
`)
	if err := os.Mkdir(b.file("gnupg"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.compile()
	b.start()
	got := b.client([]string{"GNUPGHOME=" + b.file("gnupg")},
		"gpg-connect-agent", "--no-autostart", "GETINFO ssh_socket_name", "/bye")
	if want := "D " + b.file("gnupg/S.gpg-agent.ssh") + "\nOK"; got != want {
		t.Errorf("the agent answers %q, want %q", got, want)
	}
	// ssh-add without identities ends with status 1, so its text is the test.
	cmd := exec.CommandContext(t.Context(), need(t, "ssh-add"), "-l")
	cmd.Env = []string{"SSH_AUTH_SOCK=" + b.file("gnupg/S.gpg-agent.ssh")}
	out, err := cmd.CombinedOutput()
	if string(out) != "The agent has no identities.\n" {
		t.Errorf("ssh-add -l: %q, %v", out, err)
	}
	b.checkActivatedOnce("gpg@agent")
}

// A program that finds its sockets with coreos/go-systemd's activation package.
func TestServiceGoActivation(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- go.toml --
[[socket]]
name = "web"
type = "tcp"
listen = "$IP:7001"
owner = "activationd"
lifecycle = "owned"

[[socket]]
name = "log"
type = "udp"
listen = "$IP:7001"
owner = "activationd"
lifecycle = "owned"

[[socket]]
name = "admin"
type = "uds"
listen = "admin.sock"
owner = "activationd"
lifecycle = "owned"

[[service]]
name = "activationd"
run.exec = "$BIN/activationd"
`)
	for _, tt := range []struct{ network, addr, want string }{
		{"tcp", b.ip + ":7001", "web"},
		{"udp", b.ip + ":7001", "log\n"},
		{"unix", b.file("sock/admin.sock"), "admin"},
	} {
		if got := b.must(tt.network, tt.addr, ""); got != tt.want {
			t.Errorf("over %s: %q, want %q", tt.network, got, tt.want)
		}
	}
	b.checkActivatedOnce("go@activationd")
}
