package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// example lays out the unit files of an example with its fixed paths and
// addresses made the test's own, compiles them and starts the daemon.
func example(t *testing.T, folder string) *bed {
	t.Helper()
	b := newBed(t, "")
	files, err := filepath.Glob(filepath.Join("..", "examples", folder, "*.toml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("example %s: %d files, %v", folder, len(files), err)
	}
	own := strings.NewReplacer("/var/sock/", b.file("sock")+"/", "127.0.0.1:", b.ip+":", "0.0.0.0:", b.ip+":")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b.write(filepath.Join("units", filepath.Base(file)), own.Replace(string(text)))
	}
	b.compile()
	b.start()
	return b
}

// compileExample compiles an example as it is.
func compileExample(t *testing.T, folder string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program("rindc"), "check", filepath.Join("..", "examples", folder)).CombinedOutput()
	if err != nil {
		t.Errorf("rindc check: %v\n%s", err, out)
	}
}

func TestExampleQuickstart(t *testing.T) {
	t.Parallel()
	compileExample(t, "quickstart")
	b := example(t, "quickstart")
	for _, tt := range []struct{ network, addr, name string }{
		{"tcp", b.ip + ":7007", "tcp"},
		{"udp", b.ip + ":7007", "udp"},
		{"unix", b.file("sock/echo.sock"), "uds"},
	} {
		conn, err := b.dial(tt.network, tt.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("hello\n")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1024)
		n, err := conn.Read(buf)
		if got := string(buf[:n]); err != nil || !strings.HasPrefix(got, "hello (pid ") || !strings.Contains(got, `socket "`+tt.name+`"`) {
			t.Errorf("%s answers %q, %v", tt.name, got, err)
		}
		b.checkActivatedOnce("echo@" + tt.name + "-echo")
	}
}

// Every block of the page that describes sockets does what the page says.
func TestExampleSeed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		folder string
		check  func(b *bed)
	}{
		{"core", func(b *bed) {
			b.checkSocket("sockets@ipcs_s", "listening")
			b.do("start", "service", "test@ipcs")
			b.awaitSocket("sockets@ipcs_s", "held")
		}},
		{"lifecycle", func(b *bed) {
			b.checkSocket("sockets@four_starter", "inactive")
			b.do("set-state", "rind@net-configured", `{"name":"eth0"}`)
			b.awaitSocket("sockets@four_starter", "listening")
			b.do("set-state", "rind@maintenance-mode")
			b.awaitSocket("sockets@four_starter", "inactive")
		}},
		{"trigger", func(b *bed) {
			b.checkSocket("test@follower", "inactive")
			b.must("unix", b.file("sock/some.sock"), "")
			b.awaitSocket("test@follower", "listening")
		}},
		{"ownership", func(b *bed) {
			conn, err := b.dial("unix", b.file("sock/my.sock"))
			if err != nil {
				b.t.Fatal(err)
			}
			conn.Close()
			b.awaitService("else@four", "active")
		}},
		{"permissions", func(b *bed) {
			b.awaitSocket("sockets@admin_api", "listening")
			if os.Getuid() != 0 {
				return // to be others takes root
			}
			const adm = 4
			admin, stranger := b.file("sock/admin.sock"), client{uid: 4001, gid: 9000}
			if _, err := connectAs(stranger, admin, ""); !errors.Is(err, unix.EACCES) {
				b.t.Errorf("a stranger connects: %v, want EACCES", err)
			}
			stranger.groups = []uint32{adm}
			if _, err := connectAs(stranger, admin, ""); err != nil {
				b.t.Errorf("one of the group adm: %v", err)
			}
		}},
		{"hooks", func(b *bed) {
			b.awaitSocket("ops@mirror", "listening")
			b.do("stop", "socket", "sockets@api_sock")
			b.awaitSocket("ops@mirror", "inactive")
		}},
		{"management", func(b *bed) {
			b.do("stop", "socket", "sockets@shared_listener")
			b.do("start", "socket", "sockets@shared_listener")
		}},
	}
	folders, err := os.ReadDir("../examples/seed")
	if err != nil {
		t.Fatal(err)
	}
	if got := len(folders) - 1; got != len(tests) { // without README.md
		t.Errorf("examples/seed has %d folders, %d are tested", got, len(tests))
	}
	for _, tt := range tests {
		t.Run(tt.folder, func(t *testing.T) {
			t.Parallel()
			compileExample(t, filepath.Join("seed", tt.folder))
			tt.check(example(t, filepath.Join("seed", tt.folder)))
		})
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), program("demo"), "-bin", bin, "-units", "../examples/quickstart").CombinedOutput()
	if err != nil {
		t.Fatalf("demo: %v\n%s", err, out)
	}
	for _, want := range []string{
		"rind-transport-tcp", "rind-transport-udp", "rind-transport-uds",
		"LISTEN_FDS=1", "LISTEN_FDNAMES=tcp", "LISTEN_FDNAMES=udp", "LISTEN_FDNAMES=uds", "hello over uds (pid ",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the transcript has no %q:\n%s", want, out)
		}
	}
	t.Logf("the transcript:\n%s", out)
}
