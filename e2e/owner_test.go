package e2e

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

func TestS71S80S141OwnerInheritsTheListener(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, lifecycle string
		start           func(b *bed)
	}{
		{"S80 started by an access", "owned", func(b *bed) { b.must("tcp", b.ip+":7001", "id") }},
		{"S71 started by a command", "managed", func(b *bed) { b.do("start", "service", "web@app") }},
		{"S71 started by a command, owned", "owned", func(b *bed) { b.do("start", "service", "web@app") }},
		{"S71 started by a condition", "managed", func(b *bed) { b.do("set-state", "web@up") }},
		{"S71 started by a trigger", "managed", func(b *bed) { b.must("unix", b.file("sock/other.sock"), "") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := run(t, oneOwner(`lifecycle = "`+tt.lifecycle+`"`, probeService+`
start-on = ["up"]

[[state]]
name = "up"
payload = "none"

[[socket]]
name = "other"
type = "uds"
listen = "other.sock"
trigger = [{ service = "app" }]
`))
			tt.start(b)
			r := b.nextReport("app")
			checkInheritance(t, r, "http")
			b.awaitSocket("web@http", "held")
			if got, want := b.must("tcp", b.ip+":7001", "id"), "app "+strconv.Itoa(r.PID); got != want {
				t.Errorf("answer %q, want %q", got, want)
			}
		})
	}
}

// checkInheritance checks that a process has exactly the named sockets, and
// everything about them in its environment.
func checkInheritance(t *testing.T, r *Report, names ...string) {
	t.Helper()
	count := strconv.Itoa(len(names))
	want := map[string]string{
		"LISTEN_FDS":        count,
		"LISTEN_PID":        strconv.Itoa(r.PID),
		"LISTEN_FDNAMES":    strings.Join(names, ":"),
		"RIND_SOCKET_COUNT": count,
	}
	var fds []string
	for i := range names {
		fds = append(fds, strconv.Itoa(3+i))
	}
	want["RIND_SOCKET_FDS"] = strings.Join(fds, ",")
	if r.PIDFDInode != 0 {
		want["LISTEN_PIDFDID"] = strconv.FormatUint(r.PIDFDInode, 10)
	}
	want["RIND_SOCKET_NAMES"] = want["LISTEN_FDNAMES"]
	if diff := cmp.Diff(want, activation(r)); diff != "" {
		t.Errorf("S73 S74 environment (-want +got):\n%s", diff)
	}
	seen := map[string]bool{}
	for i, fd := range r.FDs {
		switch {
		case fd.N != i:
			t.Errorf("S72 S141 descriptors %v, want 0 to %d and nothing else", r.FDs, 2+len(names))
			return
		case fd.N > 2 && (!strings.HasPrefix(fd.Link, "socket:") || seen[fd.Link]):
			t.Errorf("S75 descriptor %d is %s, want a socket of its own", fd.N, fd.Link)
		}
		seen[fd.Link] = true
	}
	if len(r.FDs) != 3+len(names) {
		t.Errorf("S141 descriptors %v, want 0 to %d and nothing else", r.FDs, 2+len(names))
	}
}

// activation returns the variables of a process that tell it of its sockets.
func activation(r *Report) map[string]string {
	vars := map[string]string{}
	for name, value := range r.Env {
		if strings.HasPrefix(name, "LISTEN_") || strings.HasPrefix(name, "RIND_SOCKET_") && name != "RIND_SOCKET_DIR" {
			vars[name] = value
		}
	}
	return vars
}

// checkNoActivation checks that a process knows of no socket, and of nothing
// that is between the daemon and its own service manager.
func checkNoActivation(t *testing.T, r *Report) {
	t.Helper()
	for name, value := range activation(r) {
		t.Errorf("%s has %s=%s in its environment", r.ID, name, value)
	}
	if value, ok := r.Env["NOTIFY_SOCKET"]; ok {
		t.Errorf("%s has NOTIFY_SOCKET=%s in its environment", r.ID, value)
	}
}

