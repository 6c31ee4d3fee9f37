package e2e

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/internal/ownthread"
)

// client is a process with an identity of its own, which has no name in any
// database.
type client struct {
	uid, gid uint32
	groups   []uint32
}

// do does something as that client. Only one thread is the client, so only raw calls are
// made on it.
func (c client) do(f func() error) error { return ownthread.As(c.uid, c.gid, c.groups, f) }

// connectAs connects a new socket, of unix or IPv4, as that client does, says the request and
// returns what comes back.
func connectAs(c client, name, request string) (answer string, err error) {
	err = c.do(func() (err error) {
		answer, err = converse(name, request)
		return err
	})
	return answer, err
}

func converse(name, request string) (string, error) {
	fd, err := connectTo(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = unix.Close(fd) }()
	return exchange(fd, request)
}

// connectTo connects a new socket, of unix or IPv4, on this thread.
func connectTo(name string) (fd int, err error) {
	domain, to := unix.AF_UNIX, unix.Sockaddr(&unix.SockaddrUnix{Name: name})
	if a, err := netip.ParseAddrPort(name); err == nil {
		domain, to = unix.AF_INET, &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	if fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, err
	}
	if err := connect(fd, to); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// connect goes on when a signal interrupts it, such as those by which Go preempts a
// goroutine.
func connect(fd int, to unix.Sockaddr) error {
	for {
		switch err := unix.Connect(fd, to); {
		case errors.Is(err, unix.EISCONN): // since it was interrupted
			return nil
		case !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EALREADY):
			return err
		}
	}
}

// exchange sends a request, if there is one, and returns what comes back.
func exchange(fd int, request string) (string, error) {
	timeout := unix.NsecToTimeval(patience.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return "", err
	}
	if request != "" {
		if err := unix.Send(fd, []byte(request+"\n"), unix.MSG_NOSIGNAL); err != nil {
			return "", err
		}
	}
	var answer []byte
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			return strings.TrimSuffix(string(answer), "\n"), err
		}
		answer = append(answer, buf[:n]...)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root may be other users")
	}
}

// operators is a permission with a user, a group, and a link to another one.
const operators = `
-- ops.toml --
[[permission]]
name = "operators"
id = 2000
users = ["4001"]
groups = ["5001"]
links = ["staff"]

[[permission]]
name = "staff"
id = 2001
users = ["4005"]
`

// restricted is three sockets for holders of some permissions: the kernel guards the
// path, the daemon looks at who waits before it starts the owner of the screened one, and
// takes who comes to the bell.
func restricted(permissions string) string {
	return fmt.Sprintf(`
[[socket]]
name = "path"
type = "uds"
listen = "path.sock"
permissions = [%[1]s]
owner = "app"
lifecycle = "owned"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }

[[socket]]
name = "screened"
type = "uds"
listen = "@$DIR/screened"
permissions = [%[1]s]
owner = "other"
lifecycle = "owned"

[[service]]
name = "other"
run = { exec = "$PROBE", args = ["-id", "other"] }
`, permissions) + bell("@$DIR/bell", permissions)
}

// bell is a socket without owner for holders of some permissions, which notes who comes.
func bell(listen, permissions string) string {
	return fmt.Sprintf(`
[[socket]]
name = "bell"
type = "uds"
listen = %q
permissions = [%s]
trigger = [{ script = "echo $RIND_ACCESS_UID >>$DIR/rung" }]
`, listen, permissions)
}

const guardedUnits = operators + `
[[socket]]
name = "admin"
type = "uds"
listen = "admin.sock"
permissions = ["operators"]
owner = "app"
lifecycle = "owned"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }

[[socket]]
name = "public"
type = "uds"
listen = "public.sock"
permissions = ["any"]
owner = "other"
lifecycle = "owned"

[[service]]
name = "other"
run = { exec = "$PROBE", args = ["-id", "other"] }
`

