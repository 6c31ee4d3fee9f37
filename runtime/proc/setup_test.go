package proc

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// shell is a service that runs a script of the shell.
func shell(script string) *Spec {
	return &Spec{
		Name: "service app@test", Exec: "/bin/sh", Args: []string{"-c", script},
		Env: []string{"PATH=" + defaultPath}, Stdin: Null, Stderr: 2,
	}
}

// status is a script that prints some lines of /proc/self/status, without tabs.
func status(fields ...string) string {
	return "exec grep -E '^(" + strings.Join(fields, "|") + "):' /proc/self/status"
}

func TestSetup(t *testing.T) {
	mask := uint32(0o027)
	// The launcher gets the limit that the test was started with, by way of os/exec.
	own, _ := output(t, ways[1], shell("ulimit -n"))
	tests := []struct {
		name   string
		change func(*Spec)
		script string
		want   string
	}{
		{
			name: "umask", change: func(s *Spec) { s.Umask = &mask },
			script: "umask", want: "0027",
		},
		{
			name: "umask 0", change: func(s *Spec) { s.Umask = new(uint32) },
			script: "umask", want: "0000",
		},
		{
			name: "limits", change: func(s *Spec) {
				s.Limits = []Limit{{"core", 0, 4096}, {"nofile", 33, 44}, {"stack", 1 << 20, 2 << 20}, {"fsize", 512, 1024}, {"cpu", 7, Infinity}}
			},
			script: "ulimit -Sc; ulimit -Hc; ulimit -Sn; ulimit -Hn; ulimit -Ss; ulimit -Hs; ulimit -Sf; ulimit -Hf; ulimit -St; ulimit -Ht",
			want:   "0 8 33 44 1024 2048 1 2 7 unlimited",
		},
		{
			name: "memory", change: func(s *Spec) { s.Limits = []Limit{{"as", 1 << 28, 1 << 28}, {"data", 1 << 26, 1 << 26}} },
			script: "ulimit -v; ulimit -d", want: "262144 65536",
		},
		{
			name: "without a limit of open files it is the daemon's", change: func(*Spec) {},
			script: "ulimit -n", want: strings.TrimSpace(own),
		},
		{
			name: "no new privileges", change: func(s *Spec) { s.NoNewPrivileges = true },
			script: status("NoNewPrivs"), want: "NoNewPrivs: 1",
		},
		{
			name: "without", change: func(*Spec) {},
			script: status("NoNewPrivs"), want: "NoNewPrivs: 0",
		},
		{
			name: "variables with the pid, once", change: func(s *Spec) {
				s.PIDEnv = []string{"WATCHDOG_PID"}
				s.Env = append(s.Env, "WATCHDOG_PID=1")
			},
			script: `[ "$WATCHDOG_PID" = $$ ] && echo mine ${LISTEN_PID-none}`, want: "mine none",
		},
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					spec := shell(tt.script)
					tt.change(spec)
					out, _ := output(t, w, spec)
					if got := strings.Join(strings.Fields(out), " "); got != tt.want {
						t.Errorf("the service prints %q, want %q", got, tt.want)
					}
				})
			}
		})
	}
}

func TestCapabilities(t *testing.T) {
	needRoot(t)
	nobody := &Credential{UID: 65534, GID: 65534}
	const bind, chown = 1 << unix.CAP_NET_BIND_SERVICE, 1 << unix.CAP_CHOWN
	tests := []struct {
		name  string
		cred  *Credential
		caps  []string
		noNew bool

		inheritable, permitted, bounding, ambient uint64
	}{
		{"root keeps two", nil, []string{"CAP_NET_BIND_SERVICE", "CAP_CHOWN"}, false, 0, bind | chown, bind | chown, 0},
		{"root without", nil, []string{}, false, 0, 0, 0, 0},
		{"root by name", &Credential{}, []string{"CAP_CHOWN"}, true, 0, chown, chown, 0},
		{"a user gets one", nobody, []string{"CAP_NET_BIND_SERVICE"}, false, bind, bind, bind, bind},
		{"a user gets one and no more", nobody, []string{"CAP_NET_BIND_SERVICE"}, true, bind, bind, bind, bind},
		{"a user without", nobody, []string{}, false, 0, 0, 0, 0},
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					spec := shell(status("Uid", "Cap...", "NoNewPrivs"))
					spec.Cred, spec.Capabilities, spec.NoNewPrivileges = tt.cred, tt.caps, tt.noNew
					out, _ := output(t, w, spec)
					uid, noNew := uint32(0), 0
					if tt.cred != nil {
						uid = tt.cred.UID
					}
					if tt.noNew {
						noNew = 1
					}
					want := fmt.Sprintf("Uid: %d %d %d %d CapInh: %016x CapPrm: %016x CapEff: %016x CapBnd: %016x CapAmb: %016x NoNewPrivs: %d",
						uid, uid, uid, uid, tt.inheritable, tt.permitted, tt.permitted, tt.bounding, tt.ambient, noNew)
					if got := strings.Join(strings.Fields(out), " "); got != want {
						t.Errorf("the service has\n%s, want\n%s", got, want)
					}
				})
			}
		})
	}
}

