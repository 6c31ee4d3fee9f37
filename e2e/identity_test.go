package e2e

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// connectWith connects a socket as a client that somebody else has opened.
func connectWith(opened, c client, name, request string) (answer string, err error) {
	fd := -1
	err = opened.do(func() (err error) {
		fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return "", err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := c.do(func() error { return connect(fd, &unix.SockaddrUnix{Name: name}) }); err != nil {
		return "", err
	}
	return exchange(fd, request)
}

// Who connects decides, and not the daemon, which is root, nor who has opened the socket
// that connects, nor who talks over it: that is always this test, as root.
func TestS102TheConnectingProcessDecides(t *testing.T) {
	t.Parallel()
	needRoot(t)
	b := run(t, operators+restricted(`"operators"`))
	b.awaitSocket("ops@bell", "listening")
	for _, tt := range []struct {
		name            string
		opens, connects client
		may             bool
	}{
		{"root opens, and somebody else connects", client{}, plain(4003), false},
		{"who may opens, and somebody else connects", plain(4001), plain(4003), false},
		{"who may not opens, and who may connects", plain(4003), plain(4001), true},
		{"who may not opens, and root connects", plain(4003), client{}, true},
	} {
		answer, err := connectWith(tt.opens, tt.connects, b.file("sock/path.sock"), "echo in")
		if got := err == nil && answer == "in"; got != tt.may || !tt.may && !errors.Is(err, unix.EACCES) {
			t.Errorf("%s: at the path: %q, %v; want in: %t", tt.name, answer, err, tt.may)
		}
		before := b.socket("ops@bell")
		if _, err := connectWith(tt.opens, tt.connects, "@"+b.file("bell"), ""); err != nil {
			t.Errorf("%s: at the bell: %v", tt.name, err)
		}
		st := b.await(tt.name+": the daemon has looked", func(st *controlv1.StatusResponse) bool {
			now := b.socketOf(st, "ops@bell")
			return now.Accesses+now.Denials.Permission > before.Accesses+before.Denials.Permission
		})
		now := b.socketOf(st, "ops@bell")
		if in := now.Accesses > before.Accesses; in != tt.may || !in && now.Denials.LastUid != int64(tt.connects.uid) {
			t.Errorf("%s: at the bell: in: %t, last denied %d; want in: %t", tt.name, in, now.Denials.LastUid, tt.may)
		}
		if !tt.may {
			continue // of who waits the kernel says only who has opened the socket
		}
		b.awaitSocket("ops@screened", "listening")
		if answer, err := connectWith(tt.opens, tt.connects, "@"+b.file("screened"), "exit 0"); answer != "bye" {
			t.Errorf("%s: at the screened socket: %q, %v; want bye", tt.name, answer, err)
		}
	}
}

// Any of the permissions in the list is enough, and each is held by its users and groups,
// and by whoever holds what it links to.
func TestS106S108AnyPermissionOfTheList(t *testing.T) {
	t.Parallel()
	needRoot(t)
	b := run(t, `
-- ops.toml --
[[permission]]
name = "users"
id = 2000
users = ["4001", "4002"]

[[permission]]
name = "group"
id = 2001
group = "5001"

[[permission]]
name = "groups"
id = 2002
groups = ["5002", "5003"]
group = "5004"

[[permission]]
name = "linked"
id = 2003
links = ["first", "second"]

[[permission]]
name = "first"
id = 2004
users = ["4011"]

[[permission]]
name = "second"
id = 2005
links = ["deep"]

[[permission]]
name = "deep"
id = 2006
users = ["4012"]
group = "5011"

[[permission]]
name = "not-listed"
id = 2007
users = ["4021"]
group = "5021"
links = ["users"]
`+restricted(`"users", 2001, "ops@groups", "linked"`))
	b.awaitSocket("ops@path", "listening")
	b.awaitSocket("ops@bell", "listening")
	for _, tt := range []struct {
		name string
		who  client
		may  bool
	}{
		{"S106 a user of the first", plain(4001), true},
		{"S106 another one", plain(4002), true},
		{"S106 the group of the second", client{uid: 4003, gid: 5001}, true},
		{"S106 a group of the third", client{uid: 4003, gid: 9000, groups: []uint32{5003}}, true},
		{"S108 group beside groups", client{uid: 4003, gid: 5004}, true},
		{"S108 a user of a link", plain(4011), true},
		{"S108 a user of a link of a link", plain(4012), true},
		{"S108 the group of a link of a link", client{uid: 4003, gid: 9000, groups: []uint32{9001, 5011}}, true},
		{"S106 nobody of the list", plain(4003), false},
		{"S106 a user of another permission", plain(4021), false},
		{"S108 the group of one that links to it, and not the other way", client{uid: 4003, gid: 5021}, false},
	} {
		if b.lets(tt.who, tt.may); t.Failed() {
			t.Fatalf("that was %s", tt.name)
		}
	}
}

// Who holds system-services may start and stop any socket, whatever its managed-by says;
// nobody else may because of that.
func TestS118SystemServices(t *testing.T) {
	t.Parallel()
	needUser(t, "nobody")
	b := run(t, managed)
	sockets := []string{"ops@door", "ops@plain", "ops@shut", "ops@gone"} // with managed-by and without
	states := func() (list []string) {
		for _, name := range sockets {
			list = append(list, b.socket(name).State)
		}
		return list
	}
	tries := func(user, group string, may bool) {
		t.Helper()
		for _, verb := range []string{"start", "stop"} {
			want, refusal := states(), "permission denied"
			if may {
				want, refusal = slices.Repeat([]string{map[string]string{"start": "listening", "stop": "inactive"}[verb]}, len(sockets)), ""
			}
			out, code := b.as(user, group, append([]string{verb, "socket"}, sockets...)...)
			if got := states(); !slices.Equal(got, want) || (code == 0) != may || !strings.Contains(out, refusal) {
				t.Errorf("%s in %q: %s: exit status %d, may: %t; the sockets are %v, want %v\n%s", user, group, verb, code, may, got, want, out)
			}
		}
	}
	tries("nobody", "", false)
	b.do("grant", "1000", "--user", "nobody")
	tries("nobody", "", true)
	tries("games", "", false)
	b.do("revoke", "1000", "--user", "nobody")
	tries("nobody", "", false)
	b.do("grant", "rind@system-services", "--group", "games")
	tries("daemon", "games", true)
}

// What is granted and revoked at run time counts for tcp over loopback, too: for who comes
// next, and for who waits.
func TestS107S109GrantsOverLoopback(t *testing.T) {
	t.Parallel()
	games := needUser(t, "games")
	uid, err := strconv.ParseUint(games.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	b := run(t, operators+`
[[socket]]
name = "web"
type = "tcp"
listen = "$IP:7001"
permissions = ["operators"]
owner = "app"
lifecycle = "owned"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app", "-report", "$REPORT"] }

[[socket]]
name = "bell"
type = "tcp"
listen = "$IP:7002"
permissions = ["operators"]
trigger = [{ signal = "rung" }]

[[signal]]
name = "rung"
payload = "none"
`)
	b.awaitSocket("ops@bell", "listening")
	lets := func(who client, want bool) {
		t.Helper()
		b.starts(who, "ops@web", b.ip+":7001", want)
		b.rings(who, "ops@bell", b.ip+":7002", want)
		if want {
			b.nextReport("app")
		}
		b.noReport()
	}
	player := client{uid: uint32(uid), gid: 9000} // of a group that the user databases know
	for _, tt := range []struct {
		args string // "" is what the plan says
		who  client
		want bool
	}{
		{"", plain(4001), true},
		{"", plain(4003), false},
		{"grant operators --user 4003", plain(4003), true},
		{"revoke operators --user 4003", plain(4003), false},
		{"revoke operators --user 4001", plain(4001), false},
		{"grant operators --user 4001", plain(4001), true},
		{"revoke operators --user 4005", plain(4005), false}, // who holds it by a link
		{"", player, false},
		{"grant operators --group games", player, true},
		{"revoke operators --group games", player, false},
		{"", client{}, true},
	} {
		if tt.args != "" {
			b.do(strings.Fields(tt.args)...)
		}
		lets(tt.who, tt.want)
	}

	// Who waits when it is revoked starts nothing.
	b.do("grant", "operators", "--user", "4003")
	b.do("pause", "web")
	answered := make(chan string, 1)
	before := b.socket("ops@web")
	fd := b.connected(plain(4003), b.ip+":7001")
	b.do("revoke", "operators", "--user", "4003")
	go func() {
		answer, _ := exchange(fd, "") // that it is reset is no answer
		answered <- answer
	}()
	b.do("resume", "web")
	if answer := <-answered; answer != "" {
		t.Errorf("who waited got the answer %q", answer)
	}
	b.await("the denial", func(st *controlv1.StatusResponse) bool {
		return b.socketOf(st, "ops@web").GetDenials().GetPermission() == before.GetDenials().GetPermission()+1
	})
	b.noReport()
}