// The kernel keeps the denied out, before the owner runs and while it does.
func TestS100S101PermissionsOfAPath(t *testing.T) { //nolint:tparallel // the clients come one after the other
	t.Parallel()
	needRoot(t)
	b := run(t, guardedUnits)
	b.awaitSocket("ops@admin", "listening")
	admin := b.file("sock/admin.sock")
	denied := client{uid: 4003, gid: 9000, groups: []uint32{9001}}

	t.Run("S101 S104 a denied client starts nothing, however often it comes", func(t *testing.T) {
		for range 1000 {
			if _, err := connectAs(denied, admin, "echo x"); !errors.Is(err, unix.EACCES) {
				t.Fatalf("connect = %v, want EACCES", err)
			}
		}
		b.checkSocket("ops@admin", "listening")
		b.noReport()
	})
	for _, tt := range []struct {
		name string
		who  client
	}{
		{name: "S100 a user who starts the owner", who: client{uid: 4001, gid: 9000}},
		{name: "S103 root", who: client{}},
		{name: "S107 the primary group", who: client{uid: 4003, gid: 5001}},
		{name: "S108 a linked permission", who: client{uid: 4005, gid: 9000}},
		{name: "S107 a supplementary group", who: client{uid: 4003, gid: 9000, groups: []uint32{9001, 5001}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer, err := connectAs(tt.who, admin, "echo welcome")
			if err != nil || answer != "welcome" {
				t.Errorf("answer %q, %v, want welcome", answer, err)
			}
		})
	}
	t.Run("S110 while the owner runs", func(t *testing.T) {
		b.awaitSocket("ops@admin", "held")
		if _, err := connectAs(denied, admin, "echo x"); !errors.Is(err, unix.EACCES) {
			t.Errorf("connect = %v, want EACCES", err)
		}
	})
	t.Run("S99 any is everybody", func(t *testing.T) {
		answer, err := connectAs(denied, b.file("sock/public.sock"), "echo all")
		if err != nil || answer != "all" {
			t.Errorf("answer %q, %v, want all", answer, err)
		}
	})
}

// Where the kernel does not keep anybody out, the daemon asks it who came.
func TestS101S105S111PermissionsOfAnAbstractSocket(t *testing.T) {
	t.Parallel()
	needRoot(t)
	b := run(t, operators+bell("@$DIR/bell", `"operators"`))
	b.awaitSocket("ops@bell", "listening")
	for _, who := range []client{{uid: 4003, gid: 9000}, {uid: 4001, gid: 9000}, {uid: 4003, gid: 4001}, {}} {
		if answer, err := connectAs(who, "@"+b.file("bell"), ""); err != nil || answer != "" {
			t.Fatalf("uid %d: answer %q, %v, want the end of the stream", who.uid, answer, err)
		}
	}
	b.do("shutdown")
	b.wait()
	rung, err := os.ReadFile(b.file("rung"))
	if err != nil {
		t.Fatal(err)
	}
	uids := strings.Fields(string(rung))
	slices.Sort(uids) // scripts run side by side
	if want := []string{"0", "4001"}; !slices.Equal(uids, want) {
		t.Errorf("the trigger ran for %v, want %v", uids, want)
	}
	log := b.log.String()
	if n := strings.Count(log, "access denied"); n != 1 || !strings.Contains(log, `"uid":4003`) {
		t.Errorf("the log has %d entries about denied access, want one with uid 4003:\n%s", n, log)
	}
}

const screenedUnits = `
-- guarded.toml --
[[permission]]
name = "operators"
id = 2000
users = ["4001"]
groups = ["5001"]

[[socket]]
name = "abstract"
type = "uds"
listen = "@$DIR/owned"
permissions = ["operators"]
owner = "app"
lifecycle = "owned"
trigger = [{ script = "echo abstract >>$DIR/triggered" }]

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }

[[socket]]
name = "tcp"
type = "tcp"
listen = "127.0.0.1:0"
permissions = ["operators"]
owner = "web"
lifecycle = "owned"
trigger = [{ script = "echo tcp >>$DIR/triggered" }]

[[service]]
name = "web"
run = { exec = "$PROBE", args = ["-id", "web"] }
`