// A user's service keeps the groups of the user, and what it may do is what the
// list says, not what its number of user says.
func TestRootWithoutCapabilitiesIsPowerless(t *testing.T) {
	needRoot(t)
	file := t.TempDir() + "/secret"
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(file, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			spec := shell("cat " + file + " 2>/dev/null || echo refused")
			spec.Capabilities = []string{}
			if out, _ := output(t, w, spec); out != "refused\n" {
				t.Errorf("root without capabilities read a file of another user: %q", out)
			}
		})
	}
}

func TestSetupErrors(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"unknown limit", func(s *Spec) { s.Limits = []Limit{{"nofiles", 1, 1}} }, `limit "nofiles": there is no such resource`},
		{"limits the wrong way round", func(s *Spec) { s.Limits = []Limit{{"core", 2, 1}} }, "limit core to 2:1: the soft limit is above the hard one"},
		{"unknown capability", func(s *Spec) { s.Capabilities = []string{"CAP_FLY"} }, `capability "CAP_FLY": there is none of that name`},
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					spec := shell("true")
					spec.Stdout = 1
					tt.change(spec)
					p, err := w.start(spec)
					if err == nil {
						closeProcess(t, p)
						t.Fatal("it started")
					}
					if err.Error() != tt.want {
						t.Errorf("error %q, want %q", err, tt.want)
					}
				})
			}
		})
	}
}

// Of what the daemon does not have itself, the error says the name.
func TestCapabilityThatTheDaemonLacks(t *testing.T) {
	permitted, bounding, err := ownCaps()
	if err != nil {
		t.Fatal(err)
	}
	lacking := slices.IndexFunc(capabilityNames[:], func(string) bool { return true })
	for n := range capabilityNames {
		if (permitted&bounding)&(1<<n) == 0 {
			lacking = n
		}
	}
	if permitted&bounding&(1<<lacking) != 0 {
		t.Skip("this process has every capability")
	}
	_, err = restrict([]string{capabilityNames[lacking]}, nil, false)
	want := "capabilities: rindrun does not have " + capabilityNames[lacking] + " itself: give it to rindrun, or take it from the unit"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// Without CAP_SYS_RESOURCE, as in many a container, no hard limit can be raised.
func TestLimitAboveTheDaemons(t *testing.T) {
	permitted, _, err := ownCaps()
	if err != nil {
		t.Fatal(err)
	}
	if permitted&(1<<unix.CAP_SYS_RESOURCE) != 0 {
		t.Skip("this process may raise limits")
	}
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &now); err != nil {
		t.Fatal(err)
	}
	if now.Max == unix.RLIM_INFINITY {
		t.Skip("there is nothing above the limit")
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			spec := shell("true")
			spec.Stdout = 1
			spec.Limits = []Limit{{"nproc", now.Max, now.Max + 1}}
			p, err := w.start(spec)
			if err == nil {
				closeProcess(t, p)
				t.Fatal("it started")
			}
			want := fmt.Sprintf("set the limit nproc to %d:%d: operation not permitted (above the hard limit of rindrun, or of the kernel: needs CAP_SYS_RESOURCE)", now.Max, now.Max+1)
			if err.Error() != want {
				t.Errorf("error %q, want %q", err, want)
			}
		})
	}
}

func TestSocketEnvOfStoredDescriptors(t *testing.T) {
	tests := []struct {
		name  string
		files []File
		want  []string
	}{
		{"none", nil, nil},
		{
			"after a socket",
			[]File{{Name: "http"}, {Name: "stored", Stored: true}},
			[]string{"LISTEN_FDS=2", "LISTEN_FDNAMES=http:stored", "RIND_SOCKET_FDS=3", "RIND_SOCKET_COUNT=1", "RIND_SOCKET_NAMES=http"},
		},
		{"alone", []File{{Name: "a", Stored: true}}, []string{"LISTEN_FDS=1", "LISTEN_FDNAMES=a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, socketEnv(tt.files)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
