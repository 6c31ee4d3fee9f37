package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// settings is one service without sockets, with further keys.
func settings(keys string) string {
	return fmt.Sprintf(`
-- web.toml --
[[service]]
name = "app"
%s
`, keys)
}

// started starts the service and returns what its process says of itself.
func (b *bed) started() *Report {
	b.t.Helper()
	b.do("start", "service", "web@app")
	return b.nextReport("app")
}

func TestServiceSetup(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root may give a service another user")
	}
	nobody := needUser(t, "nobody")
	const bind = "0000000000000400" // CAP_NET_BIND_SERVICE
	const none = "0000000000000000"
	tests := []struct {
		name, keys string
		want       map[string]string // of Status
		limits     map[string]string
	}{
		{name: "umask", keys: `umask = "0027"`, want: map[string]string{"Umask": "0027"}},
		{
			name: "limits", keys: "limits = { nofile = 50, core = 0, nproc = 100 }",
			limits: map[string]string{"Max open files": "50 50", "Max core file size": "0 0", "Max processes": "100 100"},
		},
		{name: "no-new-privileges", keys: "no-new-privileges = true", want: map[string]string{"NoNewPrivs": "1"}},
		{
			name: "capabilities of a user", keys: `user = "nobody"` + "\n" + `capabilities = ["CAP_NET_BIND_SERVICE"]`,
			want: map[string]string{
				"Uid": strings.Join([]string{nobody.Uid, nobody.Uid, nobody.Uid, nobody.Uid}, " "), "NoNewPrivs": "0",
				"CapInh": bind, "CapPrm": bind, "CapEff": bind, "CapBnd": bind, "CapAmb": bind,
			},
		},
		{
			name: "capabilities of root", keys: `capabilities = ["CAP_NET_BIND_SERVICE"]`,
			want: map[string]string{"Uid": "0 0 0 0", "CapInh": none, "CapPrm": bind, "CapEff": bind, "CapBnd": bind, "CapAmb": none},
		},
		{
			name: "no capabilities", keys: "capabilities = []",
			want: map[string]string{"Uid": "0 0 0 0", "CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none},
		},
		{
			name: "a user without the daemon's groups", keys: `user = "nobody"`,
			want: map[string]string{"Groups": nobody.Gid, "CapPrm": none, "CapEff": none},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := run(t, settings(probeService+"\n"+tt.keys))
			r := b.started()
			for key, want := range tt.want {
				if got := r.Status[key]; got != want {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
			for key, want := range tt.limits {
				if got := r.Limits[key]; got != want {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
		})
	}
}

func TestServiceEnvironment(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root may give a service another user")
	}
	nobody := needUser(t, "nobody")
	b := newBed(t, settings(`run = { exec = "$PROBE", args = ["-id", "app", "-report", "$REPORT"], env = { B = "unit" } }
env-file = "$DIR/env"
user = "nobody"
`))
	b.compile()
	b.write("env", "# shared with others\nA=\"from the file\"\nB=file\nexport C=1\n")
	b.start("A=daemon", "D=daemon", "SHELL=/daemon")
	r := b.started()
	for key, want := range map[string]string{
		"A": "from the file", "B": "unit", "C": "", "D": "daemon",
		"USER": "nobody", "LOGNAME": "nobody", "HOME": nobody.HomeDir,
		"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "", "FDSTORE": "",
	} {
		if got := r.Env[key]; got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if got := r.Env["SHELL"]; got == "/daemon" || got == "" {
		t.Errorf("SHELL is %q, want that of the user", got)
	}

	// It is read at every start, and has to be there.
	b.do("stop", "service", "web@app")
	b.write("env", "A=new")
	if got := b.started().Env["A"]; got != "new" {
		t.Errorf("A is %q after a change of the file", got)
	}
	b.do("stop", "service", "web@app")
	if err := os.Remove(b.file("env")); err != nil {
		t.Fatal(err)
	}
	b.refused("env-file: open "+b.file("env")+": no such file or directory", "start", "service", "web@app")
}

func TestServiceOutput(t *testing.T) {
	t.Parallel()
	b := run(t, settings(`run = { exec = "sh", args = ["-c", "echo out; echo err >&2; readlink /proc/self/fd/1 > $DIR/where"] }
stdout = { file = "$DIR/log" }
stderr = "log"
`))
	for n := 1; n <= 2; n++ {
		b.do("start", "service", "web@app")
		b.awaitService("web@app", "inactive")
		text, err := os.ReadFile(b.file("log"))
		if err != nil || string(text) != strings.Repeat("out\n", n) {
			t.Errorf("after start %d the file has %q, %v", n, text, err)
		}
	}
	info, err := os.Stat(b.file("log"))
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the file: %v, %v", info, err)
	}
	b.await("the log has what was printed", func(*controlv1.StatusResponse) bool {
		return strings.Contains(b.log.String(), "line=err") || strings.Contains(b.log.String(), `"line":"err"`)
	})
	if text := b.log.String(); strings.Contains(text, `"line":"out"`) {
		t.Error("what goes to the file is in the log, too")
	}
}

func TestServiceOutputToNullAndToTheDaemons(t *testing.T) {
	t.Parallel()
	b := run(t, settings(`run = { exec = "sh", args = ["-c", "readlink /proc/$$/fd/0 /proc/$$/fd/1 > $DIR/where; echo to the daemon >&2"] }
stdout = "null"
stderr = "inherit"
`))
	b.do("start", "service", "web@app")
	b.awaitService("web@app", "inactive")
	text, err := os.ReadFile(b.file("where"))
	if err != nil || !strings.HasPrefix(string(text), "/dev/null\n") {
		t.Errorf("descriptors 0 and 1 are %q, %v", text, err)
	}
	b.await("the daemon's standard error has it", func(*controlv1.StatusResponse) bool {
		return strings.Contains("\n"+b.log.String(), "\nto the daemon\n")
	})
}

// What a service has started ends with it, even if it has made a session of its
// own, where control groups are to be had.
func TestServiceLeavesNothing(t *testing.T) {
	t.Parallel()
	b := run(t, settings(`run = { exec = "sh", args = ["-c", "setsid sh -c 'echo $$ > $DIR/pid.new; mv $DIR/pid.new $DIR/pid; exec sleep 1000' & exec sleep 1000"] }`))
	b.logs(0, `"msg":"ready"`) // which comes after it
	if !strings.Contains(b.log.String(), "services are held together by control groups") {
		t.Skip("no control groups here")
	}
	b.do("start", "service", "web@app")
	b.await("the child runs", func(*controlv1.StatusResponse) bool {
		_, err := os.Stat(b.file("pid"))
		return err == nil
	})
	text, err := os.ReadFile(b.file("pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	group, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cgroup"))
	if err != nil || !strings.Contains(string(group), "/rind-web@app-") {
		t.Errorf("the child is in %q, %v", group, err)
	}
	b.do("stop", "service", "web@app")
	if alive(t, pid) {
		t.Errorf("process %d outlives its service", pid)
	}
}