// manySockets is one owner with sockets in an order that no sorting gives.
func manySockets() (units string, names []string) {
	var text strings.Builder
	text.WriteString("-- many.toml --\n[[service]]\nname = \"app\"\n" + probeService + "\n")
	for i := range 20 {
		name := fmt.Sprintf("s%d", (i*7)%20)
		names = append(names, "name of "+name)
		fmt.Fprintf(&text, "[[socket]]\nname = %q\ntype = \"uds\"\nlisten = \"%s.sock\"\nowner = \"app\"\nlifecycle = \"owned\"\nfd-name = \"name of %s\"\n",
			name, name, name)
	}
	return text.String(), names
}

func TestS76S77ManySocketsInDefinitionOrder(t *testing.T) {
	t.Parallel()
	units, names := manySockets()
	b := run(t, units)
	// Every socket leads to the descriptor that has its name.
	for i, name := range names {
		short := strings.TrimPrefix(name, "name of ")
		b.must("unix", b.file("sock/"+short+".sock"), "id")
		if i > 0 {
			continue
		}
		r := b.nextReport("app")
		checkInheritance(t, r, names...)
		for i, name := range names {
			short := strings.TrimPrefix(name, "name of ")
			fd, _ := r.Find(3 + i)
			if got, want := fd.Link, "socket:["+listenerInode(t, b.file("sock/"+short+".sock"))+"]"; got != want {
				t.Errorf("descriptor %d is %s, want that of %s: %s", 3+i, got, short, want)
			}
		}
	}
	// S85: the owner runs, so no access started a second one.
	if s := b.service("many@app"); s.Starts != 1 {
		t.Errorf("the owner was started %d times, want once", s.Starts)
	}
}

// listenerInode returns the inode number of the socket that listens at a path.
func listenerInode(t *testing.T, path string) string {
	t.Helper()
	table, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		// Num RefCount Protocol Flags Type St Inode Path; the flag is that of a
		// listening socket.
		if f := strings.Fields(line); len(f) == 8 && f[7] == path && f[3] == "00010000" {
			return f[6]
		}
	}
	t.Fatalf("nobody listens at %s", path)
	return ""
}

func TestS78ServicesWithoutSocketsGetNoVariables(t *testing.T) {
	t.Parallel()
	b := newBed(t, `
-- a.toml --
[[service]]
name = "plain"
run = { exec = "$PROBE", args = ["-id", "plain", "-report", "$REPORT"], env = { OWN = "value" } }
`)
	b.compile()
	// The daemon itself was activated by somebody.
	b.start("LISTEN_FDS=2", "LISTEN_PID=1", "LISTEN_PIDFDID=1", "LISTEN_FDNAMES=a:b",
		"RIND_SOCKET_FDS=3,4", "RIND_SOCKET_COUNT=2", "RIND_SOCKET_NAMES=a,b")
	b.do("start", "a@plain")
	r := b.nextReport("plain")
	checkNoActivation(t, r)
	if r.Env["OWN"] != "value" {
		t.Errorf("OWN=%q, want the value of its unit", r.Env["OWN"])
	}
	if len(r.FDs) != 3 {
		t.Errorf("descriptors %v, want 0 to 2", r.FDs)
	}
}

func TestServiceSettings(t *testing.T) {
	t.Parallel()
	nobody := needUser(t, "nobody")
	b := run(t, oneOwner(`lifecycle = "owned"`, probeService+`
user = "nobody"
working-dir = "/usr"
`))
	b.must("tcp", b.ip+":7001", "id")
	r := b.nextReport("app")
	if got := strconv.Itoa(r.UID) + ":" + strconv.Itoa(r.GID); got != nobody.Uid+":"+nobody.Gid {
		t.Errorf("the service runs as %s, want %s:%s", got, nobody.Uid, nobody.Gid)
	}
	if r.Dir != "/usr" {
		t.Errorf("the service runs in %s, want /usr", r.Dir)
	}
	checkInheritance(t, r, "http")
}

func TestS84S85S86OneOwnerAtATime(t *testing.T) {
	t.Parallel()
	b := run(t, oneOwner(`lifecycle = "owned"`, probeService))
	// However it was started, an access while it runs starts no second one.
	b.do("start", "service", "web@app")
	first := b.nextReport("app")
	for range 10 {
		if got, want := b.must("tcp", b.ip+":7001", "id"), "app "+strconv.Itoa(first.PID); got != want {
			t.Fatalf("answer %q, want %q", got, want)
		}
	}
	b.noReport()

	// S86: once it has ended, the next access starts it again.
	b.must("tcp", b.ip+":7001", "exit 0")
	b.awaitSocket("web@http", "listening")
	if got := b.must("tcp", b.ip+":7001", "id"); got == "app "+strconv.Itoa(first.PID) {
		t.Errorf("answer %q comes from the process that has ended", got)
	}
	b.nextReport("app")
	b.noReport()
}