// Where the kernel does not keep anybody out, it is found out who waits before an owner
// is started.
func TestS101S104S109ScreenedOwners(t *testing.T) { //nolint:tparallel // the clients come one after the other
	t.Parallel()
	needRoot(t)
	b := run(t, screenedUnits)
	denied := client{uid: 4003, gid: 9000, groups: []uint32{9001}}
	for _, tt := range []struct{ socket, service, address string }{
		{"guarded@abstract", "guarded@app", "@" + b.file("owned")},
		{"guarded@tcp", "guarded@web", ""},
	} {
		b.awaitSocket(tt.socket, "listening")
		if tt.address == "" {
			tt.address = b.addr(tt.socket)
		}
		t.Run("S104 a thousand who may not start nothing, of "+tt.socket, func(t *testing.T) {
			for range 1000 {
				if answer, err := connectAs(denied, tt.address, ""); answer != "" || err != nil && !errors.Is(err, unix.ECONNRESET) {
					t.Fatalf("answer %q, %v, want the end of the connection", answer, err)
				}
			}
			b.await("1000 denials", func(st *controlv1.StatusResponse) bool {
				return b.socketOf(st, tt.socket).GetDenials().GetPermission() == 1000
			})
			if s := b.socket(tt.socket); s.GetState() != "listening" || s.GetAccesses() != 0 || s.GetDenials().GetLastUid() != 4003 {
				t.Errorf("the socket is %s after %d accesses, last denied %d; want listening, 0, 4003", s.GetState(), s.GetAccesses(), s.GetDenials().GetLastUid())
			}
			b.noReport()
		})
		t.Run("S100 one who may is served by the owner, at "+tt.socket, func(t *testing.T) {
			answer, err := connectAs(client{uid: 4001, gid: 9000}, tt.address, "echo welcome")
			if err != nil || answer != "welcome" {
				t.Errorf("answer %q, %v, want welcome", answer, err)
			}
			b.awaitSocket(tt.socket, "held")
		})
	}
	t.Run("S107 a supplementary group of no database starts the owner", func(t *testing.T) {
		if answer, err := connectAs(client{uid: 4001, gid: 9000}, "@"+b.file("owned"), "exit 0"); err != nil || answer != "bye" {
			t.Fatalf("answer %q, %v, want bye", answer, err)
		}
		b.awaitSocket("guarded@abstract", "listening")
		answer, err := connectAs(client{uid: 4003, gid: 9000, groups: []uint32{5001}}, "@"+b.file("owned"), "echo group")
		if err != nil || answer != "group" {
			t.Errorf("answer %q, %v, want group", answer, err)
		}
	})
	t.Run("who may and why", b.explainsAccess)
	b.do("shutdown")
	b.wait()
	triggered, err := os.ReadFile(b.file("triggered"))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(triggered))
	slices.Sort(got)
	if want := []string{"abstract", "abstract", "tcp"}; !slices.Equal(got, want) {
		t.Errorf("triggers ran for %v, want %v", got, want)
	}
}

// explainsAccess asks a running daemon, and the plan that it runs, who may connect.
func (b *bed) explainsAccess(t *testing.T) {
	const screened = "  enforced by: screening: the daemon disconnects others before the owner starts; while the owner runs, it accepts everybody\n"
	for _, tt := range []struct {
		name string
		args []string
		want string
		code int
	}{
		{
			name: "a user", args: []string{"tcp", "--uid", "4001"},
			want: "user 4001 may connect to guarded@tcp\n  because: permission guarded@operators: user 4001 holds it\n" + screened,
		},
		{
			name: "a group", args: []string{"guarded@tcp", "--uid", "4003", "--group", "5001"},
			want: "user 4003 may connect to guarded@tcp\n  because: permission guarded@operators: group 5001 holds it\n" + screened,
		},
		{
			name: "root by name", args: []string{"abstract", "--user", "root"},
			want: "user 0 root may connect to guarded@abstract\n  because: user 0 holds every permission\n" + screened,
		},
		{
			name: "nobody", args: []string{"tcp", "--uid", "4003"}, code: 1,
			want: "user 4003 may not connect to guarded@tcp\n  because: neither the user nor a group holds guarded@operators\n" + screened,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"explain-access"}, tt.args...)
			for _, more := range [][]string{nil, {"--plan", b.file("plan.json")}} {
				res := b.rindrun(append(args, more...)...)
				if res.code != tt.code || res.stdout != tt.want {
					t.Errorf("%v: exit status %d, want %d\n%s%swant:\n%s", more, res.code, tt.code, res.stdout, res.stderr, tt.want)
				}
			}
		})
	}
	t.Run("json", func(t *testing.T) {
		if res := b.rindrun("explain-access", "tcp", "--uid", "4001", "--json"); res.code != 0 || !strings.Contains(res.stdout, `"allowed": true`) {
			t.Errorf("exit status %d\n%s%s", res.code, res.stdout, res.stderr)
		}
	})
	for _, tt := range []struct {
		args []string
		code int
	}{{[]string{"tcp"}, 2}, {[]string{"tcp", "--uid", "-2"}, 2}, {[]string{"nothing", "--uid", "1"}, 1}} {
		if res := b.rindrun(append([]string{"explain-access"}, tt.args...)...); res.code != tt.code || res.stdout != "" {
			t.Errorf("explain-access %v: exit status %d, want %d\n%s%s", tt.args, res.code, tt.code, res.stdout, res.stderr)
		}
	}
}
