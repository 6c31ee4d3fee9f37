package transport

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestSettings sets every option that is one of the socket itself, and asks the
// kernel for it.
func TestSettings(t *testing.T) {
	get := func(level, name, want int) func(*testing.T, int) {
		return func(t *testing.T, fd int) {
			t.Helper()
			if got := getsockopt(t, fd, level, name); got != want {
				t.Errorf("getsockopt %d %d = %d, want %d", level, name, got, want)
			}
		}
	}
	all := func(checks ...func(*testing.T, int)) func(*testing.T, int) {
		return func(t *testing.T, fd int) {
			t.Helper()
			for _, check := range checks {
				check(t, fd)
			}
		}
	}
	tests := []struct {
		option, text, network, address string
		check                          func(t *testing.T, fd int)
	}{
		{"receive-buffer", "4194304", "tcp", "127.0.0.1:0", get(unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<20)},
		{"send-buffer", "4194304", "udp", "127.0.0.1:0", get(unix.SOL_SOCKET, unix.SO_SNDBUF, 8<<20)},
		{"receive-buffer", "65536", "uds", "", get(unix.SOL_SOCKET, unix.SO_RCVBUF, 128<<10)},
		{"priority", "6", "tcp", "127.0.0.1:0", get(unix.SOL_SOCKET, unix.SO_PRIORITY, 6)},
		{"mark", "66", "udp", "127.0.0.1:0", get(unix.SOL_SOCKET, unix.SO_MARK, 66)},
		{"mark", "4294967295", "tcp", "127.0.0.1:0", get(unix.SOL_SOCKET, unix.SO_MARK, -1)},
		{"timestamping", "us", "udp", "127.0.0.1:0", get(unix.SOL_SOCKET, unix.SO_TIMESTAMP, 1)},
		{"timestamping", "ns", "udp", "127.0.0.1:0", get(unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)},
		{"timestamping", "off", "udp", "127.0.0.1:0", get(unix.SOL_SOCKET, unix.SO_TIMESTAMP, 0)},
		{"transparent", "true", "tcp", "127.0.0.1:0", get(unix.SOL_IP, unix.IP_TRANSPARENT, 1)},
		{"transparent", "true", "udp", "[::1]:0", get(unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1)},
		{"bind-device", "lo", "tcp", "127.0.0.1:0", get(unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, 1)},
		{"tos", "184", "tcp", "127.0.0.1:0", get(unix.SOL_IP, unix.IP_TOS, 184)},
		{"tos", "16", "udp", "*:0", get(unix.SOL_IP, unix.IP_TOS, 16)},
		{"traffic-class", "184", "tcp", "[::1]:0", get(unix.SOL_IPV6, unix.IPV6_TCLASS, 184)},
		{"ttl", "3", "udp", "127.0.0.1:0", get(unix.SOL_IP, unix.IP_TTL, 3)},
		{"ttl", "3", "tcp", "[::1]:0", get(unix.SOL_IPV6, unix.IPV6_UNICAST_HOPS, 3)},
		{"ttl", "3", "tcp", "*:0", all(get(unix.SOL_IPV6, unix.IPV6_UNICAST_HOPS, 3), get(unix.SOL_IP, unix.IP_TTL, 3))},
		{"keepalive.time", "1m0s", "tcp", "127.0.0.1:0", all(get(unix.SOL_TCP, unix.TCP_KEEPIDLE, 60), get(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1))},
		{"keepalive.interval", "5s", "tcp", "127.0.0.1:0", all(get(unix.SOL_TCP, unix.TCP_KEEPINTVL, 5), get(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1))},
		{"keepalive.probes", "3", "tcp", "[::1]:0", all(get(unix.SOL_TCP, unix.TCP_KEEPCNT, 3), get(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1))},
		{"no-delay", "true", "tcp", "127.0.0.1:0", get(unix.SOL_TCP, unix.TCP_NODELAY, 1)},
		{"defer-accept", "3s", "tcp", "127.0.0.1:0", get(unix.SOL_TCP, unix.TCP_DEFER_ACCEPT, 3)},
		{"fast-open", "16", "tcp", "127.0.0.1:0", get(unix.SOL_TCP, unix.TCP_FASTOPEN, 16)},
		{"user-timeout", "30s", "tcp", "127.0.0.1:0", get(unix.SOL_TCP, unix.TCP_USER_TIMEOUT, 30_000)},
		{"congestion", "reno", "tcp", "127.0.0.1:0", func(t *testing.T, fd int) {
			t.Helper()
			if got, err := unix.GetsockoptString(fd, unix.SOL_TCP, unix.TCP_CONGESTION); err != nil || got != "reno" {
				t.Errorf("TCP_CONGESTION = %q (%v), want reno", got, err)
			}
		}},
		{"broadcast", "true", "udp", "127.0.0.1:0", get(unix.SOL_SOCKET, unix.SO_BROADCAST, 1)},
		{"packet-info", "true", "udp", "127.0.0.1:0", get(unix.SOL_IP, unix.IP_PKTINFO, 1)},
		{"packet-info", "true", "udp", "*:0", all(get(unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1), get(unix.SOL_IP, unix.IP_PKTINFO, 1))},
		{"pass-credentials", "true", "uds", "", get(unix.SOL_SOCKET, unix.SO_PASSCRED, 1)},
		{"pass-security", "true", "uds", "", get(unix.SOL_SOCKET, unix.SO_PASSSEC, 1)},
	}
	for _, tt := range tests {
		t.Run(strings.Join([]string{tt.option, tt.network, tt.address}, " "), func(t *testing.T) {
			needNetAdmin(t, tt.option)
			settings := Settings{Values: map[string]string{tt.option: tt.text}}
			var s *Socket
			var err error
			if tt.network == "uds" {
				s, err = BindUnix(t.Context(), filepath.Join(t.TempDir(), "s"), UnixOptions{Mode: 0o600, Settings: settings})
			} else {
				s, err = BindInet(t.Context(), tt.network, tt.address, InetOptions{Settings: settings})
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			if len(s.Refused) > 0 {
				t.Errorf("refused: %v", s.Refused)
			}
			tt.check(t, s.FD)
		})
	}
}

// needNetAdmin skips what only a process with CAP_NET_ADMIN may do.
func needNetAdmin(t *testing.T, option string) {
	t.Helper()
	switch option {
	case "mark", "transparent", "receive-buffer", "send-buffer":
		if os.Geteuid() != 0 {
			t.Skip("needs CAP_NET_ADMIN")
		}
	}
}

func TestMulticast(t *testing.T) {
	s := bindInet(t, "udp", "0.0.0.0:0", InetOptions{Settings: Settings{
		Values: map[string]string{"multicast": `["239.77.1.2%lo","239.77.1.3%lo"]`},
	}})
	if got := getsockopt(t, s.FD, unix.SOL_IP, unix.IP_MULTICAST_ALL); got != 0 {
		t.Errorf("IP_MULTICAST_ALL = %d, want 0", got)
	}
	bindInet(t, "udp", "*:0", InetOptions{Settings: Settings{
		Values: map[string]string{"multicast": `["ff02::77:1%lo","239.77.1.4%1"]`},
	}})
	joined := readFile(t, "/proc/net/igmp") + readFile(t, "/proc/net/igmp6")
	// /proc/net/igmp has IPv4 groups as numbers of the machine's byte order.
	for _, group := range []string{"02014DEF", "03014DEF", "04014DEF", "ff020000000000000000000000770001"} {
		if !strings.Contains(joined, group) {
			t.Errorf("/proc/net/igmp and igmp6 do not have the group %s:\n%s", group, joined)
		}
	}
}

func TestMPTCP(t *testing.T) {
	s, err := BindInet(t.Context(), "tcp", "127.0.0.1:0", InetOptions{MPTCP: true, Settings: Settings{
		Values: map[string]string{"mptcp": "true"}, Prefer: []string{"mptcp"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	want := unix.IPPROTO_MPTCP
	if len(s.Refused) > 0 { // by this machine's kernel
		want = unix.IPPROTO_TCP
		if !strings.HasPrefix(s.Refused[0].Err.Error(), "option mptcp: ") {
			t.Errorf("refused: %v", s.Refused[0].Err)
		}
		_, err := BindInet(t.Context(), "tcp", "127.0.0.1:0", InetOptions{MPTCP: true})
		if e, ok := errors.AsType[*Error](err); !ok || e.Field != "mptcp" || e.Code != Unsupported {
			t.Errorf("BindInet: %v, want the option mptcp unsupported", err)
		}
	}
	if got := getsockopt(t, s.FD, unix.SOL_SOCKET, unix.SO_PROTOCOL); got != want {
		t.Errorf("SO_PROTOCOL = %d, want %d", got, want)
	}
}

// refusals are options that the kernel refuses everybody, or a process without
// capabilities.
var refusable = []struct {
	option, text string
	unprivileged bool
	want         string
	code         Code
}{
	{"congestion", "nosuch", false, "option congestion: no such file or directory (net.ipv4.tcp_available_congestion_control has ", Unsupported},
	{"bind-device", "nosuch0", false, "option bind-device: no such device (there is no interface nosuch0)", AddressNotAvailable},
	{"keepalive.probes", "500", false, "option keepalive.probes: invalid argument (this kernel does not take 500)", InvalidOption},
	{"mark", "5", true, "option mark: operation not permitted (needs CAP_NET_ADMIN)", Permission},
	{"transparent", "true", true, "option transparent: operation not permitted (needs CAP_NET_ADMIN)", Permission},
	{"priority", "7", true, "option priority: operation not permitted (needs CAP_NET_ADMIN for priorities above 6)", Permission},
}

const unprivilegedKey = "TEST_REFUSALS"

// TestRefusals also runs itself as a user without capabilities.
func TestRefusals(t *testing.T) {
	_, unprivileged := os.LookupEnv(unprivilegedKey)
	for _, tt := range refusable {
		if tt.unprivileged && os.Geteuid() == 0 {
			continue
		}
		t.Run(tt.option, func(t *testing.T) {
			settings := Settings{Values: map[string]string{tt.option: tt.text}}
			_, err := BindInet(t.Context(), "tcp", "127.0.0.1:0", InetOptions{Settings: settings})
			e, ok := errors.AsType[*Error](err)
			if !ok || !strings.HasPrefix(e.Error(), tt.want) || e.Code != tt.code || e.Field != tt.option {
				t.Errorf("BindInet: %v, want %q with the code %s", err, tt.want, tt.code)
			}
			settings.Prefer = []string{tt.option}
			s, err := BindInet(t.Context(), "tcp", "127.0.0.1:0", InetOptions{Settings: settings})
			if err != nil {
				t.Fatalf("the option is preferred only, but: %v", err)
			}
			defer s.close()
			if len(s.Refused) != 1 || s.Refused[0].Option != tt.option || !strings.HasPrefix(s.Refused[0].Err.Error(), tt.want) {
				t.Errorf("refused: %+v, want %s", s.Refused, tt.option)
			}
		})
	}
	if unprivileged || os.Geteuid() != 0 {
		return
	}
	t.Run("without capabilities", func(t *testing.T) {
		exe := filepath.Join(t.TempDir(), "transport.test")
		for _, dir := range []string{filepath.Dir(exe), filepath.Dir(filepath.Dir(exe))} {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		binary, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(exe, binary, 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := asNobody(t.Context(), exe, "-test.run=^TestRefusals$", "-test.v").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "PASS: TestRefusals/mark") {
			t.Errorf("as nobody: %v\n%s", err, out)
		}
	})
}

// asNobody runs a program of the tests without capabilities, in a folder that
// everybody may enter.
func asNobody(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), unprivilegedKey+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return cmd
}

func TestSettingsCheck(t *testing.T) {
	tests := []struct{ name, address, option, text, want string }{
		{"class on IPv4", "127.0.0.1:0", "traffic-class", "1", "option traffic-class has no meaning for the IPv4 address 127.0.0.1:0 (IPv4 calls it tos)"},
		{"tos on IPv6", "[::1]:0", "tos", "1", "option tos has no meaning for the IPv6 address [::1]:0 (IPv6 calls it traffic-class)"},
		{"unicast group", "*:0", "multicast", `["10.0.0.1"]`, `option multicast has "10.0.0.1", which is no multicast address (want one such as 239.1.2.3 or ff02::1:3%eth0)`},
		{"no address", "*:0", "multicast", `["x"]`, `option multicast has "x", which is no multicast address (want one such as 239.1.2.3 or ff02::1:3%eth0)`},
		{"not a list", "*:0", "multicast", `x`, `option multicast list "x": want a JSON array of strings`},
		{"group of IPv6 on IPv4", "0.0.0.0:7", "multicast", `["ff05::1"]`, "option multicast has ff05::1, of another family than the address 0.0.0.0:7 (listen on *:7 for both families)"},
		{"group of IPv4 on IPv6", "[::]:7", "multicast", `["239.1.1.1"]`, "option multicast has 239.1.1.1, of another family than the address [::]:7 (listen on *:7 for both families)"},
		{"link-local group", "*:0", "multicast", `["ff02::1"]`, "option multicast has the link-local group ff02::1 without an interface (write ff02::1%eth0 for the interface eth0)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := CheckInet(tt.address, InetOptions{Settings: Settings{Values: map[string]string{tt.option: tt.text}}})
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Error() != tt.want || e.Field != tt.option || e.Code != InvalidOption {
				t.Errorf("CheckInet: %v, want %q", err, tt.want)
			}
		})
	}
}

func TestUnixDirectoriesAndLinks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("gives files away")
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.Mkdir(in("there"), 0o711); err != nil {
		t.Fatal(err)
	}
	path := in("there/new/er/s")
	links := []string{in("link"), in("a/b/link")}
	opts := UnixOptions{Mode: 0o600, DirMode: 0o750, DirUser: "123", DirGroup: "456", Symlinks: links}
	s := bindUnix(t, path, opts)
	for name, want := range map[string]string{
		"there": "0711 0:0", "there/new": "0750 123:456", "there/new/er": "0750 123:456", "a": "0750 123:456", "a/b": "0750 123:456",
	} {
		var st unix.Stat_t
		if err := unix.Stat(in(name), &st); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%04o %d:%d", st.Mode&0o7777, st.Uid, st.Gid); got != want {
			t.Errorf("%s has %s, want %s", name, got, want)
		}
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || target != path {
			t.Errorf("%s leads to %q (%v), want %s", link, target, err, path)
		}
	}

	s.Discard()
	for _, gone := range append(links, path) {
		if _, err := os.Lstat(gone); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left (%v)", gone, err)
		}
	}
}

func TestUnixLinkConflicts(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	tests := []struct {
		name    string
		prepare func(link, path string) error
		want    string // after "option symlinks: link L to P: "; empty means success
	}{
		{name: "its own of before", prepare: func(link, path string) error { return os.Symlink(path, link) }},
		{name: "another link", prepare: func(link, _ string) error { return os.Symlink("/elsewhere", link) }, want: "address already in use: a symbolic link to /elsewhere is there"},
		{name: "a file", prepare: func(link, _ string) error { return os.WriteFile(link, []byte("kept"), 0o600) }, want: "address already in use: something else is there"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			link, first, path := in(fmt.Sprint("link", i)), in(fmt.Sprint("first", i)), in(fmt.Sprint("s", i))
			if err := tt.prepare(link, path); err != nil {
				t.Fatal(err)
			}
			s, err := BindUnix(t.Context(), path, UnixOptions{Mode: 0o600, DirMode: 0o755, Symlinks: []string{first, link}})
			if err == nil {
				defer s.close()
				s.Discard()
			}
			want := ""
			if tt.want != "" {
				want = fmt.Sprintf("option symlinks: link %s to %s: %s (remove it, or remove it from the option symlinks)", link, path, tt.want)
			}
			got := ""
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("BindUnix (-want +got):\n%s", diff)
			}
			for _, gone := range []string{first, path} {
				if _, err := os.Lstat(gone); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s is left (%v)", gone, err)
				}
			}
			if _, err := os.Lstat(link); err != nil {
				t.Errorf("what was there before is gone: %v", err)
			}
		})
	}
}