func TestS83OwnerThenTrigger(t *testing.T) {
	t.Parallel()
	// The trigger of the first access stops the owner, which works only if the
	// owner was started before. The connection still waits, so there is a second
	// start, which stays: its trigger changes nothing, for the state has its
	// value by then.
	b := run(t, oneOwner(`lifecycle = "owned"
trigger = [{ state = "seen" }]`, neverAccepts+`
stop-on = ["seen"]

[[state]]
name = "seen"
payload = "none"
`))
	conn, err := b.dial("tcp", b.ip+":7001")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b.await("the owner was started twice and runs", func(st *controlv1.StatusResponse) bool {
		s := b.serviceOf(st, "web@app")
		return s.Starts == 2 && s.State == "active"
	})
}

func TestS88EveryProcessOfTheOwnerCounts(t *testing.T) {
	t.Parallel()
	b := run(t, oneOwner(`lifecycle = "owned"`, `run = [
	{ exec = "$PROBE", args = ["-id", "app", "-report", "$REPORT"] },
	{ exec = "$PROBE", args = ["-id", "app", "-report", "$REPORT"] },
]`))
	b.must("tcp", b.ip+":7001", "id")
	first, second := b.nextReport("app"), b.nextReport("app")
	checkInheritance(t, first, "http")
	checkInheritance(t, second, "http")
	b.awaitService("web@app", "active")

	// One ends: the other still has the socket, and serves it.
	b.must("tcp", b.ip+":7001", "exit 0")
	b.await("one process is left", func(st *controlv1.StatusResponse) bool {
		return len(b.serviceOf(st, "web@app").Pids) == 1
	})
	b.checkSocket("web@http", "held")
	b.must("tcp", b.ip+":7001", "id")
	b.noReport()

	// Both have ended.
	b.must("tcp", b.ip+":7001", "exit 0")
	b.awaitSocket("web@http", "listening")
}

func TestS90OwnerThatCannotStart(t *testing.T) {
	t.Parallel()
	b := run(t, oneOwner(`lifecycle = "owned"`, `run = { exec = "$DIR/later", args = ["-id", "app"] }`))
	conn, err := b.dial("tcp", b.ip+":7001")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("echo patience\n")); err != nil {
		t.Fatal(err)
	}
	b.await("the failure is shown", func(st *controlv1.StatusResponse) bool {
		return strings.Contains(b.serviceOf(st, "web@app").LastError, b.file("later"))
	})
	// The program appears, and the client that has waited is served.
	if err := os.Symlink(program("probe"), b.file("later")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	n, err := conn.Read(buf)
	if err != nil || string(buf[:n]) != "patience\n" {
		t.Errorf("answer %q, %v, want patience", buf[:n], err)
	}
}

func TestS90UnknownUser(t *testing.T) {
	t.Parallel()
	b := run(t, oneOwner(`lifecycle = "owned"`, probeService+"\nuser = \"nobody-by-that-name\"\n"))
	conn, err := b.dial("tcp", b.ip+":7001")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b.await("the failure is shown", func(st *controlv1.StatusResponse) bool {
		return strings.Contains(b.serviceOf(st, "web@app").LastError, "nobody-by-that-name")
	})
	b.refused("nobody-by-that-name", "start", "service", "web@app")
}

func TestS92S93Stopping(t *testing.T) {
	t.Parallel()
	b := run(t, oneOwner(`lifecycle = "owned"`, probeService))
	b.must("tcp", b.ip+":7001", "id")
	first := b.nextReport("app")

	// S92: the owner stops, the socket does not.
	b.do("stop", "service", "web@app")
	if alive(t, first.PID) {
		t.Errorf("process %d still runs after the stop", first.PID)
	}
	b.awaitSocket("web@http", "listening")
	b.must("tcp", b.ip+":7001", "id")
	second := b.nextReport("app")

	// S93: the socket stops, the owner keeps its descriptor.
	b.do("stop", "socket", "web@http")
	b.checkSocket("web@http", "inactive")
	if got, want := b.must("tcp", b.ip+":7001", "id"), "app "+strconv.Itoa(second.PID); got != want {
		t.Errorf("answer %q, want %q", got, want)
	}
	b.do("stop", "service", "web@app")

	// S95: with both gone, so is the address.
	l, err := net.Listen("tcp", b.ip+":7001")
	if err != nil {
		t.Fatalf("the address is not free: %v", err)
	}
	l.Close()
}

