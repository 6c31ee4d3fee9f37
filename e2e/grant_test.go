package e2e

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

var grantUnits = operators + `
[[permission]]
name = "few"
id = 2002
users = ["4001"]

[[state]]
name = "mode"
payload = "string"
permissions = ["operators"]
` + restricted(`"operators"`)

// plain is a client in no group that a plan or a database knows.
func plain(uid uint32) client { return client{uid: uid, gid: 9000} }

// member is a client whose process alone is known to be in group 5001.
func member(uid uint32) client { return client{uid: uid, gid: 9000, groups: []uint32{5001}} }

// lets checks whether clients get into the path, the screened and the unowned socket of
// restricted.
func (b *bed) lets(who client, want bool) {
	b.t.Helper()
	answer, err := connectAs(who, b.file("sock/path.sock"), "echo in")
	if got := err == nil && answer == "in"; got != want || !want && !errors.Is(err, unix.EACCES) {
		b.t.Errorf("uid %d at the path: %q, %v; want in: %v", who.uid, answer, err, want)
	}
	b.starts(who, "ops@screened", "@"+b.file("screened"), want)
	b.rings(who, "ops@bell", "@"+b.file("bell"), want)
}

// starts checks whether a client starts the owner of a socket, and is served. The owner
// is down before and after.
func (b *bed) starts(who client, socket, addr string, want bool) {
	b.t.Helper()
	b.awaitSocket(socket, "listening")
	answer, err := connectAs(who, addr, "exit 0")
	if got := answer == "bye"; got != want {
		b.t.Errorf("uid %d at %s: %q, %v; want in: %v", who.uid, socket, answer, err, want)
	}
	b.awaitSocket(socket, "listening")
}

// rings checks whether a client is an access of a socket without owner, or a denial.
func (b *bed) rings(who client, socket, addr string, want bool) {
	b.t.Helper()
	before := b.socket(socket)
	if _, err := connectAs(who, addr, ""); err != nil && (want || !errors.Is(err, unix.ECONNRESET)) {
		b.t.Errorf("uid %d at %s: %v", who.uid, socket, err)
	}
	b.await(fmt.Sprintf("%s has looked at uid %d, who may: %t", socket, who.uid, want), func(st *controlv1.StatusResponse) bool {
		now := b.socketOf(st, socket)
		if want {
			return now.GetAccesses() == before.GetAccesses()+1
		}
		return now.GetDenials().GetPermission() == before.GetDenials().GetPermission()+1
	})
}

func TestS107GrantAndRevoke(t *testing.T) {
	t.Parallel()
	needRoot(t)
	b := run(t, grantUnits)
	b.awaitSocket("ops@path", "listening")
	b.awaitSocket("ops@bell", "listening")

	b.lets(plain(4003), false)
	b.says("permission ops@operators, user 4003: granted\n", "grant", "operators", "--user", "4003")
	b.says("permission ops@operators, user 4003: already so\n", "grant", "ops@operators", "--user", "4003")
	b.lets(plain(4003), true)
	b.explains(plain(4003), 0, "permission ops@operators: user 4003 was granted it at run time")

	old := b.connected(plain(4001), b.file("sock/path.sock"))
	b.says("permission ops@operators, user 4001: revoked\n", "revoke", "2000", "--user", "4001")
	b.says("permission ops@operators, user 4001: already so\n", "revoke", "2000", "--user", "4001")
	b.lets(plain(4001), false)
	b.explains(plain(4001), 1, "permission ops@operators: revoked from user 4001 at run time")
	if answer := b.over(old, "echo still"); answer != "still" {
		t.Errorf("the connection from before the revoke answers %q, want still", answer)
	}

	b.do("revoke", "operators", "--user", "4004")
	b.lets(member(4004), false)
	b.lets(member(4006), true)
	b.do("revoke", "operators", "--user", "4005")
	b.lets(plain(4005), false) // who holds it by a link
	b.lets(plain(4003), true)  // who is not meant
	b.lets(client{}, true)

	b.do("grant", "operators", "--group", "5002")
	b.lets(client{uid: 4008, gid: 5002}, true)
	b.do("revoke", "operators", "--group", "5002")
	b.lets(client{uid: 4008, gid: 5002}, false)
	b.do("revoke", "operators", "--group", "5001")
	b.lets(member(4006), false)

	for _, again := range []func(){func() { b.do("reload") }, func() {
		b.do("stop", "service", "app") // which would go on without the daemon
		b.awaitSocket("ops@path", "listening")
		b.kill() // what was answered is on disk
		b.start()
		b.awaitSocket("ops@path", "listening")
		b.awaitSocket("ops@bell", "listening")
	}} {
		again()
		b.lets(plain(4003), true)
		b.lets(plain(4001), false)
		b.lets(member(4006), false)
	}
	if out := b.do("status"); !strings.Contains(out, "\nops@operators  user 4003   user 4001, user 4004, user 4005, group 5001\n") {
		t.Errorf("the status shows no grants:\n%s", out)
	}

	b.do("grant", "operators", "--user", "4001")
	b.lets(plain(4001), true)
	b.do("grant", "operators", "--group", "5001")
	b.lets(member(4006), true)
	b.lets(member(4004), false)
	b.do("revoke", "operators", "--user", "4003")
	b.lets(plain(4003), false)

	b.do("shutdown")
	b.wait()
	rung, err := os.ReadFile(b.file("rung"))
	if err != nil {
		t.Fatal(err)
	}
	for uid := range strings.FieldsSeq(string(rung)) {
		if !slices.Contains([]string{"0", "4001", "4003", "4006", "4008"}, uid) {
			t.Errorf("the trigger ran for uid %s", uid)
		}
	}
}