func TestS94OneOfTwoSocketsIsStopped(t *testing.T) {
	t.Parallel()
	b := run(t, oneOwner(`lifecycle = "owned"`, probeService+`
[[socket]]
name = "admin"
type = "uds"
listen = "admin.sock"
owner = "app"
lifecycle = "owned"
`))
	b.do("stop", "socket", "web@http")
	b.must("unix", b.file("sock/admin.sock"), "id")
	checkInheritance(t, b.nextReport("app"), "admin")
	b.do("stop", "service", "web@app")
	b.do("start", "socket", "web@http")
	b.must("tcp", b.ip+":7001", "id")
	checkInheritance(t, b.nextReport("app"), "http", "admin")
}

func TestS96StartTwice(t *testing.T) {
	t.Parallel()
	b := run(t, switched(""))
	inode := listenerInode(t, b.file("sock/s.sock"))
	for range 2 {
		if out := b.do("start", "socket", "flow@s"); !strings.Contains(out, "already active") {
			t.Errorf("the answer is %q, want already active", out)
		}
	}
	if got := listenerInode(t, b.file("sock/s.sock")); got != inode {
		t.Errorf("the listener has inode %s, want %s: it was opened again", got, inode)
	}
	if got := len(b.status().Sockets); got != 1 {
		t.Errorf("the status has %d sockets, want 1", got)
	}
}

func TestS97CrashLoop(t *testing.T) {
	t.Parallel()
	b := newBed(t, oneOwner(`lifecycle = "owned"`, `run = { exec = "$DIR/app" }
restart = { max_retries = 2 }`))
	crash := "#!/bin/sh\nexec $PROBE -id app -report $REPORT -quit -code 3\n"
	b.write("app", b.expand(crash))
	if err := os.Chmod(b.file("app"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.compile()
	b.start()
	b.do("start", "service", "web@app")
	for range 3 {
		b.nextReport("app")
	}
	if s := b.awaitService("web@app", "failed"); s.Starts != 3 || !strings.Contains(s.LastError, "3") {
		t.Errorf("after %d starts the service says %q, want 3 starts and exit status 3", s.Starts, s.LastError)
	}
	b.noReport()

	// The socket is not stuck: a client gets through once the service is mended.
	conn, err := b.dial("tcp", b.ip+":7001")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("echo patience\n")); err != nil {
		t.Fatal(err)
	}
	b.nextReport("app")
	b.write("mended", b.expand("#!/bin/sh\nexec $PROBE -id mended\n"))
	if err := os.Chmod(b.file("mended"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(b.file("mended"), b.file("app")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	if n, err := conn.Read(buf); err != nil || string(buf[:n]) != "patience\n" {
		t.Errorf("answer %q, %v, want patience", buf[:n], err)
	}
}

func TestS142NonBlockIsSetAtEveryActivation(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- n.toml --
[[socket]]
name = "off"
type = "tcp"
listen = "$IP:7001"
owner = "app"
lifecycle = "owned"

[[socket]]
name = "on"
type = "tcp"
listen = "$IP:7002"
owner = "app"
lifecycle = "owned"
non-blocking = true

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app", "-report", "$REPORT"] }
`)
	for i := range 3 {
		b.must("tcp", b.ip+":7001", "id")
		r := b.nextReport("app")
		off, _ := r.Find(3)
		on, _ := r.Find(4)
		if off.NonBlock || !on.NonBlock {
			t.Errorf("activation %d: O_NONBLOCK is %t and %t, want false and true", i+1, off.NonBlock, on.NonBlock)
		}
		// The owner changes both, and ends.
		b.must("tcp", b.ip+":7001", "flip 3")
		b.must("tcp", b.ip+":7001", "flip 4")
		b.must("tcp", b.ip+":7001", "exit 0")
		b.awaitSocket("n@off", "listening")
	}
}