// Who waits when the permission is revoked starts nothing.
func TestS104RevokedWhileWaiting(t *testing.T) {
	t.Parallel()
	needRoot(t)
	b := run(t, grantUnits)
	b.awaitSocket("ops@screened", "listening")
	b.do("grant", "operators", "--user", "4003")
	b.do("pause", "screened")
	waiting := b.connected(plain(4003), "@"+b.file("screened"))
	b.do("revoke", "operators", "--user", "4003")
	b.do("resume", "screened")
	if answer := b.over(waiting, ""); answer != "" {
		t.Errorf("who waited got the answer %q", answer)
	}
	b.await("the denial", func(st *controlv1.StatusResponse) bool {
		return b.socketOf(st, "ops@screened").GetDenials().GetPermission() == 1
	})
	b.noReport()
}

func TestGrantForTheControlSocket(t *testing.T) {
	t.Parallel()
	needRoot(t)
	b := run(t, grantUnits)
	for _, tt := range []struct {
		as   string // "" is root
		args string
		want string // begins with "!" when it must fail
	}{
		{"nobody", "set-state mode a", "!permission denied"},
		{"nobody", "grant operators --user nobody", "!permission denied"},
		{"nobody", "grant nothing --user nobody", "!permission denied"},
		{"nobody", "revoke operators --user 4001", "!permission denied"},
		{"", "grant operators --user nobody", "user nobody ("},
		{"nobody", "set-state mode a", "set"},
		{"nobody", "grant operators --user bin", "!permission denied"},
		{"", "revoke operators --user nobody", "revoked"},
		{"nobody", "set-state mode b", "!permission denied"},
		{"", "grant system-services --user nobody", "permission rind@system-services, user nobody"},
		{"nobody", "stop path", "stopped"},
		{"", "revoke 1000 --user nobody", "revoked"},
		{"nobody", "start path", "!permission denied"},
		{"", "revoke system-services --user nobody", "already so: the user does not hold it"},

		{"", "grant nothing --user bin", "!no such permission: nothing"},
		{"", "grant 77 --user bin", "!no such permission: 77"},
		{"", "grant any --user bin", "!everybody holds the permission any"},
		{"", "grant operators --user no-such-user", "!no such user: no-such-user"},
		{"", "grant operators --group no-such-group", "!no such group: no-such-group"},
		{"", "grant operators --user 4294967295", "!no such user: 4294967295"},
		{"", "grant operators --user root", "already so: user 0 holds every permission"},
		{"", "revoke operators --user root", "!user 0 holds every permission, which cannot be revoked"},
		{"", "revoke operators --group 77", "already so: the group does not hold it"},
		{"", "grant staff --group 5003", "granted"},
		{"", "revoke operators --group 5003", "!by its links"},
		{"", "revoke few --user 4002 --json", `"changed": false`},
	} {
		out, code := b.runAs(tt.as, tt.args)
		want, fails := strings.CutPrefix(tt.want, "!")
		if (code != 0) != fails || !strings.Contains(out, want) {
			t.Errorf("as %q: rindrun %s: exit status %d, %q; want %q", tt.as, tt.args, code, out, tt.want)
		}
		if code > 1 {
			t.Errorf("rindrun %s: exit status %d, want 0 or 1", tt.args, code)
		}
	}
	const heading = "GRANTED TO"
	if out, code := b.runAs("nobody", "status"); code != 0 || strings.Contains(out, heading) || !strings.Contains(b.do("status"), heading) {
		t.Errorf("the status has no grants, or shows them to everybody: exit status %d\n%s", code, out)
	}
	for _, args := range []string{"grant operators", "grant --user bin", "revoke operators --user a --group b"} {
		if out, code := b.runAs("", args); code != 2 {
			t.Errorf("rindrun %s: exit status %d, want 2\n%s", args, code, out)
		}
	}
}

// runAs runs a client as a user, as root if there is none.
func (b *bed) runAs(user, args string) (out string, code int) {
	b.t.Helper()
	if user != "" {
		return b.as(user, "", strings.Fields(args)...)
	}
	res := b.rindrun(strings.Fields(args)...)
	return res.stdout + res.stderr, res.code
}

// says runs a client that must print exactly this.
func (b *bed) says(want string, args ...string) {
	b.t.Helper()
	if got := b.do(args...); got != want {
		b.t.Errorf("rindrun %v says %q, want %q", args, got, want)
	}
}

// explains checks why a client may connect to the path, or may not.
func (b *bed) explains(who client, code int, want string) {
	b.t.Helper()
	res := b.rindrun("explain-access", "path", "--uid", fmt.Sprint(who.uid))
	if res.code != code || !strings.Contains(res.stdout, want) {
		b.t.Errorf("uid %d: exit status %d, want %d\n%s%swant: %s", who.uid, res.code, code, res.stdout, res.stderr, want)
	}
}

// connected returns a connection of a client.
func (b *bed) connected(who client, name string) (fd int) {
	b.t.Helper()
	err := who.do(func() (err error) {
		fd, err = connectTo(name)
		return err
	})
	if err != nil {
		b.t.Fatalf("connect as uid %d: %v", who.uid, err)
	}
	b.t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// over sends a request over a connection and returns what comes back.
func (b *bed) over(fd int, request string) string {
	b.t.Helper()
	answer, err := exchange(fd, request)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer
}
